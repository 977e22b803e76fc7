"""A record that contradicts itself is refused with the reason; those that our own code writes are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebench.cli import execute
from facebench.errors import DataError
from facebench.metrics.auc import simpson_areas
from facebench.record import Counts, Score, write_results
from leaderboard.invariants import check, problems
from leaderboard.load import load, official_sizes
from tests.leaderboard.records import record, score

KEY = "wflw/test/all/"


def rates(errors, subset="wflw/test/all", headline=True):
    """NME, failure rates and areas of `errors` (fractions), written down here a second time."""
    e = np.asarray(errors)
    made = [score(f"{subset}/nme-ioc", float(100 * e.mean()), interval=None, n=len(e), headline=headline)]
    for percent in (5, 8, 10):
        t = percent / 100
        failed, area = float(100 * (e > t).mean()), float(np.clip(1 - e / t, 0, None).mean())
        made.append(score(f"{subset}/fr{percent}-ioc", failed, interval=None, n=len(e), headline=False))
        about = {"unit": "fraction", "direction": "higher", "n": len(e), "headline": False, "interval": None}
        made.append(score(f"{subset}/auc{percent}-ioc", area, **about))
    return made


SIZES = {"test": 2500, "test/pose": 326}


def changed(scores: list[Score], key: str, **values) -> list[Score]:
    assert key in {s.key for s in scores}
    return [s.model_copy(update=values) if s.key == key else s for s in scores]


def union(common, challenge):
    named = (("full", [*common, *challenge]), ("common", common), ("challenge", challenge))
    return [s for subset, errors in named for s in rates(errors, f"300w/test/{subset}", subset == "full")]


@given(st.lists(st.floats(0.0, 3.0), min_size=1, max_size=30), st.lists(st.floats(0.0, 3.0), min_size=1, max_size=9))
def test_numbers_of_real_errors_hold(common, challenge):
    assert list(problems(record("a", *rates(common)))) == []
    assert list(problems(record("a", *union(common, challenge)))) == []


GOOD = rates([0.02, 0.04, 0.07, 0.2])
BROKEN = {
    "rises from 25": changed(GOOD, f"{KEY}fr10-ioc", value=60.0),
    "auc*-ioc falls": changed(GOOD, f"{KEY}auc5-ioc", value=0.5),
    "did not fail": changed(GOOD, f"{KEY}auc10-ioc", value=0.8),
    "below 1 - NME/threshold": changed(changed(GOOD, f"{KEY}nme-ioc", value=1.0), f"{KEY}fr8-ioc", value=25.0),
    "auc10-ioc: value 1.2 lies outside [0, 1]": changed(GOOD, f"{KEY}auc10-ioc", value=1.2),
    "auc10-ioc: value -0.1 lies outside [0, 1]": changed(GOOD, f"{KEY}auc10-ioc", value=-0.1),
    "fr5-ioc: value 101 lies outside [0, 100]": changed(GOOD, f"{KEY}fr5-ioc", value=101.0),
    "nme-ioc: value -1 lies outside [0, inf]": changed(GOOD, f"{KEY}nme-ioc", value=-1.0),
    "the interval runs from 9 down to 8": changed(GOOD, f"{KEY}nme-ioc", interval=(9.0, 8.0)),
    "fr5-ioc: high end 120 lies outside": changed(GOOD, f"{KEY}fr5-ioc", interval=(20.0, 120.0)),
    "300w/test/full/nme-ioc: 3 where common and challenge weigh to 3.5": changed(
        union([0.02, 0.03], [0.055]), "300w/test/full/nme-ioc", value=3.0
    ),
    "300w/test/full/nme-ioc: 4 faces where": changed(union([0.02, 0.03], [0.055]), "300w/test/full/nme-ioc", n=4),
}


@pytest.mark.parametrize("reason", BROKEN)
def test_a_contradiction_is_found(reason):
    found = list(problems(record("a", *BROKEN[reason])))
    assert any(reason in problem for problem in found), found


def test_the_scores_that_were_changed_were_good():
    assert list(problems(record("a", *GOOD))) == list(problems(record("a", *union([0.02, 0.03], [0.055])))) == []


@pytest.mark.parametrize("counts", [(2500, 2400, 99), (2500, 2500, 1), (0, 1, -1)])
def test_counts_add_up(counts):
    expected, scored, failed = counts
    broken = record("a", counts=Counts(expected=expected, scored=scored, failed=failed))
    with pytest.raises(DataError, match=r"made\.json: the record of 'a' contradicts itself: "):
        check(broken, file=__import__("pathlib").Path("made.json"))


def test_no_score_has_more_samples_than_were_scored():
    (problem,) = problems(record("a", score(n=2501)))
    assert problem == "wflw/test/all/nme-ioc: 2,501 samples of 2,500 scored ones"


@pytest.mark.parametrize(
    ("scores", "counts", "reason"),
    [
        ([score(n=2000)], 2000, "2,000 samples expected where test has officially 2,500"),
        ([score(), score("wflw/test/pose/nme-ioc", n=327)], 2500, "test/pose has officially 326"),
    ],
)
def test_an_official_record_has_the_official_sizes(scores, counts, reason):
    made = record("a", *scores, counts=Counts(expected=counts, scored=counts, failed=0))
    official = made.model_copy(update={"dataset": made.dataset.model_copy(update={"official": True})})
    found = list(problems(official, SIZES))
    assert any(reason in problem for problem in found), found
    unofficial = made.model_copy(update={"dataset": made.dataset.model_copy(update={"official": None})})
    assert list(problems(unofficial, SIZES)) == []


def test_official_sizes_are_those_of_the_data_set():
    assert official_sizes("300w") == {
        "test": 689, "private": 600, "trainval": 3148, "test/common": 554, "test/challenge": 135,
        "private/indoor": 300, "private/outdoor": 300,
    }  # fmt: skip
    assert official_sizes("nobody-has-it") == {}


@given(st.lists(st.floats(0.0, 0.2), min_size=1, max_size=30))
def test_areas_of_the_simpson_family_hold(errors):
    values = {t: float(simpson_areas(np.asarray(errors), t / 100).mean()) for t in (5, 7, 8, 10)}
    about = {"unit": "fraction", "direction": "higher", "n": len(errors), "interval": None}
    made = [score(f"{KEY}auc{t}-ioc-simpson", value, **about) for t, value in values.items()]
    assert list(problems(record("a", *made))) == []


def test_an_area_of_the_simpson_family_may_pass_1_by_one_bin_and_no_more():
    about = {"unit": "fraction", "direction": "higher", "interval": None}
    assert simpson_areas(np.zeros(1), 0.05) == pytest.approx(1.002)
    assert list(problems(record("a", score(f"{KEY}auc5-ioc-simpson", 1.002, **about)))) == []
    assert list(problems(record("a", score(f"{KEY}auc5-ioc-simpson", 1.0021, **about))))


def test_an_error_above_its_normaliser_is_no_contradiction():
    assert list(problems(record("a", score(value=240.0)))) == []


@pytest.mark.parametrize("form", ["table", "md", "csv", "json", "latex", "html"])
def test_the_leaderboard_refuses_it_with_exit_3(tmp_path, capsys, form):
    write_results(tmp_path / "good.json", [record("a", *GOOD)])
    write_results(tmp_path / "bad.json", [record("b", *BROKEN["did not fail"])])
    out = tmp_path / "out"
    assert execute(["leaderboard", *map(str, tmp_path.glob("*.json")), "--format", form, "-o", str(out)]) == 3
    error = capsys.readouterr().err
    assert "bad.json: the record of 'b' contradicts itself" in error
    assert not out.exists()


def test_a_record_that_is_named_twice_is_loaded_once(tmp_path):
    file = tmp_path / "run" / "result.json"
    write_results(file, [record("a", *GOOD)])
    (loaded,) = load([tmp_path, file])
    assert (loaded.result.subject, loaded.file, loaded.samples) == ("a", file, None)


@pytest.mark.parametrize("path", ["../secret.parquet", "/etc/passwd", "sub/x.parquet"])
def test_the_samples_of_a_record_lie_beside_it_or_are_not_read(tmp_path, path):
    about = {"path": path, "sha256": "0", "rows": 1}
    write_results(tmp_path / "run" / "result.json", [record("a", *GOOD, samples=about)])
    (tmp_path / "secret.parquet").touch()
    (loaded,) = load([tmp_path])
    assert loaded.samples is None
