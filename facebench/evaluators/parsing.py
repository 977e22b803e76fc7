"""Face parsing: a class for every pixel, scored by pooled F1 at the stored label size.

Protocol: one confusion matrix over the whole split, at the size the labels are stored in; the headline is the plain
mean of the F1 of the foreground classes (FaRL `scorer.py:F1Score`, Faceptor, SegFace).
Citation of the metrics: Zheng et al., "General Facial Representation Learning in a Visual-Linguistic Manner", CVPR
2022; Liu et al., "A New Dataset and Boundary-Attention Semantic Segmentation for Face Parsing", AAAI 2020 (LaPa).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from facebench.errors import DataError
from facebench.metric import Metric, Statistics
from facebench.metrics import parsing
from facebench.schemes import LabelScheme
from facebench.types import Dataset, LabelMap, Sample


@dataclass(frozen=True)
class ParsingEvaluator:
    """The parsing task: one of C classes for each pixel of the stored label map."""

    name: str
    version: int
    summary: str

    def metrics(self, dataset: Dataset) -> tuple[Metric, ...]:
        """Mean F1 over the foreground first, then every class and group, mIoU and accuracies."""
        return parsing.metrics_of(_scheme(dataset))

    def measure(self, dataset: Dataset, sample: Sample, prediction: Any, settings: Mapping[str, str]) -> Statistics:
        """Confusion matrix of one image; `prediction` is (H, W) class ids at the stored size. Raises `DataError`."""
        del settings  # nothing to choose: the label size and the classes are the data set's
        scheme, target = _scheme(dataset), sample.target
        assert isinstance(target, LabelMap), f"{dataset.name} is not annotated with label maps"
        try:
            return {"confusion": parsing.confusion(target.read(), prediction, scheme.size)}
        except DataError as cause:
            raise DataError(f"sample {sample.id}: {cause}") from cause


def _scheme(dataset: Dataset) -> LabelScheme:
    assert isinstance(dataset.scheme, LabelScheme), f"{dataset.name} has no class list"
    return dataset.scheme


EVALUATOR = ParsingEvaluator(
    name="parsing",
    version=1,
    summary="pooled F1 a class and its mean over the foreground, mIoU, accuracy",
)
