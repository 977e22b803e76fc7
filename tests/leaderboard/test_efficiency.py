"""Scores by the share of the labels: areas by hand, tables that mix nothing."""

from __future__ import annotations

import pytest

from leaderboard.efficiency import area, cells, efficiencies
from tests.leaderboard.records import backbone, record, score


def row(name, labels, value, fit="x", **changes):
    fields = {"labels": labels, "fit": fit, **changes}
    return record(name, score(value=value), fields=fields, backbone=backbone(name))


def test_the_area_is_the_mean_height_over_the_logarithm():
    assert area({1: 4.0, 100: 4.0}) == pytest.approx(4.0)
    assert area({1: 6.0, 10: 4.0, 100: 2.0}) == pytest.approx((5.0 + 3.0) / 2)
    assert area({10: 8.0, 100: 2.0, 50: 8.0}) == pytest.approx((8.0 * 0.69897 + 5.0 * 0.30103), rel=1e-5), (
        "log10(50) - 1 = 0.69897"
    )


def test_curves_stand_best_first_and_subsets_are_averaged():
    made = [
        row("a", "10", 6.0),
        row("a", "10#1", 8.0, "y"),
        row("a", "100", 5.0),
        row("b", "10", 5.0),
        row("b", "100", 4.0),
    ]
    (table,) = efficiencies(made)
    assert table.percents == (10, 100)
    assert [(c.subject, c.area) for c in table.curves] == [("b", pytest.approx(4.5)), ("a", pytest.approx(6.0))]
    assert cells(table) == (("b", "5.00", "4.00", "4.50"), ("a", "7.00", "5.00", "6.00"))


def test_a_curve_with_a_hole_has_no_area_and_stands_last():
    (table,) = efficiencies([row("a", "10", 6.0), row("a", "100", 5.0), row("b", "100", 4.0)])
    assert [(c.subject, c.area is None) for c in table.curves] == [("a", False), ("b", True)]
    assert cells(table)[1] == ("b", "–", "4.00", "–")


def test_what_differs_in_more_than_labels_is_apart():
    assert efficiencies([row("a", "10", 6.0), row("a", "100", 5.0, box="other")]) == ()
    assert efficiencies([row("a", "100", 5.0)]) == ()
