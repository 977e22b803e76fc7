"""Records go in and out whole, are refused when they are not records, and never do anything by being read."""

from __future__ import annotations

import json
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from facebench.errors import DataError
from facebench.record import (
    Counts,
    Result,
    Score,
    json_schema,
    parse_signature,
    read_results,
    signature,
    write_results,
    write_text,
)
from tests.leaderboard.records import backbone, incomplete, predicted, record, score


def test_a_record_is_read_as_it_was_written(tmp_path):
    results = [record("a", score(value=4.123456789012345)), predicted("b", 4.0), incomplete("c", 5.0)]
    for result in results:
        write_results(tmp_path / result.subject / "result.json", [result])
    assert list(read_results(tmp_path)) == results
    write_results(tmp_path / "all.json", results)
    assert list(read_results(tmp_path / "all.json")) == results


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_survives_json_to_the_last_bit(value):
    kept = Result.model_validate_json(record("a", score(value=value, interval=None)).model_dump_json())
    assert kept.scores[0].value == value


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_no_record_holds_a_number_that_is_none(number):
    with pytest.raises(ValidationError):
        score(value=number)
    with pytest.raises(ValidationError):
        score(interval=(1.0, number))
    with pytest.raises(ValidationError):
        record("a", timing={"total": number})


def test_no_nan_reaches_the_json_of_a_free_field(tmp_path):
    write_results(tmp_path / "result.json", [record("a", settings={"lr": float("nan")})])
    text = (tmp_path / "result.json").read_text(encoding="utf-8")
    json.loads(text, parse_constant=lambda name: pytest.fail(name))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("[1]", "valid dictionary or instance of Result"),
        ("{}", "subject: Field required"),
        ("\x00\xff", "Expecting value"),
    ],
)
def test_what_is_no_record_is_refused_with_its_reason(tmp_path, text, reason):
    file = tmp_path / "result.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=reason) as caught:
        read_results(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("schema_version", 2, "schema_version"),
        ("surprise", 1, "surprise"),
        ("counts", {"expected": "many", "scored": 1, "failed": 0}, r"counts\.expected"),
        ("scores", [{"key": "k", "value": "NaN", "unit": "%", "direction": "lower", "n": 1}], r"scores\.0\.value"),
    ],
)
def test_a_field_that_is_wrong_is_named(tmp_path, field, value, reason):
    file = tmp_path / "result.json"
    fields = json.loads(record("a").model_dump_json()) | {field: value}
    file.write_text(json.dumps(fields), encoding="utf-8")
    with pytest.raises(DataError, match=reason):
        read_results(file)


def test_reading_a_record_runs_nothing_that_it_names(tmp_path):
    (tmp_path / "never_run_here.py").write_text("raise SystemExit('this was run')", encoding="utf-8")
    named = record("a", backbone=backbone("mine", "file", spec="module:never_run_here:factory"))
    write_results(tmp_path / "result.json", [named])
    (read,) = read_results(tmp_path / "result.json")
    assert read.backbone.spec == "module:never_run_here:factory"
    assert "never_run_here" not in sys.modules


def test_a_folder_without_records_says_how_to_get_some(tmp_path):
    with pytest.raises(DataError, match=r"holds no result\.json"):
        read_results(tmp_path)
    with pytest.raises(DataError, match="cannot read"):
        read_results(tmp_path / "absent.json")


def test_a_record_is_whole_or_as_it_was(tmp_path, monkeypatch):
    file = tmp_path / "result.json"
    write_results(file, [record("first")])

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DataError, match="No space left"):
        write_results(file, [record("second")])
    assert read_results(file)[0].subject == "first"


def test_a_place_that_cannot_be_written_is_a_data_error(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="cannot write"):
        write_text(tmp_path / "file" / "result.json", "{}")


def test_complete_means_that_every_expected_sample_was_scored():
    assert Counts(expected=3, scored=3, failed=0).complete
    assert not Counts(expected=3, scored=2, failed=1).complete
    assert not Counts(expected=3, scored=2, failed=0).complete
    assert not Counts(expected=3, scored=3, failed=0, unknown=1).complete


def test_counts_say_what_is_not_complete():
    assert Counts(expected=3, scored=3, failed=0).shortfall == ""
    both = Counts(expected=3000, scored=2000, failed=1000, unknown=7)
    assert both.shortfall == "1,000 of 3,000 not scored, 7 predicted for no sample of the split"


def test_a_signature_is_sorted_and_reads_back():
    text = signature(sel="val", box="gt*1.25", crop=256, lr=0.1)
    assert text == "box:gt*1.25|crop:256|lr:0.1|sel:val"
    assert parse_signature(text) == {"box": "gt*1.25", "crop": "256", "lr": "0.1", "sel": "val"}
    assert parse_signature("probe:module:mine") == {"probe": "module:mine"}
    assert parse_signature("") == {}


def test_a_score_is_found_by_its_key():
    result = record("a", score(), score("wflw/test/pose/nme-ioc", value=7.0))
    assert result.score("wflw/test/pose/nme-ioc").value == 7.0
    with pytest.raises(KeyError):
        result.score("wflw/test/all/fr10-ioc")


def test_records_are_frozen():
    with pytest.raises(ValidationError):
        record("a").subject = "b"


def test_the_schema_says_what_the_records_are():
    schema = json_schema()
    assert schema["properties"]["schema_version"]["const"] == 1
    assert set(Result.model_fields) == set(schema["properties"])
    assert set(schema["$defs"]["Score"]["properties"]) == set(Score.model_fields)
    assert schema["additionalProperties"] is False
