"""Only comparable results share a ranking, and only whole ones get a rank."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebench.errors import DataError
from leaderboard.rank import Group, rank
from tests.leaderboard.records import backbone, floor, incomplete, predicted, record, score


def places(group: Group) -> list[tuple[int | None, str]]:
    return [(row.rank, row.result.subject) for row in group.rows]


def test_lower_is_better_for_errors_and_higher_for_f1():
    errors = [record("a", score(value=4.2)), record("b", score(value=3.9)), record("c", score(value=4.0))]
    (group,) = rank(errors)
    assert places(group) == [(1, "b"), (2, "c"), (3, "a")]

    key = "lapa/test/mean-fg10/f1"
    f1 = [record(s, score(key, value=v, direction="higher")) for s, v in (("a", 88.0), ("b", 93.9))]
    (group,) = rank(f1)
    assert places(group) == [(1, "b"), (2, "a")]


def test_equal_values_share_a_rank_and_the_next_place_is_skipped():
    values = {"a": 4.0, "b": 4.0, "c": 3.0, "d": 5.0}
    (group,) = rank(record(s, score(value=v)) for s, v in values.items())
    assert places(group) == [(1, "c"), (2, "a"), (2, "b"), (4, "d")]


def test_values_that_print_alike_are_no_tie():
    (group,) = rank([record("a", score(value=4.0000002)), record("b", score(value=4.0000001))])
    assert places(group) == [(1, "b"), (2, "a")]


@pytest.mark.parametrize(
    "other",
    [
        record("b", fields={"data": "000000"}),
        record("b", fields={"sel": "test"}),
        record("b", fields={"extra": "field"}),
        record("b", evaluator_version=2),
        record("b", score("wflw/val/all/nme-ioc")),
        record("b", score("wflw/test/all/nme-ipupil")),
        record("b", score("300w/test/full/nme-ioc")),
    ],
    ids=["revision", "selection", "more fields", "evaluator version", "split", "headline", "data set"],
)
def test_what_was_not_measured_alike_is_not_ranked_together(other):
    groups = rank([record("a"), other])
    assert [places(g) for g in groups] == [[(1, g.rows[0].result.subject)] for g in groups]
    assert len(groups) == 2


def test_predictions_and_backbones_share_a_table_where_the_signature_agrees():
    (group,) = rank([record("a", score(value=4.1)), predicted("b", 4.0)])
    assert places(group) == [(1, "b"), (2, "a")]


def test_an_incomplete_row_has_no_rank_however_good_it_looks():
    (group,) = rank([incomplete("cheat", 0.1), record("honest", score(value=4.0))])
    assert places(group) == [(1, "honest"), (None, "cheat")]
    assert group.rows[1].reason == "incomplete: 10 of 2,500 not scored"


def test_the_floor_stands_last_and_unranked_even_where_it_wins():
    (group,) = rank([floor(1.0), incomplete("part", 2.0), record("vit", score(value=4.0))])
    assert places(group) == [(1, "vit"), (None, "part"), (None, "floor")]
    spelt = record("mean shape", score(value=1.0), backbone=backbone("mean", "none", sha256=None, spec="floor"))
    assert rank([spelt])[0].rows[0].reason == "floor"


def test_an_undefined_headline_is_not_ranked_and_says_why():
    (group,) = rank([record("a", score(value=None, reason="no class is present")), record("b")])
    assert places(group) == [(1, "b"), (None, "a")]
    assert group.rows[1].reason == "undefined: no class is present"


def test_a_record_named_twice_is_one_row():
    (group,) = rank([record("a"), record("a"), record("a", created="2026-01-02T00:00:00+00:00")])
    assert len(group.rows) == 2


def test_nothing_to_rank_is_an_error():
    with pytest.raises(DataError, match="no result"):
        rank([])
    with pytest.raises(DataError, match="'a' on wflw/test marks no score as its headline"):
        rank([record("a", score(headline=False))])


@given(values=st.lists(st.floats(0.0, 100.0), min_size=1, max_size=8), seed=st.randoms())
def test_ranks_do_not_depend_on_the_order_of_the_records(values, seed):
    records = [record(f"s{i}", score(value=v, interval=None)) for i, v in enumerate(values)]
    shuffled = seed.sample(records, len(records))
    assert rank(records) == rank(shuffled)
    # One more than the number of strictly better ones: the definition of a rank, counted by brute force.
    for row in rank(records)[0].rows:
        own = row.result.scores[0].value
        assert row.rank == 1 + sum(v < own for v in values)
