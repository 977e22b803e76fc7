"""Numbers are rounded as the field prints them."""

from __future__ import annotations

import pytest

from leaderboard.digits import interval_text, value_text
from tests.leaderboard.records import score


@pytest.mark.parametrize(
    ("key", "value", "unit", "text"),
    [
        ("wflw/test/all/nme-ioc", 4.0249, "%", "4.02"),  # STAR prints 4.02
        ("aflw19/test/full/nme-diag", 0.9434, "%", "0.943"),  # FaRL prints 0.943
        ("aflw19/test/full/nme-box", 1.4199, "%", "1.42"),  # PIPNet prints 1.42
        ("wflw/test/all/auc10-ioc", 0.60572, "fraction", "0.6057"),
        ("lapa/test/mean-fg10/f1", 93.878, "%", "93.88"),  # FaRL prints 93.88
        ("now/val/all/median", 0.9031, "mm", "0.903"),
        ("other/test/all/thing", 1.23456, "px", "1.2346"),
    ],
)
def test_digits(key, value, unit, text):
    assert value_text(score(key, value=value, unit=unit)) == text


def test_missing_values_are_a_dash_and_never_a_number():
    assert value_text(None) == value_text(score(value=None)) == "–"
    assert interval_text(None) == interval_text(score(value=None)) == interval_text(score(interval=None)) == ""


def test_an_interval_has_the_digits_of_its_value():
    assert interval_text(score(value=4.0, interval=(3.914, 4.126))) == "[3.91, 4.13]"
    assert interval_text(score("a/t/f/nme-diag", value=0.9, interval=(0.8994, 0.9))) == "[0.899, 0.900]"
