"""Raw pixels: the baseline that needs no network.

The map is the crop itself: each patch of P × P pixels is one position, its 3·P² pixels are the width. Pooled is the
crop averaged down to 16 × 16. A backbone that does not beat this has learnt nothing that helps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from facebench.errors import UsageError
from facebench.record import BackboneRecord
from facebench.types import Backbone, BackboneSource, Features

if TYPE_CHECKING:
    from torch import Tensor

INPUT_SIZE = 128
PATCH = 8
THUMBNAIL = 16
"""Side of the pooled picture: 16 × 16 × 3 = 768 numbers, the width of a ViT-B."""


@dataclass(frozen=True, eq=False)
class Pixels:
    """The backbone that hands the crop on.

    Attributes:
        record: who it is.
        input_size: S, pixels.
        patch: P, pixels.
    """

    record: BackboneRecord
    input_size: int
    patch: int

    def features(self, images: Tensor) -> Features:
        """Patches of `images` (N, 3, S, S) in [0, 1] as one map (N, 3·P², S/P, S/P), and its thumbnail (N, 768)."""
        from torch.nn.functional import adaptive_avg_pool2d, pixel_unshuffle

        size = (3, self.input_size, self.input_size)
        if tuple(images.shape[1:]) != size:
            raise UsageError(f"{self.record.spec} takes pictures of shape {size}, was given {tuple(images.shape[1:])}")
        images = images.float()
        return Features(
            maps=(pixel_unshuffle(images, self.patch),),
            pooled=adaptive_avg_pool2d(images, THUMBNAIL).flatten(1),
        )


def open_pixels(rest: str, input_size: int | None) -> Backbone:
    """Backbone of `pixels` or `pixels:PATCH`. Raises `UsageError` for a patch that does not divide the input."""
    if rest and not (rest.isascii() and rest.isdigit() and int(rest) > 0):
        raise UsageError(f"pixels:{rest}: the patch is a number of pixels; write {BACKBONE.grammar}")
    patch, size = int(rest or PATCH), input_size or INPUT_SIZE
    if size % patch:
        raise UsageError(f"pixels: an input of {size} pixels is not a multiple of the patch of {patch}")
    spec = f"pixels:{rest}" if rest else "pixels"
    details = {
        "mean": [0.0, 0.0, 0.0],
        "std": [1.0, 1.0, 1.0],
        "layers": [f"patches of {patch} x {patch} pixels"],
        "pooling": f"thumbnail of {THUMBNAIL} x {THUMBNAIL} pixels",
        "patch": patch,
    }
    record = BackboneRecord(
        spec=spec, name=spec, weights="none", sha256=None, parameters=0, input_size=size, gmacs=0.0, details=details
    )
    return Pixels(record=record, input_size=size, patch=patch)


BACKBONE = BackboneSource(
    name="pixels",
    grammar="pixels or pixels:PATCH",
    summary="raw pixels in patches: the baseline that needs no network",
    open=open_pixels,
)
