"""Incubation targets: which token each patch should be mapped to, from pixels to the codebook.

KNOWN: in the initial epoch the belief is supervised, "to learn the mapping from pixel space to codebook space".
INFERRED, the target: an assignment of patches to tokens by the distance of their pixels to the tokens' prototypes.

    sinkhorn    soft, and balanced: over the global batch each token of a pool gets the same share
    hungarian   hard, each token at most once in a picture (ViCToR); with fewer tokens than patches, as rarely as can be
    nearest     what `hungarian` comes to where each position has its own tokens, so that no two patches compete

None carries a gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from pretrain import ranks
from pretrain.method.precise import precise

if TYPE_CHECKING:
    from torch import Tensor


def pixel_distances(pixels: Tensor, prototypes: Tensor) -> Tensor:
    """Mean squared difference (..., n, K) of `pixels` (..., n, p) and `prototypes` (..., K, p)."""
    pixels, prototypes = pixels.float(), prototypes.float()
    squares = (pixels**2).sum(-1)[..., :, None] + (prototypes**2).sum(-1)[..., None, :]
    with precise(pixels):
        products = pixels @ prototypes.transpose(-1, -2)
    return (squares - 2 * products).clamp_min(0) / pixels.shape[-1]


@torch.no_grad()
def sinkhorn(costs: Tensor, *, epsilon: float, iterations: int, valid: Tensor | None = None) -> Tensor:
    """Balanced assignment (pools, n, K): each row sums to 1, each column to about n / K over all ranks.

    Sinkhorn's algorithm in logarithms, columns first, rows last (SwAV, after Cuturi 2013).

    Args:
        costs: (pools, n, K).
        epsilon: temperature.
        iterations: rounds of columns and rows.
        valid: (pools, n) bool, rows that take part; the others come out as 0.
    """
    logits = -costs.float() / epsilon
    if valid is not None:
        logits = logits.masked_fill(~valid[..., None], -torch.inf)
    for _ in range(iterations):
        peak = ranks.largest(logits.amax(dim=1, keepdim=True)).nan_to_num(neginf=0.0)
        sums = ranks.total((logits - peak).exp().sum(dim=1, keepdim=True))
        logits = logits - peak - sums.log().nan_to_num(neginf=0.0)
        rows = logits.logsumexp(dim=2, keepdim=True)
        logits = logits - rows.nan_to_num(neginf=0.0)
    return logits.exp()


@torch.no_grad()
def nearest(costs: Tensor) -> Tensor:
    """One-hot assignment (..., K) of each row of `costs` to its least."""
    return torch.zeros_like(costs).scatter(-1, costs.argmin(dim=-1, keepdim=True), 1.0)


@torch.no_grad()
def hungarian(costs: Tensor) -> Tensor:
    """One-hot assignment (N, M, K) of least cost in each picture, from costs (N, M, K)."""
    from scipy.optimize import linear_sum_assignment

    _, patches, size = costs.shape
    times = -(-patches // size)  # where there are fewer tokens than patches, each may serve so many
    target = torch.zeros_like(costs)
    for picture, cost in enumerate(costs.float().cpu().numpy()):
        rows, columns = linear_sum_assignment(np.tile(cost, (1, times)))
        target[picture, rows, columns % size] = 1
    return target
