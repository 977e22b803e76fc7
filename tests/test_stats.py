from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from facebench.metric import Columns, Metric, weighted_mean
from facebench.resampling import take
from facebench.shapes import FloatArray
from facebench.stats import intervals


def mean_of_x(columns: Columns, weights: FloatArray) -> FloatArray:
    return weighted_mean(columns["x"], weights)


def ratio_of_sums(columns: Columns, weights: FloatArray) -> FloatArray:
    return (weights @ columns["x"]) / (weights @ columns["y"])


MEAN = Metric(name="mean", unit="%", direction="lower", reduce=mean_of_x)
RATIO = Metric(name="ratio", unit="%", direction="higher", reduce=ratio_of_sums)


@pytest.fixture
def columns() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {"x": rng.lognormal(size=400), "y": 1.0 + rng.random(400)}


def everyone(n: int) -> np.ndarray:
    return np.ones(n, dtype=bool)


@pytest.mark.parametrize(("metric", "statistic"), [(MEAN, np.mean), (RATIO, lambda x, y: x.sum() / y.sum())])
def test_interval_agrees_with_scipy(metric, statistic, columns):
    data = (columns["x"],) if metric is MEAN else (columns["x"], columns["y"])
    theirs = scipy_stats.bootstrap(
        data,
        statistic,
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=4000,
        rng=np.random.default_rng(0),
    ).confidence_interval
    names = [str(i) for i in range(400)]
    ours = intervals([(metric, everyone(400))], columns, names, resamples=4000, seed=1)[0]
    # The ends of a 95 % percentile interval with 4,000 resamples have a standard error near 2 % of its width each.
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.08 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.08 * width)


def test_doubling_every_sample_within_its_cluster_leaves_the_interval_alone(columns):
    names = [str(i) for i in range(400)]
    once = intervals([(MEAN, everyone(400))], columns, names, seed=3, resamples=500)[0]
    doubled = {name: np.repeat(c, 2) for name, c in columns.items()}
    twice = intervals([(MEAN, everyone(800))], doubled, list(np.repeat(names, 2)), seed=3, resamples=500)[0]
    assert twice.low == pytest.approx(once.low, rel=1e-12)
    assert twice.high == pytest.approx(once.high, rel=1e-12)


def test_one_cluster_has_no_interval(columns):
    assert intervals([(MEAN, everyone(400))], columns, ["same"] * 400) == [None]


def test_undefined_resamples_are_counted():
    # One sample in three carries the class: a resample without it has 0/0.
    columns = {"x": np.array([0.0, 0.0, 1.0]), "y": np.array([0.0, 0.0, 2.0])}
    found = intervals([(RATIO, everyone(3))], columns, ["a", "b", "c"], resamples=2000, seed=0)[0]
    # It is left out with probability (2/3)^3 = 0.296.
    assert found.undefined / 2000 == pytest.approx(0.296, abs=0.04)
    assert found.low == found.high == 0.5


def test_subset_interval_sees_only_its_samples(columns):
    mask = np.zeros(400, dtype=bool)
    mask[:50] = True
    poisoned = {name: np.where(mask, c, 1e9) for name, c in columns.items()}
    names = [str(i) for i in range(400)]
    clean = intervals([(MEAN, mask)], columns, names, seed=2, resamples=300)[0]
    assert intervals([(MEAN, mask)], poisoned, names, seed=2, resamples=300)[0] == clean
    assert list(take(columns, mask)["x"]) == list(columns["x"][:50])
