"""What fine-tuning makes small, and what val judges an epoch by. All in float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F  # noqa: N812  (torch's own name for it)

from facebench.tuning.network import softargmax

if TYPE_CHECKING:
    from torch import Tensor


def heatmaps(points: Tensor, cells: int, reach: float) -> Tensor:
    """Targets exp(-8 r^2 / R^2), (n, K, cells, cells), for points (n, K, 2) in units of the crop's side; R in cells."""
    places = torch.arange(cells, device=points.device) + 0.5
    x, y = (places - points[..., i, None] * cells for i in (0, 1))
    square = x[..., None, :] ** 2 + y[..., :, None] ** 2
    return torch.exp(-8.0 * square / reach**2)


def landmark_loss(scores: Tensor, points: Tensor, reach: float) -> Tensor:
    """Mean distance of the soft-argmax, in units of the crop's side, plus cross-entropy of the heatmaps.

    FaRL's two terms with weight 1 each; the unit of the first is OURS. Points that are not annotated (NaN) count in
    neither.
    """
    known = torch.isfinite(points).all(dim=-1)
    true = torch.nan_to_num(points)
    distance = (softargmax(scores) - true).square().sum(dim=-1).add(1e-12).sqrt()
    target = heatmaps(true, scores.shape[-1], reach)
    entropy = F.binary_cross_entropy_with_logits(scores.float(), target, reduction="none").mean(dim=(2, 3))
    return (distance + entropy)[known].mean()


def landmark_error(scores: Tensor, points: Tensor) -> Tensor:
    """Mean distance of each face, (n,), in units of the crop's side; lower is better."""
    distance = (softargmax(scores) - points).square().sum(dim=-1).sqrt()
    return distance.nanmean(dim=1)


def parsing_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of scores (n, C, S, S) and labels (n, S, S)."""
    return F.cross_entropy(scores.float(), labels.long())


def confusion(scores: Tensor, labels: Tensor) -> Tensor:
    """(C, C) counts over a batch, rows the truth."""
    classes = scores.shape[1]
    pairs = labels.long() * classes + scores.argmax(dim=1)
    return torch.bincount(pairs.flatten(), minlength=classes**2).reshape(classes, classes)


def mean_f1(matrix: Tensor) -> float:
    """Mean F1 of the foreground classes that are there, percent."""
    matrix = matrix.double()
    both = matrix.sum(dim=0) + matrix.sum(dim=1)
    f1 = 200 * matrix.diagonal() / both.clamp_min(1)
    return float(f1[1:][both[1:] > 0].mean())
