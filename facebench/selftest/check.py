"""One line of the self-test: a number that is known, the number that was measured, and the largest difference."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

TOLERANCES = {
    "nme": 1e-9,
    "fr": 1e-9,
    "auc": 1e-9,
    "auc-simpson": 4e-3,
    "f1": 1e-9,
    "miou": 1e-9,
    "accuracy": 1e-9,
    "scan": 1e-6,
    "scan-face": 2e-2,
}
"""Largest allowed difference, in the unit of the metric (percent, fraction, mm).

Sums of some hundred numbers of double precision agree to about 1e-12. The Simpson variant reads the curve every 1e-4,
so at a threshold of 5 % it may differ from the area by a step at each end and one past the threshold, 2e-3 each. The
alignment of a scan ends where the official optimiser ends, which for a prediction that fits exactly is at once; where
the surface is curved (`scan-face`), the offset of a vertex and its distance differ by what the curve does within it.
"""


@dataclass(frozen=True)
class Observation:
    """One number.

    Attributes:
        metric: what is summed up under one line: `nme-ioc`.
        kind: which tolerance holds.
        case: what was done to the truth, and on which set.
        expected, found: the known value and the measured one; None where the score must be undefined.
    """

    metric: str
    kind: str
    case: str
    expected: float | None
    found: float | None

    @property
    def error(self) -> float:
        """Difference; infinite where one of the two is undefined and the other is not."""
        if self.expected is None or self.found is None:
            return 0.0 if self.expected is self.found else math.inf
        difference = abs(self.expected - self.found)
        return difference if math.isfinite(difference) else math.inf


@dataclass(frozen=True)
class Check:
    """The largest error of one metric over all cases.

    Attributes:
        metric: its name.
        cases: number of comparisons.
        error: the largest difference, in the metric's unit.
        tolerance: the largest allowed.
        worst: the case it was found in.
    """

    metric: str
    cases: int
    error: float
    tolerance: float
    worst: str

    @property
    def ok(self) -> bool:
        """Whether the largest error is allowed."""
        return self.error <= self.tolerance


def summed_up(observations: Iterable[Observation]) -> list[Check]:
    """One check a metric, in the order in which the metrics come."""
    groups: dict[str, list[Observation]] = {}
    for observation in observations:
        groups.setdefault(observation.metric, []).append(observation)
    return [_check(metric, group) for metric, group in groups.items()]


def _check(metric: str, group: list[Observation]) -> Check:
    worst = max(group, key=lambda o: o.error / TOLERANCES[o.kind])
    return Check(metric, len(group), worst.error, TOLERANCES[worst.kind], worst.case)
