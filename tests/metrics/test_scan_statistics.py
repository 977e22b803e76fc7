"""Statistics of a set under weights, against numpy on the distances written out as often as they count."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facebench.metrics.scan_regions import REGIONS
from facebench.metrics.scan_statistics import (
    FARTHEST_BIN,
    METRICS,
    distance_statistics,
    pooled_mean,
    pooled_median,
    pooled_std,
)
from facebench.sample_table import collect, read_table, write_table
from facebench.types import Sample, Scan, ScanFiles

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "protocol_golden.json").read_text("utf-8"))
CASES = {case["id"]: case for case in GOLDEN["cases"]}
EXACT = 2.5e-7  # mm; a micrometre in twelve bits


def sample(number: int) -> Sample:
    def refuse() -> Scan:
        raise AssertionError("statistics need no scan")

    return Sample(id=str(number), image=Path("unused.jpg"), box=None, target=ScanFiles((), refuse))


def columns(arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    nowhere = {name: np.zeros(0, dtype=bool) for name in REGIONS}
    rows = [distance_statistics(a, {k: np.zeros(len(a), bool) for k in nowhere}) for a in arrays]
    return dict(collect([sample(k) for k in range(len(rows))], rows).columns)


def written_out(arrays: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    return np.concatenate([np.tile(a, int(w)) for a, w in zip(arrays, weights, strict=True)])


VALUES = st.one_of(st.sampled_from([0.0, 1.0, 2.0]), st.floats(0, 10))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_agrees_with_numpy_on_the_written_out_values(data: st.DataObject) -> None:
    arrays = [np.array(a) for a in data.draw(st.lists(st.lists(VALUES, max_size=9), min_size=1, max_size=6))]
    weights = np.array(data.draw(st.lists(st.lists(st.integers(0, 3), min_size=len(arrays), max_size=len(arrays)),
                                          min_size=1, max_size=4)), dtype=float)  # fmt: skip
    with np.errstate(invalid="ignore", divide="ignore"):
        median, mean, std = (f(columns(arrays), weights) for f in (pooled_median, pooled_mean, pooled_std))
    for b, row in enumerate(weights):
        pooled = written_out(arrays, row)
        if not len(pooled):
            assert np.isnan([median[b], mean[b], std[b]]).all()
            continue
        assert median[b] == pytest.approx(np.median(pooled), abs=EXACT)
        assert mean[b] == pytest.approx(pooled.mean(), abs=1e-12)
        assert std[b] == pytest.approx(pooled.std(), abs=EXACT)


def test_hand_case() -> None:
    # 0.1 0.5 2.0 | 0.2 0.3 0.4 5.0 1.0: together the middle two are 0.4 and 0.5; the second twice gives 13 values,
    # 0.1 0.2 0.2 0.3 0.3 0.4 0.4 ..., the seventh is 0.4.
    arrays = [np.array([0.1, 0.5, 2.0]), np.array([0.2, 0.3, 0.4, 5.0, 1.0])]
    np.testing.assert_allclose(
        pooled_median(columns(arrays), np.array([[1, 1], [1, 2], [1, 0.0]])), [0.45, 0.4, 0.5], atol=EXACT
    )
    assert pooled_mean(columns(arrays), np.ones((1, 2)))[0] == pytest.approx(9.5 / 8)


@pytest.mark.parametrize("kind", ["smooth", "many ties", "one value", "unequal"])
def test_many_distances(kind: str) -> None:
    rng = np.random.default_rng(5)
    sizes = rng.integers(1, 9000, 12) if kind == "unequal" else np.full(12, 3000)
    arrays = {
        "smooth": [rng.gamma(2, 0.6, n) for n in sizes],
        "many ties": [np.round(rng.gamma(2, 0.6, n), 1) for n in sizes],
        "one value": [np.full(n, 0.7) for n in sizes],
        "unequal": [rng.gamma(2, 0.6, n) * rng.uniform(0.5, 2) for n in sizes],
    }[kind]
    weights = rng.multinomial(12, np.full(12, 1 / 12), 40).astype(float)
    expected = [np.median(written_out(arrays, row)) for row in weights]
    np.testing.assert_allclose(pooled_median(columns(arrays), weights), expected, atol=EXACT, rtol=0)


def test_all_weights_doubled_change_nothing() -> None:
    rng = np.random.default_rng(6)
    arrays = [rng.gamma(2, 0.6, n) for n in (5, 50, 500)]
    weights = np.array([[1, 2, 3.0]])
    for statistic in (pooled_median, pooled_mean, pooled_std):
        np.testing.assert_allclose(
            statistic(columns(arrays), weights), statistic(columns(arrays), 2 * weights), rtol=1e-12
        )


@pytest.mark.slow
def test_a_bootstrap_of_the_official_size_takes_seconds() -> None:
    rng = np.random.default_rng(7)
    arrays = [rng.gamma(2, 0.6, 50_000) * rng.uniform(0.7, 1.4) for _ in range(350)]
    weights = rng.multinomial(350, np.full(350, 1 / 350), 1000).astype(float)
    stored = columns(arrays)
    before = time.process_time()
    medians = pooled_median(stored, weights)
    assert time.process_time() - before < 20  # 2.4 s on a quiet core
    for b in range(2):
        assert medians[b] == pytest.approx(np.median(written_out(arrays, weights[b])), abs=EXACT)


def test_official_aggregate() -> None:
    case = CASES["now.aggregate"]
    stored = columns([np.array(d) for d in case["inputs"]["distances"]])
    for metric in METRICS[:3]:
        assert metric.value(stored) == pytest.approx(case["expected"][metric.name], abs=EXACT)


def test_far_pictures_cost_no_more_and_half_beyond_a_metre_is_no_number() -> None:
    rng = np.random.default_rng(8)
    near, far, beyond = rng.gamma(2, 0.6, 3000), rng.uniform(0, 900, 3000), np.full(9000, 2 * FARTHEST_BIN * 1e-3)
    mixed = [near, far, beyond[:2000]]
    expected = np.median(np.concatenate(mixed))
    assert pooled_median(columns(mixed), np.ones((1, 3)))[0] == pytest.approx(expected, abs=EXACT)
    metric = METRICS[0]
    assert metric.value(columns([near, beyond])) is None
    assert "wrong unit" in metric.undefined
    assert pooled_mean(columns([near, beyond]), np.ones((1, 2)))[0] > 1000


def test_regions_are_means_over_their_own_vertices() -> None:
    # Nose 1 and 3 mm in one picture, 8 mm in another; the mouth in the second alone.
    inside = [{name: np.array([name == "nose"] * 2 + [False]) for name in REGIONS}]
    inside.append({name: np.array([name == "nose", name == "mouth"]) for name in REGIONS})
    rows = [distance_statistics(np.array(d), r) for d, r in zip(([1.0, 3, 100], [8.0, 5]), inside, strict=True)]
    stored = collect([sample(0), sample(1)], rows).columns
    means = {metric.slice: metric.value(stored) for metric in METRICS if metric.slice}
    assert means == {"nose": 4.0, "mouth": 5.0, "forehead": None, "cheeks": None}


def test_no_picture_has_no_score() -> None:
    empty = {name: column[:0] for name, column in columns([np.ones(3)]).items()}
    assert {metric.value(empty) for metric in METRICS} == {None}


def test_a_table_keeps_the_statistics(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    rows = [distance_statistics(rng.gamma(2, 0.6, n), {k: rng.random(n) < 0.3 for k in REGIONS}) for n in (5, 900)]
    table = collect([sample(0), sample(1)], rows)
    write_table(tmp_path / "samples.parquet", table)
    back = read_table(tmp_path / "samples.parquet")
    for metric in METRICS:
        assert metric.value(back.columns) == metric.value(table.columns)


def test_a_picture_takes_three_bytes_a_vertex(tmp_path: Path) -> None:
    rng = np.random.default_rng(10)
    rows = [distance_statistics(rng.gamma(2, 0.6, 50_000), {k: np.zeros(50_000, bool) for k in REGIONS})]
    write_table(tmp_path / "samples.parquet", collect([sample(0)], rows))
    assert (tmp_path / "samples.parquet").stat().st_size < 150_000
