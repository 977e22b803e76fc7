"""Reductions that hang on sums alone: a metric whose `reduce` is one of these shares a matrix product with all others.

Conventions:
    - A *term* is one number a sample; a split is the weighted sum of each term, and `finish` makes the published number
      of the sums. A mean has the terms (value, 1), an F1 (hits, truth, predicted).
    - A sample on which a term is not defined has 0 in every term of it: it counts nowhere.
    - A *share* is the mean of events that are 0 or 1; it says so, because its interval is not a bootstrap's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from facebench.metric import Columns
from facebench.shapes import FloatArray

PerSample: TypeAlias = Callable[[Columns], FloatArray]
"""(columns) -> (N,) a number of each sample; NaN where it has none."""


@dataclass(frozen=True)
class Pooled:
    """A `Reduce` by sums.

    Attributes:
        terms: (columns) -> (T, N) float64, each row one term.
        finish: (B, T) sums -> (B,) values in the published unit; NaN where undefined.
        events: for a share, (columns) -> (N,) 0 or 1, NaN where undefined; None for anything else.
        whole: what a share of one is in the published unit: 100 for percent.
    """

    terms: PerSample
    finish: Callable[[FloatArray], FloatArray]
    events: PerSample | None = None
    whole: float = 1.0

    def __call__(self, columns: Columns, weights: FloatArray) -> FloatArray:
        """The value for each row of `weights` (B, N): (B,)."""
        return self.finish(np.stack([weights @ term for term in self.terms(columns)], axis=1))


def mean_of(values: PerSample, *, scale: float = 1.0) -> Pooled:
    """Mean of `values` over the samples that have one, times `scale`."""
    return Pooled(lambda columns: _value_and_one(values(columns)), lambda sums: scale * (sums[:, 0] / sums[:, 1]))


def share_of(events: PerSample, *, scale: float = 1.0) -> Pooled:
    """Share of the samples with an event, times `scale`, among those on which it is defined."""
    plain = mean_of(events, scale=scale)
    return Pooled(plain.terms, plain.finish, events, scale)


def _value_and_one(values: FloatArray) -> FloatArray:
    values = np.asarray(values, dtype=np.float64)
    defined = np.isfinite(values)
    return np.stack([np.where(defined, values, 0.0), defined.astype(np.float64)])
