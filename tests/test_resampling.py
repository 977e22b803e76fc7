from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, chisquare

from facebench.metric import Metric
from facebench.metrics.parsing import metrics_of
from facebench.metrics.scan_regions import REGIONS
from facebench.metrics.scan_statistics import METRICS, distance_statistics
from facebench.pooled import Pooled
from facebench.resampling import draws, members_of, parts_of, resampled, swaps, take
from facebench.schemes import LabelScheme


def test_clusters_are_drawn_whole_and_as_many_as_there_are():
    weights = np.concatenate(list(draws(7, resamples=50, seed=0)))
    assert weights.shape == (50, 7)
    assert (weights.sum(axis=1) == 7).all()
    assert list(members_of(["b", "a", "b", "c"])) == [1, 0, 1, 2]


@pytest.mark.parametrize("clusters", [5, 40, 301])
def test_every_cluster_is_drawn_as_a_binomial_has_it(clusters):
    weights = np.concatenate(list(draws(clusters, resamples=4000, seed=3)))
    times = np.arange(4)
    found = np.array([*(np.sum(weights == k) for k in times), np.sum(weights > 3)])
    odds = binom.pmf(times, clusters, 1 / clusters)
    wanted = np.array([*odds, 1 - odds.sum()]) * weights.size
    # Counts of a row hang together, so the test is a little easier to pass than it looks.
    assert chisquare(found, wanted * found.sum() / wanted.sum()).pvalue > 1e-3
    assert chisquare(weights.sum(axis=0)).pvalue > 1e-3
    centred = weights - 1
    assert abs(np.mean(centred[1:] * centred[:-1])) < 5 / np.sqrt(weights.size)


def drawn_and_swapped() -> np.ndarray:
    rows = (*draws(30, resamples=40, seed=9), *swaps(30, permutations=40, seed=9))
    return np.concatenate(rows)


def test_rows_do_not_depend_on_the_chunking(monkeypatch):
    whole = drawn_and_swapped()
    monkeypatch.setattr("facebench.resampling.CHUNK_ELEMENTS", 90)
    np.testing.assert_array_equal(drawn_and_swapped(), whole)


def test_another_seed_gives_other_rows():
    first, second = (next(draws(50, resamples=20, seed=seed)) for seed in (0, 1))
    assert not np.array_equal(first, second)
    assert not (first[:, None] == second[None]).all(axis=2).any()


def test_swaps_are_fair_and_all_of_them_where_they_are_few():
    every = np.concatenate(list(swaps(4, permutations=16, seed=0)))
    assert sorted(map(tuple, every)) == sorted(np.ndindex(2, 2, 2, 2))
    assert not every[0].any()
    drawn = np.concatenate(list(swaps(200, permutations=3000, seed=1)))
    assert drawn.mean() == pytest.approx(0.5, abs=0.003)
    assert np.abs(drawn.mean(axis=0) - 0.5).max() < 0.05
    assert len(np.unique(drawn, axis=0)) == 3000


SCHEME = LabelScheme("toy", ("background", "skin", "hair", "nose"), headline="mean-fg")


def confusions(n: int) -> dict[str, np.ndarray]:
    return {"confusion": np.random.default_rng(0).integers(0, 500, (n, 4, 4))}


def scans(n: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(n):
        distances = rng.lognormal(0, 0.7, rng.integers(50, 90))
        rows.append(distance_statistics(distances, {name: rng.random(len(distances)) < 0.4 for name in REGIONS}))
    ragged = {name: np.empty(n, dtype=object) for name in ("histogram", "places")}
    for name, column in ragged.items():
        column[:] = [row[name] for row in rows]
    return ragged | {name: np.stack([row[name] for row in rows]) for name in rows[0] if name not in ragged}


@pytest.mark.parametrize(("metrics", "columns"), [(metrics_of(SCHEME), confusions(90)), (METRICS, scans(90))])
def test_every_metric_is_that_of_a_plain_loop(metrics, columns):
    members = members_of([f"{i // 2:02d}" for i in range(90)])
    some = np.arange(90) % 3 > 0
    cells = [(metric, mask) for metric in metrics for mask in (np.ones(90, dtype=bool), some)]
    found = resampled(parts_of(cells, [columns], members), resamples=40, seed=4)
    weights = np.concatenate(list(draws(45, resamples=40, seed=4)))
    for (metric, mask), values in zip(cells, found, strict=True):
        plain = Metric(metric.name, metric.unit, metric.direction, metric.reduce)
        loop = [plain.values(take(columns, mask), row[members][None, mask])[0] for row in weights]
        np.testing.assert_allclose(values, loop, rtol=1e-9, atol=0)


@pytest.mark.parametrize("metric", [m for m in METRICS if m.slice is None], ids=lambda m: m.name)
def test_the_jackknife_leaves_whole_clusters_out(metric):
    columns, members = scans(24), np.repeat(np.arange(8), 3)
    (part,) = parts_of([(metric, np.ones(24, dtype=bool))], [columns], members)
    wanted = [metric.value(take(columns, members != k)) for k in range(8)]
    np.testing.assert_allclose(part.left_out(), wanted, rtol=1e-9)


def test_equal_terms_are_multiplied_once():
    seen = []

    def finish(sums: np.ndarray) -> np.ndarray:
        seen.append(sums.shape)
        return sums[:, 0]

    metric = Metric("m", "mm", "lower", Pooled(lambda c: np.stack([c["x"], c["x"]]), finish))
    (part,) = parts_of([(metric, np.ones(9, dtype=bool))], [{"x": np.arange(9.0)}], np.arange(9))
    values = resampled([part], resamples=3, seed=0)[0]
    np.testing.assert_array_equal(values, np.concatenate(list(draws(9, resamples=3, seed=0))) @ np.arange(9.0))
    assert seen == [(3, 2)]


def test_what_is_not_pooled_is_tried_on_the_first_rows(monkeypatch):
    monkeypatch.setattr("facebench.resampling.SLOW_ROWS", 25)
    monkeypatch.setattr("facebench.resampling.CHUNK_ELEMENTS", 90)
    columns, everyone = {"x": np.random.default_rng(0).random(9)}, np.ones(9, dtype=bool)
    slow = Metric("m", "mm", "lower", lambda c, w: w @ c["x"])
    fast = Metric("m", "mm", "lower", Pooled(lambda c: c["x"][None], lambda sums: sums[:, 0]))
    parts = parts_of([(slow, everyone), (fast, everyone)], [columns], np.arange(9))
    first, every = resampled(parts, resamples=60, seed=0)
    assert (len(first), len(every)) == (25, 60)
    np.testing.assert_allclose(first, every[:25])
