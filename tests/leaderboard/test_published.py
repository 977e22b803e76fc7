"""Published results: the facts are those that were collected, and what is unfit is never ranked."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from facebench.cli import execute
from facebench.errors import UsageError
from leaderboard.paper import page
from leaderboard.published import placed, read
from tests.leaderboard.records import predicted, record, score

COLLECTED = Path(__file__).parents[3] / "shared" / "data" / "published_results.csv"


def test_every_number_is_the_collected_one():
    if not COLLECTED.exists():
        pytest.skip(f"{COLLECTED} is not here: the collection that the rows were taken from")
    with COLLECTED.open(encoding="utf-8", newline="") as file:
        wanted = {row["row_id"]: row for row in csv.DictReader(file)}
    rows = {row.id: row for row in read()}
    assert rows.keys() == wanted.keys()
    for name, row in rows.items():
        told = wanted[name]
        assert row.value == float(told["value_std"] or told["value"]), name
        assert row.method == told["method"]
        assert row.direction == told["direction"]
        assert bool(row.unfit) == (told["rank_ok"] == "no"), name
        assert row.best == (told["headline"] == "yes" and not row.unfit)
        assert row.read == told["reading"].replace("_", "-")
        assert row.key.split("/")[-1] == told["benchmark_id"].split("/")[-1].removesuffix("-mm")


def test_units_hold():
    for row in read():
        assert row.unit in ("%", "fraction", "mm")
        assert 0 <= row.value <= {"%": 100, "fraction": 1, "mm": 20}[row.unit], row.id


def test_a_row_that_is_unfit_or_not_the_best_has_no_place():
    rows = read()
    for key in {row.key for row in rows}:
        order = placed(rows, key)
        assert all(row.best and not row.unfit for _, row in order)
        assert len({(row.method) for _, row in order}) == len(order), key
        values = [row.value for _, row in order]
        assert values == sorted(values, reverse=bool(order) and order[0][1].direction == "higher")


def test_traps():
    rows = read()
    diag = {row.method: row.value for _, row in placed(rows, "aflw19/test/full/nme-diag")}
    box = {row.method: row.value for _, row in placed(rows, "aflw19/test/full/nme-box")}
    assert max(diag.values()) < min(box.values())  # a side is shorter than a diagonal: never one list
    auc = next(row for row in rows if row.key == "aflw19/test/full/auc7-box")
    assert auc.compatible == "aflw19/test/full/auc7-box-simpson"
    assert next(row for row in rows if row.key == "wflw/test/all/auc10-ioc").compatible == "wflw/test/all/auc10-ioc"
    assert {row.selection for row in rows if row.method == "FaRL" and row.best} >= {"test"}


def test_the_page_of_paco_fr():
    lines = {line.key: line for line in page("paco-fr").lines}
    assert {key: line.value for key, line in lines.items()} == {
        "wflw/test/all/nme-ioc": 3.99,
        "300w/test/full/nme-ioc": None,
        "lapa/test/skin/f1": 97.63,
        "aflw19/test/frontal/nme-diag": 0.82,
        "300w/test/common/nme-ioc": None,
        "now/val/all/median": None,
        "300w/test/challenge/nme-ioc": 4.5,
        "aflw19/test/full/nme-diag": 0.955,
    }
    assert lines["300w/test/full/nme-ioc"].place is None
    first = lines["wflw/test/all/nme-ioc"]
    better = [row for _, row in placed(read(), first.key) if row.value < 3.99]
    assert first.place == len(better) + 1
    with pytest.raises(UsageError, match="paco-fr"):
        page("paco-fr2")


def test_own_results_are_placed_or_say_why_not():
    best = predicted("mine", 0.5)
    drawn = record("vit", score(value=1.0), fields={"world": "synthetic"})
    line = next(line for line in page("paco-fr", [best, drawn]).lines if line.key == "wflw/test/all/nme-ioc")
    assert [(own.subject, own.place) for own in line.own] == [("mine", 1), ("vit", None)]
    assert "drawn faces" in line.own[1].reason
    worst = page("paco-fr", [predicted("mine", 90.0)]).lines[0]
    assert worst.own[0].place == worst.count + 1


@pytest.mark.parametrize("words", [[], ["--format", "md"], ["--json"]])
def test_the_verb(words, capsys):
    assert execute(["paper", "paco-fr", *words]) == 0
    out = capsys.readouterr().out
    assert "3.99" in out
    assert execute(["paper", "nobody-wrote-this"]) == 2
