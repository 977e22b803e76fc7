"""What must hold between the numbers of one record, whoever wrote it.

A record that is valid by its schema may still contradict itself: a failure rate that rises with its threshold, counts
that do not add up. Such a record was edited, cut or made by broken code, and is refused with the reason.

Conventions:
    - Keys are `dataset/split/subset/metric`; `fr8-ioc`, `auc8-ioc` and `nme-ioc` are of the same errors, 8 is the
      threshold in percent.
    - For errors e and a threshold t, AUC_t = mean(max(0, 1 - e/t)): it rises with t, is at most the share of faces
      that did not fail, and at least 1 - mean(e)/t, as max(0, .) is convex.
    - The Simpson family (`auc5-ioc-simpson`) has one bin of 1e-4 too many at some thresholds, 5 and 7 percent among
      them, so it may pass 1, and fall where the next threshold has no such bin, by one bin over the threshold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

from facebench.errors import DataError
from facebench.record import Result, Score

TOLERANCE = 1e-6
"""Relative and absolute: far above what float64 sums lose, far below a digit that anybody prints."""

MIXTURES: Mapping[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    ("300w", "test"): ("full", ("common", "challenge")),
}
"""Subsets that are the disjoint union of others: 300W full = 554 common + 135 challenge faces."""

_BIN = 1e-4
"""Width of a bin of the Simpson family, in the unit of the error (PIPNet's `compute_fr_and_auc`, after SDM)."""

_RATE = re.compile(r"(?P<kind>fr|auc)(?P<threshold>\d+(?:\.\d+)?)-(?P<errors>.+)")
_UNBOUNDED = ("nme-",)
"""Metrics in percent that may pass 100: an error can be longer than what it is divided by."""


def check(result: Result, file: Path, sizes: Mapping[str, int] = MappingProxyType({})) -> None:
    """Raise `DataError` with the first contradiction inside `result`, which was read from `file`.

    `sizes`: official number of samples of each split and subset, `test` and `test/pose`.
    """
    for problem in problems(result, sizes):
        raise DataError(
            f"{file}: the record of {result.subject!r} contradicts itself: {problem}; "
            "score the predictions again, or leave the file out"
        )


def problems(result: Result, sizes: Mapping[str, int] = MappingProxyType({})) -> Iterator[str]:
    """Every contradiction inside `result`, in words; nothing where there is none. `sizes` as in `check`."""
    yield from _counts(result)
    if result.dataset.official:
        yield from _official(result, sizes)
    for score in result.scores:
        if score.n > result.counts.scored:
            yield f"{score.key}: {score.n:,} samples of {result.counts.scored:,} scored ones"
        yield from _alone(score)
    for prefix, scores in _subsets(result.scores).items():
        yield from _between(prefix, scores)
    yield from _mixtures(result)


def _counts(result: Result) -> Iterator[str]:
    counts = result.counts
    if min(counts.expected, counts.scored, counts.failed, counts.unknown) < 0:
        yield "a count below zero"
    if counts.scored + counts.failed != counts.expected:
        yield f"{counts.scored:,} scored and {counts.failed:,} failed are not the {counts.expected:,} expected"


def _official(result: Result, sizes: Mapping[str, int]) -> Iterator[str]:
    """A record of the official set has the official number of samples, in each of its parts."""
    split = result.dataset.split
    if sizes.get(split, result.counts.expected) != result.counts.expected:
        yield f"{result.counts.expected:,} samples expected where {split} has officially {sizes[split]:,}"
    for score in result.scores:
        where = "/".join(score.key.split("/")[1:-1])
        if score.n > sizes.get(where, score.n):
            yield f"{score.key}: {score.n:,} samples where {where} has officially {sizes[where]:,}"


def _alone(score: Score) -> Iterator[str]:
    """What one number must hold by itself."""
    low, high = _range(score)
    named = [("value", score.value)]
    if score.interval is not None:
        if score.interval[0] > score.interval[1]:
            yield f"{score.key}: the interval runs from {score.interval[0]:g} down to {score.interval[1]:g}"
        named += [("low end", score.interval[0]), ("high end", score.interval[1])]
    for name, number in named:
        if number is not None and not low - TOLERANCE <= number <= high * (1 + TOLERANCE):
            yield f"{score.key}: {name} {number:g} lies outside [{low:g}, {high:g}] {score.unit}"


def _range(score: Score) -> tuple[float, float]:
    if score.unit == "fraction":
        return 0.0, 1.0 + _too_many(score.key.rpartition("/")[2])
    if score.unit == "%" and not score.key.rpartition("/")[2].startswith(_UNBOUNDED):
        return 0.0, 100.0
    return (0.0, float("inf")) if score.unit in ("%", "mm") else (float("-inf"), float("inf"))


def _too_many(metric: str) -> float:
    """By how much an area may pass what it measures: one bin over the threshold in the Simpson family."""
    match = _RATE.fullmatch(metric)
    return 100.0 * _BIN / float(match["threshold"]) if match and match["errors"].endswith("-simpson") else 0.0


def _subsets(scores: Iterable[Score]) -> dict[str, dict[str, float]]:
    """Defined values by subset (`wflw/test/pose`) and metric."""
    found: dict[str, dict[str, float]] = {}
    for score in scores:
        prefix, _, metric = score.key.rpartition("/")
        if score.value is not None:
            found.setdefault(prefix, {})[metric] = score.value
    return found


def _between(prefix: str, values: Mapping[str, float]) -> Iterator[str]:
    """What the failure rates, areas and the mean of the same errors must hold together."""
    rates: dict[tuple[str, str], dict[float, float]] = {}
    for metric, value in values.items():
        if match := _RATE.fullmatch(metric):
            rates.setdefault((match["kind"], match["errors"]), {})[float(match["threshold"])] = value
    for (kind, errors), by_threshold in rates.items():
        sign, verb = (-1.0, "rises") if kind == "fr" else (1.0, "falls")
        for (small, before), (large, after) in pairwise(sorted(by_threshold.items())):
            room = TOLERANCE + _too_many(f"{kind}{small:g}-{errors}")
            if sign * after < sign * before - room:
                ends = f"from {before:g} at threshold {small:g} to {after:g} at {large:g}"
                yield f"{prefix}: {kind}*-{errors} {verb} {ends}"
        if kind == "auc":
            yield from _area_bounds(prefix, errors, by_threshold, rates.get(("fr", errors), {}), values)


def _area_bounds(
    prefix: str, errors: str, areas: Mapping[float, float], failures: Mapping[float, float], values: Mapping[str, float]
) -> Iterator[str]:
    mean = values.get(f"nme-{errors}")
    for threshold, area in areas.items():
        where = f"{prefix}/auc{threshold:g}-{errors}"
        passed = 1.0 - failures.get(threshold, 0.0) / 100.0
        if area > passed + TOLERANCE + _too_many(f"auc{threshold:g}-{errors}"):
            yield f"{where}: an area of {area:g} where only {passed:g} of the faces did not fail"
        if mean is not None and area < 1.0 - mean / threshold - TOLERANCE:
            yield f"{where}: an area of {area:g} below 1 - NME/threshold = {1.0 - mean / threshold:g}"


def _mixtures(result: Result) -> Iterator[str]:
    """A mean over a union is the weighted mean of its parts: NME, failure rate and exact area alike."""
    name = (result.dataset.name, result.dataset.split)
    if name not in MIXTURES:
        return
    whole, parts = MIXTURES[name]
    known = {score.key: score for score in result.scores if score.value is not None}
    for key, score in known.items():
        prefix, _, metric = key.rpartition("/")
        of = [known.get(f"{'/'.join(name)}/{part}/{metric}") for part in parts]
        if prefix != f"{'/'.join(name)}/{whole}" or None in of or not metric.startswith(("nme-", "fr", "auc")):
            continue
        pairs = [(part.n, part.value) for part in of if part is not None and part.value is not None]
        total, value = sum(n for n, _ in pairs), score.value
        assert value is not None  # of `known`
        if total != score.n:
            yield f"{key}: {score.n:,} faces where {' and '.join(parts)} have {total:,}"
        elif total and abs(value - (mixed := sum(n * v for n, v in pairs) / total)) > TOLERANCE * max(1.0, abs(mixed)):
            yield f"{key}: {value:g} where {' and '.join(parts)} weigh to {mixed:g}"
