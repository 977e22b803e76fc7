"""What programs read is whole; what people read is rounded; names do no harm in either."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from facebench.errors import UsageError
from leaderboard.render import FORMATS, render
from leaderboard.table import tables
from tests.leaderboard.records import backbone, floor, incomplete, record, score

VALUE = 4.123456789012345
RECORDS = [
    record("vit", score(value=VALUE, interval=(4.0123456789, 4.2345678901)), warnings=("features were streamed",)),
    record("=HYPERLINK(1)", score(value=5.0), backbone=backbone("x", "random:0")),
    incomplete("part", 3.0),
    floor(20.0),
]


def test_csv_is_one_line_a_row_and_score_with_whole_numbers():
    lines = list(csv.DictReader(io.StringIO(render(tables(RECORDS), "csv"))))
    assert [line["subject"] for line in lines] == ["vit", "'=HYPERLINK(1)", "part", "floor"]
    first = lines[0]
    assert (first["rank"], first["key"], first["n"], first["unit"]) == ("1", "wflw/test/all/nme-ioc", "2500", "%")
    assert (float(first["value"]), float(first["low"]), float(first["high"])) == (VALUE, 4.0123456789, 4.2345678901)
    assert [line["rank"] for line in lines] == ["1", "2", "", ""]
    assert (lines[2]["scored"], lines[2]["expected"]) == ("2490", "2500")
    assert lines[1]["notes"] == "random weights"


def test_csv_leaves_negative_numbers_numbers():
    lines = csv.DictReader(io.StringIO(render(tables([record("a", score(value=-1.5))]), "csv")))
    assert next(lines)["value"] == "-1.5"


def test_json_is_whole_and_has_no_nan():
    undefined = record("undefined", score(value=None, reason="no class"))
    payload = json.loads(render(tables([*RECORDS, undefined]), "json"), parse_constant=lambda name: pytest.fail(name))
    (table,) = payload["tables"]
    assert table["keys"] == ["wflw/test/all/nme-ioc"]
    rows = {row["subject"]: row for row in table["rows"]}
    assert rows["vit"]["scores"][0]["value"] == VALUE
    assert rows["undefined"]["scores"][0]["value"] is None
    assert rows["undefined"]["rank"] is None
    assert rows["=HYPERLINK(1)"]["badges"] == ["random weights"]


def test_markdown_table():
    lines = render(tables(RECORDS), "md").splitlines()
    assert lines[0] == "### wflw test"
    assert lines[2] == "`box:gt*1.25|data:3fa9c1|eval:landmarks.v1|fit:train|probe:linear.v1|sel:val`"
    assert lines[4] == "| # | subject | weights | all nme-ioc ↓ % | n | protocol | notes |"
    assert lines[6] == r"| 1 | vit | pretrained:augreg | 4.12 [4.01, 4.23] | 2,500 | linear.v1 | \[1\] |"
    assert lines[8].startswith("| – | part | pretrained:augreg | 3.00 [2.91, 3.09] | 2,490 of 2,500 |")
    assert lines[11] == r"- \[1\] features were streamed"
    assert len({line.count("|") - line.count(r"\|") for line in lines[4:10]}) == 1


def test_each_signature_has_its_own_table():
    text = render(tables([record("a"), record("b", fields={"box": "annotated"})]), "md")
    assert text.count("### wflw test") == 2
    assert text.count("| 1 |") == 2
    assert text.count("not comparable with other results on wflw test: not the same box\n") == 2


def test_plain_text_is_aligned_and_one_line_a_row():
    lines = render(tables(RECORDS), "table").splitlines()
    assert lines[0] == "wflw test"
    assert lines[1].endswith("probe:linear.v1  sel:val")
    rows = lines[3:8]
    assert [row.split()[0] for row in rows] == ["#", "1", "2", "–", "–"]
    # Values stand with their points in one line, whatever their size and their intervals'.
    assert len({re.search(r"\.\d\d +\[", row).start() for row in rows[1:]}) == 1
    assert lines[8] == "[1] features were streamed"


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_every_format_ends_in_one_newline_and_shows_every_subject(form):
    text = render(tables(RECORDS), form)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    unranked = () if form in ("model-index", "pwc") else ("part", "floor")  # other sites get results, and no more
    assert all(name in text for name in ("vit", "HYPERLINK", *unranked))


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_no_format_lets_an_escape_through(form):
    text = render(tables([record("a\x1b[2J\u202eb", warnings=("w\x1b[0m",))]), form)
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_an_unknown_format_is_a_usage_error_with_a_hint():
    with pytest.raises(UsageError, match="did you mean 'json'"):
        render(tables(RECORDS), "jsn")


def test_a_table_of_drawn_faces_says_so():
    drawn = record("a", score(), signature="data:1|world:synthetic")
    assert "wflw test (synthetic faces)" in render(tables([drawn]), "table")
    assert "synthetic faces" not in render(tables([record("a", score(), signature="data:1")]), "table")
