"""LaTeX: best in bold, ties marked, no name acts as a command."""

from __future__ import annotations

import re

import pytest

from leaderboard.latex import escape
from leaderboard.render import render
from leaderboard.table import tables
from leaderboard.ties import sizes, tie_groups
from tests.leaderboard.records import backbone, floor, record, score


def lines(*results):
    return render(tables(results), "latex").splitlines()


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


def test_a_tie_group_begins_with_its_leader():
    bounds = [(1.0, 2.0), (1.9, 3.0), (2.5, 3.5), (3.4, 4.0), (4.1, 5.0)]
    scores = [score(value=sum(pair) / 2, interval=pair) for pair in bounds]
    # 2 reaches 1; 3 does not reach 1 and leads the next group, which 4 reaches; 5 reaches neither 3 nor 4.
    assert tie_groups([*scores, None]) == (1, 1, 2, 2, 3, None)
    assert sizes(tie_groups(scores)) == {1: 2, 2: 2, 3: 1}


def test_ties_of_higher_is_better_and_of_bare_values():
    about = {"direction": "higher", "interval": None}
    assert tie_groups([score(value=v, **about) for v in (9.0, 9.0, 8.0)]) == (1, 1, 2)
