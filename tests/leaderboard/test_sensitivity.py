"""Scores by view: the loss by hand, rows that differ in more than the view apart."""

from __future__ import annotations

import pytest

from leaderboard.sensitivity import cells, is_plain, sensitivities, view_of
from tests.leaderboard.records import backbone, record, score


def row(name, value, direction="lower", **fields):
    return record(name, score(value=value, direction=direction), fields=fields, backbone=backbone(name))


def test_the_loss_is_the_mean_over_the_views():
    made = [row("a", 4.0), row("a", 5.0, corrupt="blur@3"), row("a", 8.0, box="gt*1.25+jitter@5")]
    (table,) = sensitivities(made)
    assert table.views == ("blur@3", "jitter@5")
    assert table.rows[0].loss == pytest.approx((25 + 100) / 2)
    assert cells(table) == (("a", "4.00", "5.00", "8.00", "62.5"),)


def test_a_score_that_falls_is_a_loss_too():
    made = [row("a", 80.0, "higher"), row("a", 60.0, "higher", corrupt="dark@1"), row("b", 90.0, "higher")]
    (table,) = sensitivities(made)
    assert [(r.subject, r.loss) for r in table.rows] == [("b", None), ("a", pytest.approx(25.0))]


def test_rows_of_another_box_or_without_views_make_no_table():
    assert sensitivities([row("a", 4.0), row("b", 5.0)]) == ()
    two = sensitivities([row("a", 4.0), row("a", 5.0, corrupt="blur@3", box="whole*1")])
    assert [table.rows[0].loss for table in two] == [None]


def test_which_rows_are_plain():
    assert is_plain(row("a", 4.0))
    assert view_of(row("a", 4.0, box="gt*1.25+rotate@2")) == "rotate@2"
