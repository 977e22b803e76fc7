"""k-means of patches: prototypes that the codebook starts from (ViT-VQGAN, BEiT v2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from facebench.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 16_384
"""Points that are compared with all centres at a time; bounds the memory."""


def kmeans(points: Tensor, size: int, *, iterations: int, generator: torch.Generator) -> Tensor:
    """Centres (size, p) of `points` (n, p) by Lloyd's algorithm from randomly chosen points.

    A centre that loses all its points is moved to the point that lies farthest from its own centre.

    Raises:
        UsageError: fewer points than centres.
    """
    if len(points) < size:
        raise UsageError(
            f"codebook.size: {size} tokens are more than the {len(points)} patches that k-means sees; "
            "lower codebook.size, raise codebook.kmeans_patches, or set codebook.start=normal"
        )
    chosen = torch.randperm(len(points), generator=generator, device=generator.device)[:size]
    centres = points[chosen.to(points.device)].clone()
    for _ in range(iterations):
        nearest, distances = assign(points, centres)
        counts = torch.bincount(nearest, minlength=size)
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        centres = torch.where(counts[:, None] > 0, sums / counts.clamp_min(1)[:, None], centres)
        empty = (counts == 0).nonzero().flatten()
        centres[empty] = points[distances.topk(len(empty)).indices]
    return centres


def assign(points: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Index of the nearest centre of each point, (n,), and its squared distance, (n,)."""
    squares = (centres**2).sum(1)
    nearest, distances = [], []
    for part in torch.split(points, CHUNK):
        found = (squares - 2 * part @ centres.T).min(dim=1)
        nearest.append(found.indices)
        distances.append(found.values + (part**2).sum(1))
    return torch.cat(nearest), torch.cat(distances)
