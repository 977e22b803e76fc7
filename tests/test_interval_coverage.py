"""How often intervals hold the truth, on a few cells; benchmarks/interval_coverage.py has them all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from facebench.confidence import Interval
from facebench.metrics.landmarks import metrics_of
from facebench.paired import differences
from facebench.stats import intervals

NME, FR, AUC = metrics_of(("ioc",), {"ioc": (10.0,)})[:3]
MEDIAN, SPREAD = 0.05, 0.4


def errors(rng: np.random.Generator, n: int) -> np.ndarray:
    return MEDIAN * rng.lognormal(0, SPREAD, n)


def everyone(n: int) -> np.ndarray:
    return np.ones(n, dtype=bool)


def held(found: Sequence[Interval | None], truth: float) -> float:
    return float(np.mean([i is not None and i.low <= truth <= i.high for i in found]))


@pytest.mark.slow
def test_means_rates_and_differences_are_held_as_often_as_promised():
    rng, n, names = np.random.default_rng(0), 400, [str(i) for i in range(400)]
    single: dict[str, list[Interval | None]] = {"nme": [], "fr": []}
    pair = []
    for _ in range(500):
        base = errors(rng, n)
        candidate = base * rng.lognormal(-0.02, 0.2, n)
        cells = [(metric, everyone(n)) for metric in (NME, FR)]
        for name, interval in zip(single, intervals(cells, {"error-ioc": base}, names, resamples=800), strict=True):
            single[name].append(interval)
        tables = {"error-ioc": base}, {"error-ioc": candidate}
        pair.append(differences(cells[:1], *tables, names, resamples=800, permutations=1)[0].interval)
    mean = 100 * MEDIAN * np.exp(SPREAD**2 / 2)
    # 100 Phi(-ln 2 / 0.4), and the mean of the factor.
    truths = {"nme": mean, "fr": 100 * 0.041562, "diff": mean * (np.exp(-0.02 + 0.02) - 1)}
    # The standard error of a share of 0.95 in 500 is 0.01.
    assert held(single["nme"], truths["nme"]) == pytest.approx(0.95, abs=0.03)
    assert held(single["fr"], truths["fr"]) == pytest.approx(0.955, abs=0.035)
    assert held(pair, truths["diff"]) == pytest.approx(0.95, abs=0.03)


def test_a_rare_failure_is_held_where_a_bootstrap_loses_it():
    # One failure expected in 600: a resampled interval misses whenever there was none, 37 times in 100.
    rng, n, names = np.random.default_rng(1), 600, [str(i) for i in range(600)]
    rate, found, resampled_ones = 1 / 600, [], 0
    for _ in range(200):
        failed = rng.random(n) < rate
        columns = {"error-ioc": np.where(failed, 0.2, 0.05)}
        found.append(intervals([(FR, everyone(n))], columns, names, resamples=2)[0])
        drawn = rng.binomial(n, failed.mean(), 400) / n
        low, high = np.quantile(drawn, [0.025, 0.975])
        resampled_ones += low <= rate <= high
    assert held(found, 100 * rate) >= 0.95
    assert resampled_ones / 200 < 0.75
    assert all("rests on" in " ".join(interval.doubts) for interval in found)
