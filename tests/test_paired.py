from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats as scipy_stats

from facebench.errors import DataError
from facebench.metric import Columns, Metric, weighted_mean
from facebench.metrics.landmarks import metrics_of
from facebench.paired import detectable, differences, holm, seed_noise
from facebench.pooled import mean_of
from facebench.shapes import FloatArray

NME, FR, AUC = metrics_of(("ioc",), {"ioc": (10.0,)})[:3]


def weighted_median(columns: Columns, weights: FloatArray) -> FloatArray:
    order = np.argsort(columns["x"])
    reached = np.cumsum(weights[:, order], axis=1)
    return np.asarray(columns["x"])[order][(reached >= reached[:, -1:] / 2).argmax(axis=1)]


MEAN = Metric("mean", "mm", "lower", mean_of(lambda columns: columns["x"]))
PLAIN_MEAN = Metric("mean", "mm", "lower", lambda columns, weights: weighted_mean(columns["x"], weights))
MEDIAN = Metric("median", "mm", "lower", weighted_median)


def everyone(n: int) -> np.ndarray:
    return np.ones(n, dtype=bool)


def names(n: int) -> list[str]:
    return [f"{i:04d}" for i in range(n)]


@pytest.fixture
def faces() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    hard = rng.lognormal(-3.0, 0.5, 400)
    return {"error-ioc": hard}, {"error-ioc": hard * rng.lognormal(-0.02, 0.15, 400)}


def test_a_mean_agrees_with_the_paired_bootstrap_of_scipy(faces):
    base, candidate = faces
    (found,) = differences([(NME, everyone(400))], base, candidate, names(400))
    apart = 100 * (candidate["error-ioc"] - base["error-ioc"])
    theirs = scipy_stats.bootstrap((apart,), np.mean, method="percentile", rng=np.random.default_rng(3))
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert found.value == pytest.approx(apart.mean(), abs=1e-12)
    assert found.interval.low == pytest.approx(theirs.confidence_interval.low, abs=0.04 * width)
    assert found.interval.high == pytest.approx(theirs.confidence_interval.high, abs=0.04 * width)
    assert found.interval.error == pytest.approx(theirs.standard_error, rel=0.03)
    assert found.detectable == pytest.approx(2.8 * theirs.standard_error, rel=0.04)


def test_few_clusters_get_the_exact_permutation_p_of_scipy():
    rng = np.random.default_rng(2)
    x, y = rng.normal(0, 1, 11), rng.normal(0.6, 1, 11)
    (found,) = differences([(MEAN, everyone(11))], {"x": x}, {"x": y}, names(11))
    theirs = scipy_stats.permutation_test(
        (y, x), lambda a, b: a.mean() - b.mean(), permutation_type="samples", n_resamples=np.inf
    )
    assert found.p == pytest.approx(theirs.pvalue, abs=1e-12)
    assert "all 2048 swaps" in found.method


def test_labels_are_swapped_by_cluster():
    x, y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 2.5, 3.7, 4.9])
    (found,) = differences([(MEAN, everyone(4))], {"x": x}, {"x": y}, ["a", "a", "b", "b"])
    # Sums by cluster are 1.5 and 1.6: of (+,+) (+,-) (-,+) (-,-) two are as far from 0 as the observed one.
    assert found.p == 0.5
    assert found.clusters == 2


@pytest.mark.parametrize("metric", [PLAIN_MEAN, MEDIAN])
def test_a_reduction_that_is_not_pooled_is_permuted_by_weights(metric):
    rng = np.random.default_rng(4)
    x, y = rng.normal(0, 1, 9), rng.normal(0.7, 1, 9)
    (found,) = differences([(metric, everyone(9))], {"x": x}, {"x": y}, names(9), permutations=1000)

    def apart(swap: tuple[int, ...]) -> float:
        one, other = np.where(swap, y, x), np.where(swap, x, y)
        return float(np.mean(other) - np.mean(one) if metric is PLAIN_MEAN else np.median(other) - np.median(one))

    every = np.array([apart(swap) for swap in itertools.product((0, 1), repeat=9)])
    assert found.value == pytest.approx(every[0], abs=1e-12)
    assert found.p == pytest.approx(np.mean(np.abs(every) >= abs(every[0]) - 1e-12), abs=1e-12)


def test_a_drawn_p_counts_the_observed_labelling(faces):
    base, _ = faces
    worse = {"error-ioc": base["error-ioc"] + 0.02}
    (found,) = differences([(NME, everyone(400))], base, worse, names(400), permutations=199)
    assert found.p == 1 / 200


def test_paired_failures_get_mcnemar_and_tango(faces):
    base, candidate = faces
    (found,) = differences([(FR, everyone(400))], base, candidate, names(400))
    first, second = base["error-ioc"] > 0.1, candidate["error-ioc"] > 0.1
    gained, lost = int(np.sum(~first & second)), int(np.sum(first & ~second))
    assert gained + lost > 0
    assert found.value == pytest.approx(100 * (gained - lost) / 400)
    assert found.p == pytest.approx(scipy_stats.binomtest(gained, gained + lost).pvalue)
    assert "Tango" in found.method
    assert "McNemar" in found.method


@pytest.mark.parametrize("cell", [NME, FR, AUC])
def test_the_same_twice_is_no_difference(faces, cell):
    base, _ = faces
    (found,) = differences([(cell, everyone(400))], base, dict(base), names(400))
    assert found.value == 0
    assert found.p == 1
    assert found.interval.low <= 0 <= found.interval.high
    assert found.detectable is None


@pytest.mark.parametrize("cell", [NME, FR, AUC])
def test_the_other_way_round_only_the_sign_changes(faces, cell):
    base, candidate = faces
    (there,) = differences([(cell, everyone(400))], base, candidate, names(400))
    (back,) = differences([(cell, everyone(400))], candidate, base, names(400))
    assert back.value == pytest.approx(-there.value, abs=1e-12)
    assert back.p == pytest.approx(there.p, abs=1e-12)
    assert back.interval.low == pytest.approx(-there.interval.high, abs=1e-9)
    assert back.interval.high == pytest.approx(-there.interval.low, abs=1e-9)


def test_pooled_and_plain_reductions_see_the_same_resamples():
    rng = np.random.default_rng(5)
    x, y = {"x": rng.random(120)}, {"x": rng.random(120)}
    clusters = [str(i // 3) for i in range(120)]
    cells = [(MEAN, everyone(120)), (PLAIN_MEAN, everyone(120))]
    pooled, plain = differences(cells, x, y, clusters, resamples=500, permutations=500)
    assert pooled.interval.low == pytest.approx(plain.interval.low, abs=1e-12)
    assert pooled.interval.high == pytest.approx(plain.interval.high, abs=1e-12)
    assert pooled.p == plain.p


def test_a_subset_sees_only_its_samples(faces):
    base, candidate = faces
    mask = np.arange(400) < 150
    poisoned = {"error-ioc": np.where(mask, candidate["error-ioc"], 1e6)}
    clean, dirty = (differences([(NME, mask)], base, c, names(400), resamples=300)[0] for c in (candidate, poisoned))
    assert clean == dirty
    assert clean.n == 150


def test_seeds_are_averaged_by_sample(faces):
    base, candidate = faces
    rng = np.random.default_rng(6)
    tables = [{"error-ioc": candidate["error-ioc"] * rng.lognormal(0, 0.05, 400)} for _ in range(3)]
    cells = [(NME, everyone(400)), (FR, everyone(400))]
    nme, fr = differences(cells, base, tables, names(400))
    mean = {"error-ioc": np.mean([table["error-ioc"] for table in tables], axis=0)}
    (plain,) = differences(cells[:1], base, mean, names(400))
    assert nme.value == pytest.approx(plain.value, abs=1e-12)
    assert nme.interval.low == pytest.approx(plain.interval.low, abs=1e-10)
    assert nme.p == pytest.approx(plain.p, abs=1e-12)
    # A failure rate over seeds is the mean of theirs, not that of the mean error.
    assert fr.candidate == pytest.approx(np.mean([FR.value(table) for table in tables]), abs=1e-12)
    assert (nme.n, nme.clusters) == (400, 400)


def test_an_undefined_score_has_neither_interval_nor_p():
    columns = {"error-ioc": np.full(40, np.nan)}
    (found,) = differences([(NME, everyone(40))], columns, columns, names(40))
    assert (found.base, found.value, found.interval, found.p) == (None, None, None, None)


def test_few_samples_and_clusters_are_said():
    rng = np.random.default_rng(7)
    x, y = {"x": rng.random(60)}, {"x": rng.random(60)}
    (found,) = differences([(MEAN, everyone(60))], x, y, [str(i % 12) for i in range(60)])
    assert "fewer than 300 samples" in found.doubts
    assert "fewer than 30 clusters" in found.doubts


def test_tables_of_other_samples_are_refused(faces):
    base, _ = faces
    with pytest.raises(DataError, match="400 samples beside 399"):
        differences([(NME, everyone(399))], base, base, names(399))
    with pytest.raises(DataError, match="other"):
        differences([(NME, everyone(400))], base, {"other": base["error-ioc"]}, names(400))


def test_holm_by_hand():
    # 0.01 * 4; 0.02 * 3; then 0.03 * 2 = 0.06 is no less than what came before; 0.5.
    assert holm([0.03, 0.01, None, 0.5, 0.02]) == pytest.approx([0.06, 0.04, None, 0.5, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_noise_of_seeds_by_hand():
    assert seed_noise([4.0, 4.2, 4.4]) == pytest.approx(0.2)
    with pytest.raises(DataError, match="at least two"):
        seed_noise([4.0])


def test_a_detectable_difference_is_found_four_times_in_five():
    rng = np.random.default_rng(8)
    true = detectable(1 / np.sqrt(200), 200)
    found = [scipy_stats.ttest_1samp(rng.normal(true, 1, 200), 0).pvalue < 0.05 for _ in range(2000)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.03)
