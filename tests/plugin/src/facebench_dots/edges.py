"""Edge strength as a feature: a backbone in one file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from facebench.errors import UsageError
from facebench.record import BackboneRecord
from facebench.types import Backbone, BackboneSource, Features

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Edges:
    """Absolute differences of neighbouring pixels, averaged over cells of 8 × 8."""

    record: BackboneRecord
    input_size: int

    def features(self, images: Tensor) -> Features:
        """One map (N, 6, S/8, S/8) of `images` (N, 3, S, S)."""
        import torch
        from torch.nn.functional import avg_pool2d, pad

        across = pad(images.diff(dim=3).abs(), (0, 1))
        down = pad(images.diff(dim=2).abs(), (0, 0, 0, 1))
        cells = avg_pool2d(torch.cat([across, down], dim=1), 8)
        return Features(maps=(cells,), pooled=cells.mean(dim=(2, 3)))


def open_edges(rest: str, input_size: int | None) -> Backbone:
    """Backbone `edges`; it takes nothing after a colon."""
    if rest:
        raise UsageError(f"edges takes nothing after its colon, not {rest!r}; write edges")
    details = {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0], "layers": ["cells of 8 x 8"], "pooling": "mean"}
    size = input_size or 64
    record = BackboneRecord(
        spec="edges", name="edges", weights="none", sha256=None, parameters=0, input_size=size, details=details
    )
    return Edges(record=record, input_size=size)


BACKBONE = BackboneSource(
    name="edges", grammar="edges", summary="edge strength in cells of 8 x 8 pixels", open=open_edges
)
