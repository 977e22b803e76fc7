"""Landmarks whose error is known: the truth, moved by an offset, scaled and turned about its middle.

With d the normaliser of a face and c the mean of its points p_k, the normalised error of the face is

    moved by v:             |v| / d
    scaled about c by s:    |s - 1| mean_k |p_k - c| / d
    turned about c by a:    2 sin(a / 2) mean_k |p_k - c| / d

NME is the mean over faces, FR the share of faces above the threshold, AUC the mean of max(0, 1 - e / t).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facebench.evaluators.landmarks import EVALUATOR
from facebench.sample_table import collect
from facebench.schemes import LandmarkScheme
from facebench.selftest.check import Observation
from facebench.shapes import FloatArray
from facebench.types import Dataset, Landmarks, Sample

_OFFSETS = (0.5, 2.0, 4.0, 9.0)
"""Pixels that faces are moved by, in turn: from well below to well above every threshold."""

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Case:
    """What is done to the truth.

    Attributes:
        name: in words.
        predict: (points of a face, its number) to predicted points.
        error: (points of a face, its number) to the mean distance of the prediction, pixels.
    """

    name: str
    predict: Callable[[FloatArray, int], FloatArray]
    error: Callable[[Points, int], float]


def _offset(number: int) -> tuple[float, float]:
    size, angle = _OFFSETS[number % len(_OFFSETS)], 0.7 * number
    return size * math.cos(angle), size * math.sin(angle)


def _spread(points: Points) -> float:
    """Mean distance of the points from their mean."""
    x, y = (sum(values) / len(points) for values in zip(*points, strict=True))
    return sum(math.hypot(px - x, py - y) for px, py in points) / len(points)


def _scaled(points: FloatArray, scale: float) -> FloatArray:
    middle = points.mean(axis=0)
    return np.asarray(middle + scale * (points - middle))


def _turned(points: FloatArray, angle: float) -> FloatArray:
    middle, c, s = points.mean(axis=0), math.cos(angle), math.sin(angle)
    return np.asarray(middle + (points - middle) @ np.array([[c, s], [-s, c]]))


CASES: tuple[Case, ...] = (
    Case("the truth", lambda p, _: p.copy(), lambda *_: 0.0),
    Case("moved", lambda p, i: p + np.array(_offset(i)), lambda _, i: _OFFSETS[i % len(_OFFSETS)]),
    Case("scaled by 1.1", lambda p, _: _scaled(p, 1.1), lambda p, _: 0.1 * _spread(p)),
    Case("scaled by 0.7", lambda p, _: _scaled(p, 0.7), lambda p, _: 0.3 * _spread(p)),
    Case("turned by 60°", lambda p, _: _turned(p, math.pi / 3), lambda p, _: _spread(p)),  # 2 sin(30°) = 1
    Case("turned by 180°", lambda p, _: _turned(p, math.pi), lambda p, _: 2 * _spread(p)),
)


def observe(dataset: Dataset, samples: Sequence[Sample]) -> Iterator[Observation]:
    """Every metric of a landmark set on every case."""
    truths = [_landmarks(sample).points for sample in samples]
    plain = [[(float(x), float(y)) for x, y in points] for points in truths]
    distances = {name: [_distance(name, dataset, s) for s in samples] for name in dataset.normalisers}
    for case in CASES:
        rows = [
            EVALUATOR.measure(dataset, sample, case.predict(points, i), {})
            for i, (sample, points) in enumerate(zip(samples, truths, strict=True))
        ]
        columns = collect(samples, rows).columns
        errors = {
            name: [case.error(points, i) / ds[i] for i, points in enumerate(plain)] for name, ds in distances.items()
        }
        for metric in EVALUATOR.metrics(dataset):
            kind, expected = expected_score(metric.name, errors)
            label = f"{dataset.name}, {case.name}"
            yield Observation(_family(metric.name), kind, label, expected, metric.value(columns))


def expected_score(metric: str, errors: Mapping[str, Sequence[float]]) -> tuple[str, float]:
    """Kind and value of a metric, given the errors of every face under each normaliser as fractions."""
    what, _, rest = metric.partition("-")
    values = errors[rest.removesuffix("-simpson")]
    if what == "nme":
        return "nme", 100 * sum(values) / len(values)
    threshold = float(what.lstrip("aucfr")) / 100
    if what.startswith("fr"):
        return "fr", 100 * sum(e > threshold for e in values) / len(values)
    area = sum(max(0.0, 1 - e / threshold) for e in values) / len(values)
    return ("auc-simpson" if rest.endswith("-simpson") else "auc"), area


def _family(metric: str) -> str:
    """`fr10-ioc` and `fr8-ioc` are one line, `fr-ioc`."""
    what, _, rest = metric.partition("-")
    return f"{what.rstrip('0123456789.')}-{rest}"


def _landmarks(sample: Sample) -> Landmarks:
    assert isinstance(sample.target, Landmarks)
    return sample.target


def _distance(name: str, dataset: Dataset, sample: Sample) -> float:
    """The normaliser of a face, from the sentence that defines it."""
    assert isinstance(dataset.scheme, LandmarkScheme)
    points = [(float(x), float(y)) for x, y in _landmarks(sample).points]
    if name == "ioc":
        return math.dist(*(points[k] for k in dataset.scheme.corners))
    if name == "ipupil":
        assert dataset.scheme.pupils is not None
        groups = ([points[k] for k in group] for group in dataset.scheme.pupils)
        return math.dist(*([sum(axis) / len(axis) for axis in zip(*group, strict=True)] for group in groups))
    if name == "lmkbox":
        width, height = (max(axis) - min(axis) for axis in zip(*points, strict=True))
    else:
        assert sample.box is not None
        width, height = sample.box[2] - sample.box[0], sample.box[3] - sample.box[1]
    if name == "boxmax":
        return float(max(width, height))
    return math.hypot(width, height) if name == "diag" else math.sqrt(width * height)
