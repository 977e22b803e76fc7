"""The ranks that the samples leave open: by the samples where they are there, by the intervals where they are not."""

from __future__ import annotations

import numpy as np
import pytest

from facebench.cli import execute
from facebench.record import write_results
from facebench.sample_table import SampleTable, write_table
from leaderboard.load import load
from leaderboard.table import Place
from leaderboard.ties import by_intervals, placed_tables
from tests.leaderboard.records import backbone, floor, record, score

BOUNDS = [(1.0, 2.0), (1.9, 3.0), (2.5, 3.5), (3.4, 4.0), (4.1, 5.0)]


def scores(*bounds):
    return [score(value=sum(pair) / 2, interval=pair) for pair in bounds]


def test_a_tie_group_begins_with_its_leader():
    # 2 reaches 1; 3 does not reach 1 and leads the next group, which 4 reaches; 5 reaches neither 3 nor 4.
    assert [place.group for place in by_intervals(scores(*BOUNDS))] == [1, 1, 2, 2, 3]


def test_open_ranks_count_who_is_surely_better_and_worse():
    found = [(place.low, place.high) for place in by_intervals(scores(*BOUNDS))]
    assert found == [(1, 2), (1, 3), (2, 4), (3, 4), (5, 5)]


def test_bare_values_tie_where_they_are_equal():
    about = {"interval": None, "direction": "higher"}
    found = by_intervals([score(value=value, **about) for value in (9.0, 9.0, 8.0)])
    assert found == (Place(1, 2, 1), Place(1, 2, 1), Place(3, 3, 2))


def test_no_ranked_row_no_place():
    assert by_intervals([]) == ()


def stored(folder, name, errors, **changes):
    """A record of WFLW with its per-sample table, whose interval is far too wide to tell anything apart."""
    n = len(errors)
    ids = tuple(f"face{i:04d}" for i in range(n))
    table = SampleTable(ids, ids, {}, {}, {"error-ioc": np.asarray(errors), "error-ipupil": np.asarray(errors)})
    folder.mkdir(parents=True)
    digest = write_table(folder / "samples.parquet", table)
    value = float(100 * np.mean(errors))
    made = record(
        name, score(value=value, interval=(0.0, 90.0), n=n), backbone=backbone(name, sha256=name),
        counts={"expected": n, "scored": n, "failed": 0},
        samples={"path": "samples.parquet", "sha256": digest, "rows": n}, **changes,
    )  # fmt: skip
    made = made.model_copy(update={"dataset": made.dataset.model_copy(update={"official": None})})
    write_results(folder / "result.json", [made])
    return made


@pytest.fixture
def folder(tmp_path):
    """`b` is worse than `a` on every face by a little, `c` is `a` with other noise."""
    rng = np.random.default_rng(0)
    hard = rng.gamma(2.0, 0.02, 200)
    stored(tmp_path / "a", "a", hard)
    stored(tmp_path / "b", "b", hard + 0.002 + 0.0005 * rng.standard_normal(200))
    noise = rng.standard_normal(200)
    stored(tmp_path / "c", "c", hard + 0.0001 + 0.005 * (noise - noise.mean()))
    return tmp_path


def placed(folder):
    (table,) = placed_tables(load([folder]))
    return {row.subject: row.place for row in table.rows}


def test_paired_samples_tell_apart_what_intervals_cannot(folder):
    # b is worse than both, though its interval holds them; nothing but noise lies between a and c.
    assert placed(folder) == {"a": Place(1, 2, 1), "c": Place(1, 2, 1), "b": Place(3, 3, 2)}


def test_a_missing_or_other_table_leaves_it_to_the_intervals(folder):
    (folder / "c" / "samples.parquet").write_bytes(b"something else")
    assert set(placed(folder).values()) == {Place(1, 3, 1)}
    (folder / "c" / "samples.parquet").unlink()
    assert set(placed(folder).values()) == {Place(1, 3, 1)}


def test_other_samples_leave_it_to_the_intervals(folder):
    stored(folder / "d", "d", np.full(150, 0.05))
    assert set(placed(folder).values()) == {Place(1, 4, 1)}


def test_who_is_not_ranked_has_no_place(tmp_path):
    write_results(tmp_path / "result.json", [record("a"), floor(1.0)])
    assert placed(tmp_path) == {"a": Place(1, 1, 1), "floor": None}


@pytest.mark.parametrize(("form", "text"), [("table", "1–2"), ("md", "| 1 | 1–2 |"), ("csv", ",1,1,2,1,a,")])
def test_tables_show_the_open_ranks(folder, capsys, form, text):
    (folder / "b" / "result.json").unlink()
    assert execute(["leaderboard", str(folder), "--format", form]) == 0
    assert text in capsys.readouterr().out
