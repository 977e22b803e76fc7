"""Optimism of choosing on test: by simulation, by a plain loop, none where the best is far ahead."""

from __future__ import annotations

import numpy as np
import pytest

from facebench.audit import SPLITS, audit
from facebench.cli import execute
from facebench.errors import DataError
from facebench.metric import Metric, weighted_mean
from tests.leaderboard.test_ties import stored

MEAN = Metric("nme-ioc", "%", "lower", lambda columns, weights: 100 * weighted_mean(columns["error-ioc"], weights))
HIGH = Metric("f1", "%", "higher", lambda columns, weights: weighted_mean(columns["hit"], weights))


def names(n):
    return [f"face{i:04d}" for i in range(n)]


def noisy(k, n, seed):
    """k candidates that are all the same but for noise of each face of their own."""
    rng = np.random.default_rng(seed)
    return [{"error-ioc": 0.04 + 0.01 * rng.standard_normal(n)} for _ in range(k)]


def test_it_is_what_fresh_samples_would_tell():
    k, n, half = 10, 400, 200
    optimism = np.mean([audit(MEAN, noisy(k, n, seed), names(n)).optimism for seed in range(12)])
    rng = np.random.default_rng(1)
    drawn = 100 * (0.04 + 0.01 * rng.standard_normal((2000, k)) / np.sqrt(half))
    truth = 4.0 - drawn.min(axis=1).mean()  # the chosen of half the samples against its true score
    assert optimism == pytest.approx(truth, rel=0.25)
    assert truth > 0.05


def test_no_optimism_where_the_best_is_far_ahead():
    columns = noisy(5, 300, 0)
    columns[3] = {"error-ioc": columns[3]["error-ioc"] - 0.03}
    found = audit(MEAN, columns, names(300))
    assert (found.chosen, found.stable) == (3, 1.0)
    assert found.interval[0] < 0 < found.interval[1]
    assert found.value == pytest.approx(100 * columns[3]["error-ioc"].mean())


def test_a_higher_score_is_chosen_where_higher_is_better():
    rng = np.random.default_rng(0)
    columns = [{"hit": 90 + 5 * rng.standard_normal(300)} for _ in range(8)]
    found = audit(HIGH, columns, names(300))
    assert found.chosen == int(np.argmax([c["hit"].mean() for c in columns]))
    assert found.optimism > 0


def test_it_equals_a_plain_loop_over_its_splits():
    columns, n = noisy(4, 30, 2), 30
    clusters = [f"person{i // 3}" for i in range(n)]
    found = audit(MEAN, columns, clusters, seed=5)
    rng, gains = np.random.default_rng(5), []
    for _ in range(SPLITS):
        order = rng.permutation(10)
        left = {f"person{j}" for j in np.array(sorted(range(10)))[order[:5]]}
        inside = np.array([c in left for c in clusters])
        first = [100 * c["error-ioc"][inside].mean() for c in columns]
        pick = int(np.argmin(first))
        gains.append(100 * columns[pick]["error-ioc"][~inside].mean() - first[pick])
    assert found.optimism == pytest.approx(np.mean(gains), abs=1e-9)


def test_clusters_stay_whole():
    """Faces of a person are the same face: were they split, choosing would look safe."""
    rng = np.random.default_rng(3)
    persons = [0.04 + 0.01 * rng.standard_normal(20) for _ in range(10)]
    columns = [{"error-ioc": np.repeat(each, 10)} for each in persons]
    clusters = [f"person{i // 10}" for i in range(200)]
    assert audit(MEAN, columns, clusters).optimism > 1.5 * audit(MEAN, columns, names(200)).optimism


@pytest.mark.parametrize(
    ("columns", "clusters", "message"),
    [
        (noisy(1, 10, 0), names(10), "at least two candidates"),
        (noisy(2, 10, 0), names(9), "not scored on the same samples"),
        (noisy(2, 10, 0), ["one"] * 10, "one cluster alone"),
        ([{"error-ioc": np.full(10, np.nan)}] * 2, names(10), "not defined for every candidate"),
    ],
)
def test_what_cannot_be_audited_is_refused(columns, clusters, message):
    with pytest.raises(DataError, match=message):
        audit(MEAN, columns, clusters)


def test_the_verb_says_who_and_by_how_much(tmp_path, capsys):
    for name, each in zip("abc", noisy(3, 120, 4), strict=True):
        stored(tmp_path / name, name, each["error-ioc"])
    assert execute(["audit", str(tmp_path), "-e", "wflw"]) == 0
    text = capsys.readouterr().out
    assert "the best of 3 on its 120 test samples" in text
    assert "chosen so, it is too good by" in text
    assert execute(["audit", str(tmp_path), "-e", "wflw", "--json"]) == 0
    assert '"optimism"' in capsys.readouterr().out


def test_other_signatures_are_not_mixed(tmp_path, capsys):
    stored(tmp_path / "a", "a", noisy(1, 20, 0)[0]["error-ioc"])
    stored(tmp_path / "b", "b", noisy(1, 20, 1)[0]["error-ioc"], fields={"box": "other"})
    assert execute(["audit", str(tmp_path), "-e", "wflw"]) == 5
    assert "not measured alike" in capsys.readouterr().err
    (tmp_path / "b" / "result.json").unlink()
    assert execute(["audit", str(tmp_path), "-e", "wflw"]) == 2
