"""Pictures as patches, and patches without their own brightness and contrast.

    patchify      (N, 3, S, S) -> (N, L, 3 P P), row by row; inside a patch rows, columns, channels (as MAE)
    standardise   X -> (X - mean) / sqrt(variance + 1e-6), each patch by itself: the target of MAE's `norm_pix`

Mean and deviation are kept beside, so that a picture can be put together again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

EPSILON = 1e-6
"""MAE, models_mae.py: added to the variance of a patch."""


@dataclass(frozen=True, eq=False)
class Patches:
    """The patches of a batch, standardised.

    Attributes:
        pixels: (N, L, 3 P P), mean 0 and variance 1 in each patch.
        mean: (N, L, 1), of the pixels in [0, 1].
        log_std: (N, L, 1), logarithm of their standard deviation.
    """

    pixels: Tensor
    mean: Tensor
    log_std: Tensor

    def restored(self, pixels: Tensor) -> Tensor:
        """Standardised `pixels` (N, L, 3 P P) with the brightness and contrast of these patches."""
        return pixels * self.log_std.exp() + self.mean


def patchify(images: Tensor, side: int) -> Tensor:
    """Patches (N, L, 3 P P) of `images` (N, 3, S, S), P = `side`."""
    n, c, height, width = images.shape
    rows, columns = height // side, width // side
    cut = images.reshape(n, c, rows, side, columns, side).permute(0, 2, 4, 3, 5, 1)
    return cut.reshape(n, rows * columns, side * side * c)


def unpatchify(patches: Tensor, side: int) -> Tensor:
    """Images (N, 3, S, S) of square `patches` (N, L, 3 P P), P = `side`."""
    n, count, _ = patches.shape
    grid = round(count**0.5)
    laid = patches.reshape(n, grid, grid, side, side, 3).permute(0, 5, 1, 3, 2, 4)
    return laid.reshape(n, 3, grid * side, grid * side)


def standardise(patches: Tensor) -> Patches:
    """`patches` (N, L, 3 P P) of pixels in [0, 1], standardised one by one."""
    mean = patches.mean(-1, keepdim=True)
    variance = patches.var(-1, keepdim=True)
    return Patches((patches - mean) / torch.sqrt(variance + EPSILON), mean, 0.5 * torch.log(variance + EPSILON))
