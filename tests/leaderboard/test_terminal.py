"""A terminal of any width shows every word of a table; without a terminal it is plain text."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from leaderboard.table import tables
from leaderboard.terminal import plain, show
from tests.leaderboard.records import backbone, floor, incomplete, record, score

KEYS = ("300w/test/full/nme-ioc", "300w/test/common/nme-ioc", "300w/test/challenge/nme-ioc")
LONG = "convnext_tiny.fb_in22k_ft_in1k_384 of a very patient colleague"


def drawn(records, width: int) -> list[str]:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None, legacy_windows=False)
    show(tables(records), console)
    return console.file.getvalue().splitlines()


def three_columns(subject: str, value: float):
    return record(subject, *(score(key, value=value + i, n=689) for i, key in enumerate(KEYS)))


@pytest.mark.parametrize("width", [80, 120, 200])
def test_nothing_is_wider_than_the_terminal_and_nothing_is_cut_off(width):
    lines = drawn([three_columns(LONG, 10.0), three_columns("vit", 3.0)], width)
    assert max(map(len, lines)) <= width
    text = "".join("".join(lines).split())
    assert all("".join(word.split()) in text for word in ("challenge", "[11.64,12.36]", "3.00"))
    assert "…" not in text
    if width >= 120:
        assert any(LONG in line for line in lines)


def test_intervals_stand_beside_the_value_where_there_is_room_and_below_it_where_not():
    wide = drawn([three_columns("vit", 3.0)], 160)
    assert any("3.00 [2.91, 3.09]" in line for line in wide)
    narrow = drawn([three_columns("vit", 3.0)], 70)
    value = next(i for i, line in enumerate(narrow) if "3.00" in line)
    assert "[2.91, 3.09]" in narrow[value + 1]
    assert "pretrained:augreg" in narrow[value + 1]


@pytest.mark.parametrize("width", [50, 120], ids=["stacked", "one line a row"])
def test_markup_in_a_name_or_a_remark_shows_literally(width):
    lines = drawn([record("[red]x[/red] :smile:", backbone=backbone("x"), warnings=("[bold]w[/bold]",))], width)
    assert any("[red]x[/red] :smile:" in line for line in lines)
    assert any("[bold]w[/bold]" in line for line in lines)


def test_what_all_rows_share_stands_in_the_caption_and_what_differs_in_a_column():
    same = drawn([record("a"), record("b")], 120)
    assert "n:2,500" in " ".join(same)
    assert not any(line.split()[-1:] == ["notes"] for line in same)
    differ = drawn([record("a"), incomplete("b", 3.0)], 120)
    assert any("2,490 of 2,500" in line and "incomplete [1]" in line for line in differ)
    assert differ[-2] == "[1] incomplete: 10 of 2,500 not scored; the first, a/b.jpg#1,2: no prediction"


def test_remarks_are_numbered_once_each():
    told = ("streamed",)
    lines = drawn([record("a", warnings=told), record("b", warnings=told), record("c", warnings=("other",))], 120)
    assert [line.split()[-1] for line in lines if "pretrained" in line] == ["[1]", "[1]", "[2]"]
    assert [line for line in lines if line.startswith("[")] == ["[1] streamed", "[2] other"]


def test_without_a_terminal_it_is_plain_text():
    records = [record("a"), floor(20.0)]
    console = Console(file=io.StringIO(), force_terminal=False, width=40)
    show(tables(records), console)
    assert console.file.getvalue() == plain(tables(records))
    assert "\x1b" not in console.file.getvalue()


def test_a_protocol_that_the_signature_does_not_name_is_said():
    assert "probe:linear.v1  sel:val\n" in plain(tables([floor(20.0), incomplete("a", 3.0)]))
    records = [record("a", protocol="finetune.v1"), record("b", protocol="finetune.v1")]
    assert plain(tables(records)).splitlines()[1].endswith("n:2,500  protocol:finetune.v1")


def test_what_is_said_of_all_rows_is_said_once_below():
    told = ("120 samples, not the official 2500",)
    lines = plain(tables([record("a", warnings=told), record("b", warnings=(*told, "streamed"))])).splitlines()
    assert lines[-2:] == ["all rows: 120 samples, not the official 2500", "[1] streamed"]
    assert lines[-3].endswith("[1]")
    assert not lines[-4].endswith("]  [1]")
    (only,) = [line for line in plain(tables([record("a", warnings=told)])).splitlines() if "pretrained" in line]
    assert only.endswith("[1]")
