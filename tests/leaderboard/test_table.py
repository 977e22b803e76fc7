"""The plain model says who, with which weights, on how many samples, and what must be seen beside the number."""

from __future__ import annotations

from facebench.record import DatasetRecord
from leaderboard.table import tables
from tests.leaderboard.records import backbone, floor, incomplete, predicted, record, score


def row(result):
    ((table,), (only,)) = tables([result]), tables([result])[0].rows
    assert table.rows == (only,)
    return only


def test_columns_are_the_headline_scores_with_the_ranking_one_first():
    keys = ["300w/test/full/nme-ioc", "300w/test/common/nme-ioc", "300w/test/challenge/nme-ioc"]
    scores = [*(score(key) for key in keys), score("300w/test/full/nme-ipupil", headline=False)]
    (table,) = tables([record("a", *scores)])
    assert [(c.subset, c.metric) for c in table.columns] == [
        ("full", "nme-ioc"),
        ("common", "nme-ioc"),
        ("challenge", "nme-ioc"),
    ]
    assert (table.dataset, table.split, table.evaluator) == ("300w", "test", "landmarks v1")


def test_a_headline_that_only_some_rows_have_is_a_column_of_all():
    more = [score("wflw/test/all/nme-ioc"), score("wflw/test/pose/nme-ioc")]
    (table,) = tables([record("a"), record("b", *more)])
    assert [c.subset for c in table.columns] == ["all", "pose"]
    assert "wflw/test/pose/nme-ioc" not in table.rows[0].scores


def test_weights_say_where_the_numbers_came_from():
    assert row(record("a")).weights == "pretrained:augreg"
    assert row(record("a", backbone=backbone("a", "random:7"))).weights == "random:7"
    assert row(record("a", backbone=backbone("a", "file"))).weights == "file 01234567"
    assert row(predicted("a", 4.0)).weights == "predictions fedcba98"
    assert row(floor(9.0)).weights == "none"


def test_badges_and_remarks():
    assert row(record("a")).badges == ()
    assert row(record("a", backbone=backbone("a", "random:7"))).badges == ("random weights",)
    assert row(record("a", fields={"sel": "test"})).badges == ("sel:test",)
    assert row(floor(9.0)).badges == ("floor",)
    part = row(incomplete("a", 4.0))
    assert part.badges == ("incomplete",)
    assert part.remarks == ("incomplete: 10 of 2,500 not scored; the first, a/b.jpg#1,2: no prediction",)
    assert (part.scored, part.expected) == (2490, 2500)
    small = DatasetRecord(name="wflw", split="test", revision="r", official=False, licence="-", citation="-")
    assert row(record("a", dataset=small)).badges == ("not the official size",)
    assert row(record("a", warnings=("features were streamed",))).remarks == ("features were streamed",)


def test_tables_of_one_split_say_in_which_fields_they_differ():
    others = [record("a"), record("b", fields={"data": "000000"}), record("c", fields={"data": "000000", "extra": "x"})]
    elsewhere = record("d", score("300w/test/full/nme-ioc"))
    named = {table.rows[0].subject: table.differs for table in tables([*others, elsewhere])}
    assert named == {"a": ("data", "extra"), "b": ("data", "extra"), "c": ("data", "extra"), "d": ()}
    (first, second) = tables([record("a"), record("b", score("wflw/test/all/nme-ipupil"))])
    assert first.differs == second.differs == ("headline",)


def test_values_are_the_record_s_own():
    value = 4.123456789012345
    assert row(record("a", score(value=value))).scores["wflw/test/all/nme-ioc"].value == value
