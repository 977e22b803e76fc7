"""A metric is data: a name, a unit, a direction, what it measures on one sample, and how a split is reduced.

Conventions:
    - `measure` turns one prediction and its truth into *sufficient statistics*: named numbers or arrays that say all
      the metric will ever need of this sample. Metrics of one family share one `measure`.
    - `reduce` turns the statistics of all samples into the published number, once per row of a weight matrix. The
      plain score has all weights 1; a bootstrap resample has the times each sample was drawn. So a score, its
      interval, a paired difference and a subset are all the same function of the same numbers.
    - A reduction that is not defined (a class that nobody drew) returns NaN; `Metric.value` turns it into `None`, so a
      NaN never leaves this module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from facebench.shapes import AnyArray, FloatArray

Statistics: TypeAlias = Mapping[str, Any]
"""What one sample contributes, by column name: floats, or arrays of a fixed or ragged shape."""

Columns: TypeAlias = Mapping[str, AnyArray]
"""The statistics of a whole split, by column name; first axis N. A ragged column is an object array of arrays."""

Reduce: TypeAlias = Callable[[Columns, FloatArray], FloatArray]
"""(columns, weights (B, N)) -> (B,) values in the published unit; NaN where undefined."""

Direction: TypeAlias = Literal["lower", "higher"]


@dataclass(frozen=True)
class Metric:
    """One published number.

    Attributes:
        name: the last part of a score's key, `metric-normaliser`: `nme-ioc`, `fr10-ioc`, `f1`, `median`.
        unit: the published unit: `%`, `fraction` or `mm`.
        direction: whether `lower` or `higher` is better.
        reduce: the statistics of a split to the number, for each row of a weight matrix.
        slice: the `subset` part of the key when it is not the sample subset: a class or group of classes (`skin`).
        undefined: why the metric can be undefined, said when it is.
    """

    name: str
    unit: str
    direction: Direction
    reduce: Reduce
    slice: str | None = None
    undefined: str = "no sample defines it"

    def values(self, columns: Columns, weights: FloatArray) -> FloatArray:
        """Reduce once for each row of `weights` (B, N); returns (B,), NaN where undefined."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.reduce(columns, weights), dtype=np.float64)

    def value(self, columns: Columns) -> float | None:
        """The score of the split: every sample once. None where it is undefined."""
        n = sample_count(columns)
        result = float(self.values(columns, np.ones((1, n)))[0]) if n else float("nan")
        return result if np.isfinite(result) else None


def sample_count(columns: Columns) -> int:
    """Number of samples that the columns describe."""
    return len(next(iter(columns.values()))) if columns else 0


def weighted_mean(values: AnyArray, weights: FloatArray) -> FloatArray:
    """Mean of `values` (N,) under each row of `weights` (B, N): (B,)."""
    return np.asarray(weights @ np.asarray(values, dtype=np.float64) / weights.sum(axis=1))
