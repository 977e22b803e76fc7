"""LaTeX: best in bold, ties marked, no name acts as a command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from leaderboard.latex import escape
from leaderboard.load import Loaded
from leaderboard.render import render
from leaderboard.ties import placed_tables
from tests.leaderboard.records import backbone, floor, record, score


def lines(*results):
    loaded = [Loaded(result, Path("result.json")) for result in results]
    return render(placed_tables(loaded), "latex").splitlines()


def test_best_is_bold_and_a_tie_is_marked():
    best, near, far = (
        record(n, score(value=v, interval=(v - 0.1, v + 0.1))) for n, v in zip("abc", (4.0, 4.15, 4.5), strict=True)
    )
    text = "\n".join(lines(best, near, far, floor(1.0)))
    assert r"1 & a & \textbf{4.00} {\scriptsize [3.90, 4.10]} \\" in text
    assert r"2 & b & 4.15 {\scriptsize [4.05, 4.25]}\textsuperscript{$=$} \\" in text
    assert r"3 & c & 4.50 {\scriptsize [4.40, 4.60]} \\" in text
    assert r"-- & floor (floor) & 1.00" in text, "the floor is not ranked, however good"
    assert text.count(r"\textbf") == 1
    assert text.count(r"\toprule") == text.count(r"\midrule") == text.count(r"\bottomrule") == 1


def test_braces_and_environments_are_balanced_whatever_the_name():
    hostile = r"\input{/etc/passwd} 100% & _x^2 $ # ~ {} </b> | \write18"
    text = "\n".join(lines(record(hostile, backbone=backbone(hostile)), record("b", score(value=9.0))))
    assert r"\input" not in text
    assert r"\write" not in text
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len({len(re.findall(r"(?<!\\)&", row)) for row in rows}) == 1, "a name adds no column"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a_b", r"a\_b"), ("50%", r"50\%"), ("\\", r"\textbackslash{}"), ("\x1b[31m", r"\textbackslash{}x1b[31m")],
)
def test_escape(text, shown):
    assert escape(text) == shown
