"""The terms of the loss, each a plain function; `pretrain.method.paco_fr` weighs and adds them.

Shapes: N pictures, L patches, M of them replaced, K tokens, p = 3 P P pixels of a patch. Means over the patches of a
batch are means over those of the global batch, since every picture has the same M.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional

from pretrain import ranks
from pretrain.method.precise import precise

if TYPE_CHECKING:
    from torch import Tensor

SMOOTH_BETA, SMOOTH_FACTOR = 0.01, 10.0
"""ViCToR: SmoothL1Loss(beta=0.01) * 10."""


def reconstruction_errors(predicted: Tensor, target: Tensor, kind: Literal["mse", "smoothl1"]) -> Tensor:
    """Error (N, L) of each patch: mean over its pixels, of `predicted` and `target` (N, L, p)."""
    if kind == "smoothl1":
        return SMOOTH_FACTOR * functional.smooth_l1_loss(predicted, target, beta=SMOOTH_BETA, reduction="none").mean(-1)
    return ((predicted - target) ** 2).mean(-1)


def split_errors(errors: Tensor, replaced: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of `errors` (N, L) over the replaced patches, and over the others."""
    part = replaced.float()
    return (errors * part).sum() / part.sum(), (errors * (1 - part)).sum() / (1 - part).sum().clamp_min(1)


def alignment(prototypes: Tensor, pixels: Tensor) -> Tensor:
    """Patch-pixel alignment: mean squared difference of the chosen tokens' prototypes and their patches, (N, M, p)."""
    return ((prototypes - pixels) ** 2).mean()


def incubation(target: Tensor, logits: Tensor) -> Tensor:
    """Cross-entropy of the belief against its target, both (N, M, K)."""
    return -(target * logits.log_softmax(dim=-1)).sum(-1).mean()


def balance(belief: Tensor, pools: Tensor | None = None, count: int = 1) -> Tensor:
    """Log K minus the entropy of the mean belief over the global batch: 0 where all tokens are equally likely.

    Args:
        belief: (n, K), probabilities.
        pools: (n,), the pool of each row where positions have their own; the mean over the pools that have rows is
            taken.
        count: number of pools.
    """
    size = belief.shape[-1]
    if pools is None:
        sums, rows = belief.sum(0, keepdim=True), belief.new_full((1,), len(belief))
    else:
        sums = belief.new_zeros(count, size).index_add(0, pools, belief)
        rows = torch.bincount(pools, minlength=count).to(belief.dtype)
    rows = ranks.total(rows)
    mean = ranks.summed(sums) / rows.clamp_min(1)[:, None]
    entropy = -(mean * mean.clamp_min(1e-12).log()).sum(-1)
    some = (rows > 0).to(belief.dtype)
    return ((math.log(size) - entropy) * some).sum() / some.sum()


def relations(features: Tensor, *, centred: bool) -> Tensor:
    """Cosine (N, L, L) of every pair of patch features (N, L, D), after their mean over the picture is taken away.

    Without the centring "all features equal" is a solution at no cost.
    """
    features = features.float()
    if centred:
        features = features - features.mean(dim=1, keepdim=True)
    unit = functional.normalize(features, dim=-1)
    with precise(unit):
        return unit @ unit.transpose(1, 2)


def spatial_consistency(student: Tensor, teacher: Tensor, replaced: Tensor, *, centred: bool = True) -> Tensor:
    """Mean squared difference of the relations of two sets of features, over pairs with a replaced patch.

    KNOWN: "spatial consistency constraints that preserve geometric relationships between facial components".
    INFERRED: relations are cosines between patch features, and those of the teacher, which sees the whole picture, are
    to be kept (DINOv3's Gram anchoring).

    Args:
        student: (N, L, D), of the picture with replaced patches.
        teacher: (N, L, D), of the whole picture; no gradient.
        replaced: (N, L) bool.
        centred: see `relations`.
    """
    pairs = (replaced[:, :, None] | replaced[:, None, :]).float()
    difference = relations(student, centred=centred) - relations(teacher.detach(), centred=centred)
    return (difference**2 * pairs).sum() / pairs.sum()
