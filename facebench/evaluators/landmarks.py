"""Facial landmarks: predicted points against annotated ones, by normalised error.

Protocol: PROTOCOLS of each set in `datasets/`; the error is taken in the frame of the stored image, in float64, over
every annotated point, with every normaliser and threshold the field uses on that set.
Citation of the metrics: Sagonas et al., "300 Faces in-the-Wild Challenge", ICCVW 2013; Wu et al., "Look at Boundary",
CVPR 2018 (WFLW).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from facebench.errors import DataError
from facebench.metric import Metric, Statistics
from facebench.metrics import landmarks
from facebench.schemes import LandmarkScheme
from facebench.types import Dataset, Landmarks, Sample


@dataclass(frozen=True)
class LandmarkEvaluator:
    """The landmark task: K points a face, in pixels of the stored image."""

    name: str
    version: int
    summary: str

    def metrics(self, dataset: Dataset) -> tuple[Metric, ...]:
        """NME under every normaliser, FR and AUC at the set's thresholds; the headline first."""
        return landmarks.metrics_of(dataset.normalisers, dataset.thresholds, visible=visible_normalisers(dataset))

    def measure(self, dataset: Dataset, sample: Sample, prediction: Any, settings: Mapping[str, str]) -> Statistics:
        """Errors of one face, and of each of its points by the first normaliser (`points`, (K,) float32).

        `prediction` is (K, 2), pixels of the stored image. Raises `DataError`.
        """
        del settings  # the normalisers are the data set's, not a choice
        scheme, target = dataset.scheme, sample.target
        assert isinstance(scheme, LandmarkScheme), f"{dataset.name} has no landmark order"
        assert isinstance(target, Landmarks), f"{dataset.name} is not annotated with landmarks"
        visible = visible_normalisers(dataset)
        try:
            row = landmarks.measure(prediction, target, scheme, sample.box, dataset.normalisers, visible=visible)
            points = landmarks.relative_errors(prediction, target, scheme, sample.box, dataset.normalisers[0])
            return {**row, "points": points.astype(np.float32)}
        except DataError as cause:
            raise DataError(f"sample {sample.id}: {cause}") from cause


def visible_normalisers(dataset: Dataset) -> tuple[str, ...]:
    """Normalisers that `dataset` also reports over visible points: those its headline asks for (`nme-X-visible`)."""
    asked = {key.rsplit("/", 1)[-1] for key in dataset.headline}
    return tuple(name for name in dataset.normalisers if f"nme-{name}-visible" in asked)


EVALUATOR = LandmarkEvaluator(
    name="landmarks",
    version=1,
    summary="normalised mean error, failure rate and AUC of K points",
)
