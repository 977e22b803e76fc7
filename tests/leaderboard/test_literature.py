"""Published results beside measured ones: in the tables, and on the site."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from facebench.cli import execute
from facebench.record import write_results
from leaderboard.literature import badges_of, published_tables
from leaderboard.load import Loaded
from leaderboard.published import placed, read
from leaderboard.site import literature, plots
from leaderboard.ties import placed_tables
from tests.leaderboard.records import record, score
from tests.leaderboard.sites import Page, make_site, results

WFLW = "wflw/test/all/nme-ioc"
AUC = "aflw19/test/full/auc7-box"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return make_site(tmp_path_factory.mktemp("literature"), results(), read())


def own():
    return placed_tables([Loaded(record("mine", score(value=1.0)), Path("result.json"))])


def test_a_table_of_published_results_stands_beside_and_takes_no_rank_of_ours():
    (mine,) = own()
    (table,) = published_tables(read(), [mine])
    assert [(row.rank, row.subject) for row in mine.rows] == [(1, "mine")]
    assert [(row.rank, row.subject) for row in table.rows] == [(p, r.method) for p, r in placed(read(), WFLW)]
    assert all(row.place is None for row in table.rows)


def test_rows_that_are_unfit_are_in_no_ranking():
    unfit = {row.id for row in read() if row.unfit}
    assert unfit
    assert not [row for key in {r.key for r in read()} for _, row in placed(read(), key) if row.id in unfit]


def test_badges_say_who_chose_and_how_it_was_read():
    (farl,) = (row for _, row in placed(read(), WFLW) if row.method == "FaRL")
    assert badges_of(farl) == ("sel:test",)
    (paco,) = (row for _, row in placed(read(), WFLW) if row.method == "PaCo-FR")
    assert badges_of(paco) == ("aggregator",)


@pytest.mark.parametrize("form", ["table", "md", "csv", "json", "latex"])
def test_every_format_shows_them_when_asked(tmp_path, capsys, form):
    write_results(tmp_path / "result.json", [record("mine")])
    assert execute(["leaderboard", str(tmp_path), "--format", form]) == 0
    assert "ORFormer" not in capsys.readouterr().out
    assert execute(["leaderboard", str(tmp_path), "--published", "--format", form]) == 0
    assert "ORFormer" in capsys.readouterr().out


def test_the_site_has_every_published_number_with_its_reason(site):
    page = Page(site / "published.html")
    assert len([tag for tag, about in page.elements if tag == "tr" and "data-row" in about]) == len(read())
    for reason in {row.unfit for row in read() if row.unfit}:
        assert " ".join(reason.split()) in page.text


def test_published_rows_are_ranked_apart_on_a_benchmark(site):
    text = (site / "benchmark/wflw-test-nme-ioc.html").read_text(encoding="utf-8")
    groups = re.split("<tbody", text)[1:]
    tiers = [set(re.findall(r'data-tier="([^"]*)"', group)) for group in groups]
    assert tiers[:-1] == [{"own run", "rescored"}, {"own run"}] or {"own run"} in tiers[:-1]
    assert tiers[-1] <= {"claimed", "reproduced"}
    assert len(re.findall("data-ranked", groups[-1])) == len(placed(read(), WFLW))


def test_an_area_stands_in_the_column_of_its_variant():
    groups = literature.groups(read())
    group, task, _ = groups["aflw19", "test", "aflw19/test/full/nme-box"]
    assert task == "landmarks"
    keys = {key for entry in group.entries for key in entry.scores}
    assert f"{AUC}-simpson" in keys
    assert AUC not in keys


def test_a_model_that_is_only_published_has_a_page_without_intervals(site):
    (page,) = [Page(file) for file in (site / "model").glob("orformer-*.html")]
    assert "read first-hand in github:ben0919/ORFormer" in page.text
    (data,) = (site / "data").glob("orformer-*.js")
    model = json.loads(data.read_text(encoding="ascii").removeprefix("facebenchModel(").removesuffix(");\n"))
    assert {low for entry in model["entries"] for _, _, low, *_ in entry["scores"]} == {None}


def test_progress_is_the_best_so_far():
    made = plots.progress([(2018, 5.0, "a"), (2019, 6.0, "b"), (2020, 4.0, "c"), (2020, 3.0, "d")], lower=True)
    assert made is not None
    assert [(dot.label.split(",")[0], dot.leading) for dot in made.dots] == [
        ("a", True), ("b", False), ("d", True), ("c", False),
    ]  # fmt: skip
    assert [tick.label for tick in made.years] == ["2018", "2019", "2020"]
    heights = {dot.label[0]: dot.y for dot in made.dots}
    assert heights["b"] < heights["a"] < heights["c"] < heights["d"], "larger values stand higher"
    assert made.best == f"M16.67 {heights['a']:g}H83.33V{heights['d']:g}H100"


def test_progress_needs_two_years():
    assert plots.progress([(2018, 5.0, "a"), (2018, 4.0, "b")], lower=True) is None
