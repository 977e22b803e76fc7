"""The optional geometric term: where the regions of the face lie, read from the encoder's output.

INFERRED, and off by default: its targets come from landmarks, so a run with it is weakly supervised and belongs into no
claim about unlabelled pictures. A learnt query for each region looks at the patch features by attention; where it looks
should be where the region is, and what it reads should say how the regions lie to each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from pretrain.method.regions import REGIONS

if TYPE_CHECKING:
    from torch import Tensor


class RegionGeometry(nn.Module):
    """Occupancy of each region and offsets between their centres, in sides of the picture."""

    places: Tensor

    def __init__(self, *, width: int, grid: int) -> None:
        """Read features of `width` numbers on `grid` * `grid` patches."""
        super().__init__()
        self.queries = nn.Parameter(torch.randn(len(REGIONS), width) * 0.02)
        self.keys = nn.Linear(width, width)
        self.centre = nn.Linear(width, 2)
        at = (torch.arange(grid) + 0.5) / grid
        rows, columns = torch.meshgrid(at, at, indexing="ij")
        self.register_buffer("places", torch.stack([columns, rows], -1).reshape(-1, 2), persistent=False)

    def forward(self, features: Tensor, regions: Tensor) -> Tensor:
        """The term for patch `features` (N, L, D) and `regions` (N, L), an index into REGIONS each."""
        logits = (self.queries @ self.keys(features).transpose(1, 2)).float() / features.shape[-1] ** 0.5
        occupied = functional.one_hot(regions, len(REGIONS)).transpose(1, 2).float()
        sizes = occupied.sum(-1)
        present = sizes > 0
        wanted = occupied / sizes.clamp_min(1)[..., None]
        where = -(wanted * logits.log_softmax(-1)).sum(-1)
        centres = self.centre(logits.softmax(-1).to(features.dtype) @ features).float()
        true = wanted @ self.places
        both = (present[:, :, None] & present[:, None, :]).float()
        offsets = functional.smooth_l1_loss(_pairwise(centres), _pairwise(true), reduction="none").mean(-1)
        # A mean for each picture first: pictures have different regions, and each weighs the same on any rank.
        shown = (where * present).sum(1) / present.sum(1)
        laid = (offsets * both).sum((1, 2)) / both.sum((1, 2))
        return torch.as_tensor((shown + laid).mean())


def _pairwise(centres: Tensor) -> Tensor:
    """Offsets (N, R, R, 2) between centres (N, R, 2)."""
    return centres[:, :, None] - centres[:, None, :]
