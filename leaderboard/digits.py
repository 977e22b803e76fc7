"""How many digits a published number has; the only place that rounds.

The digits are those of the tables that ours stand beside: NME and F1 in percent with two (WFLW 4.02, LaPa 93.88),
AFLW-19 over the box diagonal with three (0.943), AUC as a fraction with four (0.6057), scan distances in mm with three
(0.903).
"""

from __future__ import annotations

from collections.abc import Mapping

from facebench.record import Score

MISSING = "–"
"""What a cell without a number reads."""

DIGITS: Mapping[str, int] = {"%": 2, "fraction": 4, "mm": 3}
"""Digits after the point, by unit."""

METRIC_DIGITS: Mapping[str, int] = {"nme-diag": 3}
"""Metrics that the field prints otherwise than their unit."""

_OTHER = 4


def digits(score: Score) -> int:
    """Digits after the point that `score` is shown with."""
    return METRIC_DIGITS.get(score.key.rpartition("/")[2], DIGITS.get(score.unit, _OTHER))


def value_text(score: Score | None) -> str:
    """The rounded value, or a dash where there is none."""
    if score is None or score.value is None:
        return MISSING
    return f"{score.value:.{digits(score)}f}"


def interval_text(score: Score | None) -> str:
    """The rounded interval, `[3.91, 4.13]`; empty where there is none."""
    if score is None or score.value is None or score.interval is None:
        return ""
    low, high = (f"{bound:.{digits(score)}f}" for bound in score.interval)
    return f"[{low}, {high}]"
