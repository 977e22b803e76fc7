"""Text from a record is shown as it is written, wherever it is shown."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from leaderboard.safe import markdown, printable, spreadsheet


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("vit", "vit"),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("two\nlines\ttab", r"two\nlines\ttab"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("café 顔", "café 顔"),
    ],
)
def test_printable(text, shown):
    assert printable(text) == shown


@given(st.text())
def test_printable_is_one_printable_line(text):
    assert printable(text).isprintable()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "＝1", "=cmd|' /C calc'!A0"])
def test_a_formula_becomes_text(text):
    assert spreadsheet(text) == f"'{text}"


@pytest.mark.parametrize("text", ["\t=1", "\r=1", "\n=1"])
def test_a_control_character_hides_no_formula(text):
    assert spreadsheet(text)[0] == "\\"


@given(st.text())
def test_no_cell_begins_like_a_formula(text):
    assert spreadsheet(text)[:1] not in tuple("=+-@\t\r")
    assert next(csv.reader(io.StringIO(f'"{spreadsheet(text).replace(chr(34), chr(34) * 2)}"')))[:1] == [
        spreadsheet(text)
    ]


@pytest.mark.parametrize(
    "text",
    ["[red]x", "a|b", "**bold**", "<b>html</b>", "vit_b_16", "`code`", "back\\slash", "[a](b)", "&lt;", "~~x~~", "$x$"],
)
def test_markdown_shows_what_was_written(text):
    page = f"| subject |\n| :-- |\n| {markdown(text)} |\n"
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(page)
    cells = [t for t in tokens if t.type == "inline"]
    assert len(cells) == 2
    assert all(child.type in ("text", "text_special") for child in cells[1].children)
    assert "".join(child.content for child in cells[1].children) == text
