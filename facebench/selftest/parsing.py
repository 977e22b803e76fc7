"""Label maps whose score is known: the truth, and the truth moved by some pixels, counted class by class.

For a class, h is the number of pixels where truth and prediction both have it, t and p where either has it, summed over
all pictures: F1 = 2 h / (t + p), IoU = h / (t + p - h), accuracy = h / t.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from facebench.evaluators.parsing import EVALUATOR
from facebench.sample_table import collect
from facebench.schemes import LabelScheme
from facebench.selftest.check import Observation
from facebench.shapes import BoolArray, ByteArray
from facebench.types import Dataset, LabelMap, Sample

SHIFTS = ((0, 0), (1, 0), (0, -3), (7, 5))
"""Pixels that label maps are moved by, right and down, round the edges."""


def observe(dataset: Dataset, samples: Sequence[Sample]) -> Iterator[Observation]:
    """Every metric of a parsing set on every shift."""
    truths = [_labels(sample) for sample in samples]
    for right, down in SHIFTS:
        moved = [np.roll(truth, (down, right), axis=(0, 1)) for truth in truths]
        rows = [EVALUATOR.measure(dataset, s, p, {}) for s, p in zip(samples, moved, strict=True)]
        columns = collect(samples, rows).columns
        expected = expected_scores(dataset, truths, moved)
        for metric in EVALUATOR.metrics(dataset):
            value = metric.value(columns)
            label = f"{dataset.name}, {metric.slice}, moved by ({right}, {down})"
            yield Observation(metric.name, metric.name, label, expected[(metric.slice or "", metric.name)], value)


def expected_scores(
    dataset: Dataset, truths: Sequence[ByteArray], predictions: Sequence[ByteArray]
) -> dict[tuple[str, str], float | None]:
    """Value of each (slice, metric), percent; None where a class that it needs is in neither."""
    scheme = dataset.scheme
    assert isinstance(scheme, LabelScheme)
    truth = np.concatenate([labels.ravel() for labels in truths])
    found = np.concatenate([labels.ravel() for labels in predictions])
    counts = [_count(truth == k, found == k) for k in range(scheme.size)]
    f1 = [_share(2 * h, t + p) for h, t, p in counts]
    iou = [_share(h, t + p - h) for h, t, p in counts]
    accuracy = [_share(h, t) for h, t, _ in counts]
    groups = {name: _group(np.isin(truth, group), np.isin(found, group)) for name, group in scheme.groups.items()}
    return {
        **{(name, "f1"): f1[k] for k, name in enumerate(scheme.classes)},
        **{(name, "f1"): value for name, value in groups.items()},
        (scheme.headline, "f1"): _mean(f1[1:]),
        ("mean-present-fg", "f1"): _mean([value for value in f1[1:] if value is not None]),
        ("mean", "miou"): _mean(iou),
        ("all", "accuracy"): _share(int((truth == found).sum()), len(truth)),
        ("mean", "accuracy"): _mean(accuracy),
    }


def _labels(sample: Sample) -> ByteArray:
    assert isinstance(sample.target, LabelMap)
    return sample.target.read()


def _count(truth: BoolArray, found: BoolArray) -> tuple[int, int, int]:
    return int((truth & found).sum()), int(truth.sum()), int(found.sum())


def _group(truth: BoolArray, found: BoolArray) -> float | None:
    """F1 of merged classes: confusions inside the group count as correct."""
    hits, in_truth, in_found = _count(truth, found)
    return _share(2 * hits, in_truth + in_found)


def _share(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None
