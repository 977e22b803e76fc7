"""Errors of facial landmarks: normalised mean error, failure rate and area under the error curve.

Conventions:
    - Points are (K, 2) float64, pixels of the stored image, x right, y down, 0-based; boxes (x0, y0, x1, y1) in the
      same frame. A constant offset on both sides changes nothing; one on a single side is an error of that many pixels.
    - A face's error is a **fraction** of its normaliser until a reduction makes a percent of it, so that thresholds are
      compared in one unit. Every annotated point counts, occluded or not; points without a place (`located` False,
      MERL-RAV's self-occluded ones) add 0 and the divisor stays K, as in LUVLi and SPIGA.
    - A failure is an error **above** the threshold: e > t.

Metrics:
    - NME of a face: (1/K) sum_k |p_k - g_k| / d, with d from the truth; of a set: the mean over faces (iBUG
      `compute_error.m`, HRNet, FaRL, STAR, PIPNet, LDEQ).
    - FR at t: share of faces with e > t. AUC at t: mean(max(0, 1 - e/t)), the exact area under the step curve of
      errors from 0 to t, divided by t; `auc*-simpson` is what the field's copied snippet gives (metrics.auc).
    - `-visible`: the mean over the visible points of each face (golnazghiasi/cofw68-benchmark).
    - CED: share of faces with e <= x.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from facebench.errors import DataError, unknown_name
from facebench.metric import Columns, Metric, Statistics
from facebench.metrics.auc import simpson_areas
from facebench.pooled import mean_of, share_of
from facebench.schemes import LandmarkScheme
from facebench.shapes import AnyArray, BoolArray, Box, FloatArray
from facebench.types import Landmarks

NORMALISERS: Mapping[str, str] = {
    "ioc": "distance of the outer eye corners (inter-ocular)",
    "ipupil": "distance of the pupils, each the mean of its points (inter-pupil)",
    "box": "sqrt(w h) of the annotated box",
    "diag": "diagonal of the annotated box",
    "boxmax": "longer side of the annotated box",
    "boxheight": "height of the annotated box",
    "lmkbox": "sqrt(w h) of the tight box of the annotated points",
}
"""Every normaliser, and what it is. `boxmax` is mmpose's on AFLW, `boxheight` SPIGA's `height`."""


def normaliser(
    name: str, scheme: LandmarkScheme, points: FloatArray, box: Box | None, *, located: BoolArray | None = None
) -> float:
    """Distance in pixels that a face's errors are divided by.

    Args:
        name: one of `NORMALISERS`.
        scheme: says which points are eye corners and pupils.
        points: (K, 2) truth, pixels.
        box: the annotated box, pixels; None where there is none.
        located: (K,) bool, which points have a place; None where all have.

    Raises:
        DataError: the distance is zero, not finite or cannot be had.
        UsageError: no such normaliser.
    """
    if name not in NORMALISERS:
        raise unknown_name("normaliser", name, NORMALISERS)
    distance = _distance(name, scheme, points, box, np.ones(len(points), dtype=bool) if located is None else located)
    if not (np.isfinite(distance) and distance > 0):
        raise DataError(f"normaliser {name} ({NORMALISERS[name]}) is {distance:g} px; the annotation cannot be scored")
    return distance


def _distance(name: str, scheme: LandmarkScheme, points: FloatArray, box: Box | None, located: BoolArray) -> float:
    if name == "lmkbox":
        if not located.any():
            raise DataError("normaliser lmkbox: no point of the face has a place")
        width, height = np.ptp(points[located], axis=0)
        return float(np.sqrt(width * height))
    if name in ("ioc", "ipupil"):
        return _eye_distance(name, scheme, points, located)
    if box is None:
        raise DataError(f"normaliser {name} ({NORMALISERS[name]}): the sample has no annotated box")
    width, height = box[2] - box[0], box[3] - box[1]
    if not (width > 0 and height > 0):
        raise DataError(f"normaliser {name}: the annotated box is {width:g} x {height:g} px")
    sides = {"box": np.sqrt(width * height), "diag": np.hypot(width, height), "boxmax": max(width, height)}
    return float(sides.get(name, height))


def _eye_distance(name: str, scheme: LandmarkScheme, points: FloatArray, located: BoolArray) -> float:
    groups = scheme.pupils if name == "ipupil" else tuple((corner,) for corner in scheme.corners)
    if groups is None:
        raise DataError(f"normaliser ipupil: the order {scheme.name} defines no pupils")
    if not located[[k for group in groups for k in group]].all():
        raise DataError(f"normaliser {name}: one of its points has no place in this annotation")
    first, second = (points[list(group)].mean(axis=0) for group in groups)
    return float(np.linalg.norm(first - second))


def validate(pred: AnyArray, target: Landmarks, scheme: LandmarkScheme) -> FloatArray:
    """`pred` as (K, 2) float64. Raises `DataError` where prediction or truth is not K finite points."""
    for what, array in (("prediction", np.asarray(pred)), ("annotation", target.points)):
        if array.shape != (scheme.size, 2):
            raise DataError(f"{what} has shape {array.shape}; {scheme.name} wants ({scheme.size}, 2)")
        if array.dtype.kind not in "fiu":
            raise DataError(f"{what} holds {array.dtype}, not numbers")
        bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
        if len(bad):
            raise DataError(f"{what} has {len(bad)} points that are not finite; the first is point {bad[0]}")
    return np.asarray(pred, dtype=np.float64)


def point_errors(pred: FloatArray, target: FloatArray) -> FloatArray:
    """Distance of each point from its truth, (K,) pixels, for `pred` and `target` (K, 2)."""
    return np.asarray(np.linalg.norm(np.asarray(pred, np.float64) - np.asarray(target, np.float64), axis=-1))


def measure(
    pred: AnyArray,
    target: Landmarks,
    scheme: LandmarkScheme,
    box: Box | None,
    normalisers: Sequence[str],
    *,
    visible: Iterable[str] = (),
) -> Statistics:
    """Sufficient statistics of one face: `error-NAME`, its mean error as a fraction of each normaliser.

    Args:
        pred: (K, 2), pixels of the stored image.
        target: the annotation in the same frame.
        scheme: the order of both.
        box: the annotated box, pixels; None where there is none.
        normalisers: names of `NORMALISERS`.
        visible: normalisers that also get `error-NAME-visible`, the mean over the visible points; NaN where none is.

    Raises:
        DataError: the prediction or the annotation cannot be scored.
    """
    errors = point_errors(validate(pred, target, scheme), target.points)
    if target.located is not None:
        errors = np.where(target.located, errors, 0.0)
    seen = np.ones(scheme.size, dtype=bool) if target.visible is None else target.visible
    distances = {name: normaliser(name, scheme, target.points, box, located=target.located) for name in normalisers}
    mean_visible = float(errors[seen].mean()) if seen.any() else float("nan")
    row = {f"error-{name}": float(errors.sum() / scheme.size / d) for name, d in distances.items()}
    return row | {f"error-{name}-visible": mean_visible / distances[name] for name in visible}


def relative_errors(
    pred: AnyArray, target: Landmarks, scheme: LandmarkScheme, box: Box | None, name: str
) -> FloatArray:
    """Each point's error as a fraction of the normaliser `name`, (K,); NaN for a point that is not annotated.

    Arguments and errors are those of `measure`.
    """
    errors = point_errors(validate(pred, target, scheme), target.points)
    located = np.ones(scheme.size, dtype=bool) if target.located is None else target.located
    return np.where(located, errors, np.nan) / normaliser(name, scheme, target.points, box, located=target.located)


def metrics_of(
    normalisers: Sequence[str], thresholds: Mapping[str, Sequence[float]], *, visible: Sequence[str] = ()
) -> tuple[Metric, ...]:
    """Every metric of a landmark set: NME under each normaliser in their order, then FR and AUC at each threshold.

    Args:
        normalisers: names of `NORMALISERS`, the headline's first.
        thresholds: normaliser to thresholds in percent.
        visible: normalisers that are also reported over visible points only.
    """
    names = [*normalisers, *(f"{name}-visible" for name in visible)]
    curves = [m for name in normalisers for t in thresholds.get(name, ()) for m in _curve_metrics(t, name)]
    seen = [_failure_metric(t, f"{name}-visible") for name in visible for t in thresholds.get(name, ())]
    return (*(_mean_metric(name) for name in names), *curves, *seen)


def _mean_metric(name: str) -> Metric:
    return Metric(f"nme-{name}", "%", "lower", mean_of(lambda columns: _errors(columns, name), scale=100))


def _failure_metric(percent: float, name: str) -> Metric:
    failed = share_of(lambda columns: failures(_errors(columns, name), percent / 100), scale=100)
    return Metric(f"fr{percent:g}-{name}", "%", "lower", failed)


def _curve_metrics(percent: float, name: str) -> tuple[Metric, ...]:
    threshold = percent / 100
    area = mean_of(lambda columns: success_area(_errors(columns, name), threshold))
    simpson = mean_of(lambda columns: simpson_areas(_errors(columns, name), threshold))
    return (
        _failure_metric(percent, name),
        Metric(f"auc{percent:g}-{name}", "fraction", "higher", area),
        Metric(f"auc{percent:g}-{name}-simpson", "fraction", "higher", simpson),
    )


def _errors(columns: Columns, name: str) -> FloatArray:
    return np.asarray(columns[f"error-{name}"], dtype=np.float64)


def failures(errors: FloatArray, threshold: float) -> FloatArray:
    """1.0 for each face whose error lies above `threshold`, both fractions, (N,); NaN where it has no error."""
    return np.where(np.isfinite(errors), errors > threshold, np.nan)


def success_area(errors: FloatArray, threshold: float) -> FloatArray:
    """Each face's part of the exact AUC, max(0, 1 - e/t), (N,) for `errors` (N,) and `threshold`, both fractions."""
    return np.maximum(0.0, 1.0 - np.asarray(errors, dtype=np.float64) / threshold)


def ced(errors: FloatArray, grid: FloatArray) -> FloatArray:
    """Cumulative error distribution: share of `errors` (N,) that are <= each value of `grid` (M,)."""
    return np.searchsorted(np.sort(errors), grid, side="right") / len(errors)
