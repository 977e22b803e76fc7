"""Area under the error curve and failure rate as published codes compute them, for numbers that must match theirs.

Conventions:
    - `errors`: (N,) float, one normalised error a face, a **fraction** (0.05, not 5). SPIGA alone works in percent.
    - The value facebench reports is the exact one, `metrics.landmarks.success_area`: mean(max(0, 1 - e/t)). What is
      here is compatibility: each function is one public code's rule, defects included.

Metrics:
    - Simpson family (FaRL `scorer.py:AUC_FR`, STAR `fr_and_auc.py`, PIPNet `compute_fr_and_auc`, LDEQ): the curve is
      read every 1e-4 and integrated by scipy's Simpson rule before 1.11.
    - SAN `common_eval.py`: 2,000 points, strict `<`, trapezoid.
    - SPIGA `metrics/landmarks.py`: histogram of 10,000 bins, left edges, Simpson.
    - LUVLi `calculate_auc_from_nme.py`: trapezoid over the sorted errors.
    - HRNet `core/function.py`, LUVLi: strict failure rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facebench.shapes import FloatArray

STEP = 1e-4
"""Sampling of the curve in the Simpson family."""

SAN_POINTS = 2000
SPIGA_BINS = 10_000


@dataclass(frozen=True)
class AreaAndFailures:
    """An area under the curve and a failure rate, in the unit their function names."""

    area: float
    failures: float


def simpson_weights(x: FloatArray) -> FloatArray:
    """Weights of Simpson's rule at the samples `x` (M,), increasing: the integral of y is `weights @ y`.

    The rule of `scipy.integrate.simps(y, x, even="avg")`, the default before scipy 1.11: with an even number of samples
    the mean of two sums, one closing the last interval with a trapezoid, one the first.
    """
    n = len(x)
    if n < 2:
        return np.zeros(n)
    if n % 2:
        return _parabolas(x, 0, n - 1)
    late = _parabolas(x, 0, n - 2) + _trapezoid(x, n - 2)
    early = _parabolas(x, 1, n - 1) + _trapezoid(x, 0)
    return (late + early) / 2


def _parabolas(x: FloatArray, first: int, last: int) -> FloatArray:
    """Weights of Simpson's rule for uneven spacing over the samples first..last, an even number of intervals."""
    weights = np.zeros(len(x))
    step = np.diff(x[first : last + 1])
    left, right = step[::2], step[1::2]
    both, start = left + right, first + 2 * np.arange(len(left))
    weights[start] += both / 6 * (2 - right / left)
    weights[start + 1] += both / 6 * both**2 / (left * right)
    weights[start + 2] += both / 6 * (2 - left / right)
    return weights


def _trapezoid(x: FloatArray, at: int) -> FloatArray:
    weights = np.zeros(len(x))
    weights[at : at + 2] = (x[at + 1] - x[at]) / 2
    return weights


def simpson_grid(threshold: float, step: float = STEP) -> FloatArray:
    """Sample points `arange(0, threshold + step, step)` (M,) of the Simpson family.

    In floating point 0.05 and 0.07 get one sample more than 0.08 and 0.1, and end one step past the threshold.
    """
    return np.arange(0, threshold + step, step, dtype=np.float64)


def simpson_areas(errors: FloatArray, threshold: float, step: float = STEP) -> FloatArray:
    """Each face's part of the Simpson area, (N,) for `errors` (N,); their mean is the AUC.

    The rule is linear in the curve and the curve is a mean over faces, so a bootstrap needs no more than these parts.
    """
    grid = simpson_grid(threshold, step)
    tail = np.append(np.cumsum(simpson_weights(grid)[::-1])[::-1], 0.0)
    return np.asarray(tail[np.searchsorted(grid, errors, side="left")] / threshold, dtype=np.float64)


def simpson_auc(errors: FloatArray, threshold: float, step: float = STEP) -> AreaAndFailures:
    """AUC and failure rate (fractions) of the Simpson family; a success is an error <= the last sample point."""
    last = simpson_grid(threshold, step)[-1]
    return AreaAndFailures(float(np.mean(simpson_areas(errors, threshold, step))), float(np.mean(errors > last)))


def san_auc(errors: FloatArray, threshold: float) -> AreaAndFailures:
    """AUC and failure rate (fractions) of SAN: share of errors strictly below each of 2,000 points, trapezoid."""
    grid = np.linspace(0, threshold, SAN_POINTS)
    share = np.searchsorted(np.sort(errors), grid, side="left") / len(errors)
    return AreaAndFailures(float(np.trapezoid(share, grid) / threshold), float(np.mean(errors >= threshold)))


def spiga_auc(percents: FloatArray, threshold: float, bins: int = SPIGA_BINS) -> AreaAndFailures:
    """AUC and failure rate (percent) of SPIGA for `percents` (N,) and `threshold`, both in percent.

    The curve starts at the smallest error, is read at left bin edges, and its last bin may reach past the threshold, so
    the failure rate can be lower than strict counting.
    """
    counts, edges = np.histogram(percents, bins=bins)
    kept = edges[:bins] < threshold
    base, curve = edges[:bins][kept], (np.cumsum(counts) / len(percents))[kept]
    if not len(base):
        return AreaAndFailures(0.0, 100.0)
    area = simpson_weights(base) @ curve / threshold * 100
    if curve[-1] == 1:
        area += (threshold - base[-1]) / threshold * 100
    return AreaAndFailures(float(area), float((1 - curve[-1]) * 100))


def luvli_auc(errors: FloatArray, threshold: float) -> float:
    """AUC (percent) of LUVLi for `threshold` in percent: trapezoid over the sorted errors, from the first of them.

    There is no point (0, 0): the curve starts at the smallest error with height 100/N. It is interpolated at the
    threshold unless an error equals it. Where no error is below the threshold the official code stops; here the area
    is 0.
    """
    x = np.sort(errors) * 100
    y = np.arange(1, len(x) + 1) * 1.0 / len(x) * 100
    if np.any(x == threshold):
        x, y = x[x <= threshold], y[x <= threshold]
    elif x[-1] < threshold:
        x, y = np.append(x, threshold), np.append(y, 100.0)
    elif x[0] > threshold:
        return 0.0
    else:
        height = np.interp(threshold, x, y)
        x, y = np.append(x[x < threshold], threshold), np.append(y[x < threshold], height)
    return float(np.trapezoid(y, x) / (threshold * 100) * 100)


def strict_failure_rate(errors: FloatArray, threshold: float) -> float:
    """Failure rate (fraction) of HRNet, AWing and LUVLi: an error **above** the threshold, both fractions."""
    return float(np.mean(np.asarray(errors) > threshold))
