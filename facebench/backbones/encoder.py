"""A torch module as a backbone: its own normalisation, its maps, its pooling.

Pooled is the mean of the deepest map: one rule for all families, and the choice that does not leave masked-image models
with a class token that nobody trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from facebench.backbones.cost import counted
from facebench.errors import FacebenchError, UsageError
from facebench.record import BackboneRecord
from facebench.types import Features

if TYPE_CHECKING:
    from torch import Tensor, nn

POOLING = "mean of the deepest map"


@dataclass(frozen=True, eq=False)
class Encoder:
    """A torch module that makes feature maps, with everything that belongs to it.

    Attributes:
        record: who it is.
        input_size: S, pixels.
        module: the network; it follows the pictures to their device.
        maps: normalised pictures (N, 3, S, S) to feature maps, shallow to deep, each (N, D, h, w).
        mean: of each channel, subtracted from pictures in [0, 1].
        std: of each channel.
    """

    record: BackboneRecord
    input_size: int
    module: nn.Module
    maps: Callable[[Tensor], tuple[Tensor, ...]]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def features(self, images: Tensor) -> Features:
        """Features of `images` (N, 3, S, S) float32 in [0, 1], RGB; no gradients, evaluation mode."""
        import torch

        self.module.eval()
        with torch.no_grad():
            return self.encode(images)

    def encode(self, images: Tensor) -> Features:
        """The same with gradients, in the mode the module is in: what fine-tuning calls."""
        size = (3, self.input_size, self.input_size)
        if tuple(images.shape[1:]) != size:
            raise UsageError(f"{self.record.spec} takes pictures of shape {size}, was given {tuple(images.shape[1:])}")
        self.module.to(images.device)
        maps = tuple(m.float() for m in self.maps(normalise(images, mean=self.mean, std=self.std)))
        return Features(maps=maps, pooled=maps[-1].mean(dim=(2, 3)))


def normalise(images: Tensor, *, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Pictures (N, 3, S, S) in [0, 1] with `mean` taken away and divided by `std`, channel by channel."""
    shift, scale = (images.new_tensor(v).reshape(1, -1, 1, 1) for v in (mean, std))
    return (images - shift) / scale


def probe(module: nn.Module, forward: Callable[[Tensor], Any], input_size: int, spec: str) -> tuple[Any, float | None]:
    """What `forward` makes of one grey picture of side `input_size`, and its 10^9 multiply-adds where they are known.

    The size is tried before any work is done.

    Raises:
        UsageError: the model does not take that size.
    """
    import torch

    module.eval()
    try:
        with torch.no_grad():
            return counted(forward, torch.zeros(1, 3, input_size, input_size))
    except Exception as cause:  # each family complains in its own way
        first = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        raise UsageError(f"{spec} does not take an input of {input_size} pixels: {first}") from cause


def check_maps(maps: Any, spec: str) -> tuple[Tensor, ...]:
    """`maps` as a tuple of (1, D, h, w) tensors. Raises `FacebenchError` where they are not spatial."""
    import torch

    listed = tuple(maps) if isinstance(maps, tuple | list) else (maps,)
    shapes = [tuple(getattr(m, "shape", ())) for m in listed]
    spatial = all(isinstance(m, torch.Tensor) and m.ndim == 4 and m.shape[2] > 0 and m.shape[3] > 0 for m in listed)
    if not listed or not spatial:
        raise FacebenchError(f"{spec} gives no spatial features: wanted maps (N, D, h, w), got {shapes or 'nothing'}")
    return listed
