"""The attentive landmark head: one query a landmark, added to the linear head's point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from facebench.heads.attentive import Reading, fit_reading
from facebench.heads.heatmap import LandmarkHead, Pairs, fit_landmarks

if TYPE_CHECKING:
    from torch import Tensor

FOLDS = 2
"""Parts of the training faces; what the linear head leaves over on one is by a head fitted on the others."""


@dataclass(frozen=True, eq=False)
class AttentiveLandmarkHead:
    """A linear head and what attention adds; points are in units of the crop's side."""

    linear: LandmarkHead
    reading: Reading

    @property
    def chosen(self) -> Mapping[str, str]:
        """What val chose, for the record."""
        return {**self.linear.chosen, **self.reading.chosen}

    def predict(self, tokens: Tensor) -> Tensor:
        """Points (n, K, 2) float64 of faces with `tokens` (n, D, h, w)."""
        return self.linear.predict(tokens) + self.reading(tokens)


def fit_attentive_landmarks(
    train: Callable[[], Pairs], val: Callable[[], Pairs], *, seed: int
) -> AttentiveLandmarkHead:
    """Fit the linear head, then the reader; val chooses both by the mean distance of points."""
    linear = fit_landmarks(train, val)
    tokens, points = gather(train())
    val_tokens, val_points = gather(val())
    left = points - _unseen(tokens, points, val)
    start = linear.predict(val_tokens)

    def error(added: Tensor | float) -> float:
        return float((start + added - val_points).square().sum(dim=2).sqrt().mean())

    return AttentiveLandmarkHead(linear, fit_reading(tokens, left, val_tokens, error, seed=seed))


def _unseen(tokens: Tensor, points: Tensor, val: Callable[[], Pairs]) -> Tensor:
    """The linear prediction (N, K, 2) for each training face by a head that was fitted without it."""
    import torch

    fold = torch.arange(len(tokens)) % FOLDS
    found = torch.zeros_like(points)
    for k in range(FOLDS):
        kept = fold != k
        head = fit_landmarks(lambda kept=kept: [(tokens[kept], points[kept])], val)  # type: ignore[misc]
        found[~kept] = head.predict(tokens[~kept])
    return found


def gather(pairs: Pairs) -> tuple[Tensor, Tensor]:
    """Tokens (N, D, h, w) float32 and truths (N, ...) float64 of all shards."""
    import torch

    both = [(tokens.float(), truth.double()) for tokens, truth in pairs]
    return torch.cat([tokens for tokens, _ in both]), torch.cat([truth for _, truth in both])
