"""The attentive reconstruction head: one query that pools the tokens, added to the linear head's coefficients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from facebench.heads.attentive import Reading, fit_reading
from facebench.heads.shape import ShapeHead, Triples, fit_shape

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class AttentiveShapeHead:
    """A linear head and what attention adds."""

    linear: ShapeHead
    reading: Reading

    @property
    def chosen(self) -> Mapping[str, str]:
        """What val chose, for the record."""
        return {**self.linear.chosen, **self.reading.chosen}

    def predict(self, tokens: Tensor, pooled: Tensor) -> Tensor:
        """Coefficients (n, R) float64."""
        added = self.reading(tokens)
        return self.linear.predict(tokens, pooled) + (added if isinstance(added, float) else added[:, 0])


def fit_attentive_shape(train: Callable[[], Triples], val: Callable[[], Triples], *, seed: int) -> AttentiveShapeHead:
    """Fit the linear head, then the reader; val chooses both by the squared error of coefficients."""
    linear = fit_shape(train, val)
    tokens, _, truth = _gather(train())
    val_tokens, val_pooled, val_truth = _gather(val())
    left = linear.regression.left_out(truth, linear.shrinkage)
    start = linear.predict(val_tokens, val_pooled)

    def error(added: Tensor | float) -> float:
        change = added if isinstance(added, float) else added[:, 0]
        return float((start + change - val_truth).square().sum())

    reading = fit_reading(tokens, left[:, None], val_tokens, error, seed=seed)
    return AttentiveShapeHead(linear, reading)


def _gather(triples: Triples) -> tuple[Tensor, Tensor, Tensor]:
    import torch

    rows = [(tokens.float(), pooled, truth.double()) for tokens, pooled, truth in triples]
    tokens, pooled, truth = zip(*rows, strict=True)
    return torch.cat(tokens), torch.cat(pooled), torch.cat(truth)
