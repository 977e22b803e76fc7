"""An evaluator of its own: the worst point of each face, as a share of the eye distance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from facebench.errors import DataError
from facebench.metric import Metric, Statistics, weighted_mean
from facebench.types import Dataset, Landmarks, Sample

WORST = Metric(
    name="worst-ioc",
    unit="%",
    direction="lower",
    reduce=lambda columns, weights: 100 * weighted_mean(columns["worst"], weights),
)


@dataclass(frozen=True)
class WorstPoint:
    """Mean over faces of the largest point error."""

    name: str = "worst-point"
    version: int = 1
    summary: str = "largest point error of each face"

    def metrics(self, dataset: Dataset) -> tuple[Metric, ...]:
        """The one metric."""
        return (WORST,)

    def measure(self, dataset: Dataset, sample: Sample, prediction: Any, settings: Mapping[str, str]) -> Statistics:
        """Largest error of `prediction` (K, 2), in eye distances."""
        target = sample.target
        if not isinstance(target, Landmarks) or np.shape(prediction) != target.points.shape:
            raise DataError(f"sample {sample.id}: prediction of shape {np.shape(prediction)}")
        if not np.isfinite(prediction).all():
            raise DataError(f"sample {sample.id}: prediction is not finite")
        left, right = (target.points[k] for k in dataset.scheme.corners)
        errors = np.linalg.norm(prediction - target.points, axis=1)
        return {"worst": float(errors.max() / np.linalg.norm(right - left))}


EVALUATOR = WorstPoint()
