"""Forms of other sites: read by their own reader where there is one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from leaderboard.load import Loaded
from leaderboard.render import render
from leaderboard.ties import placed_tables
from tests.leaderboard.records import floor, incomplete, record, score

HOSTILE = "x: [1, 2]\n- {a: b}\x1b[31m"


def rendered(form):
    auc = score("wflw/test/all/auc10-ioc", 0.61, unit="fraction", direction="higher", interval=None)
    made = [
        record("vit", score(value=4.0), auc), record("resnet", score(value=5.0)), record(HOSTILE, score(value=6.0)),
        floor(9.0), incomplete("half", 1.0), record("vit", score(value=4.5), fields={"box": "detector*1.25"}),
    ]  # fmt: skip
    return render(placed_tables([Loaded(result, Path("result.json")) for result in made]), form)


def test_the_hub_reads_our_model_index():
    repocard = pytest.importorskip("huggingface_hub.repocard_data", reason="huggingface-hub comes with facebench[run]")
    index = yaml.safe_load(rendered("model-index"))["model-index"]
    names = [model["name"] for model in index]
    assert names[:2] == ["vit", "resnet"]
    assert not {"floor", "half"} & set(names)
    name, results = repocard.model_index_to_eval_results(index[:1])
    assert name == "vit"
    first = next(r for r in results if "box:gt*1.25" in r.dataset_config)
    assert (first.task_type, first.dataset_type, first.dataset_split) == ("keypoint-detection", "wflw", "test")
    assert (first.metric_type, first.metric_value, first.metric_name) == ("nme-ioc", 4.0, "all nme-ioc (%)")
    assert first.metric_args["interval"] == [4.0 * 0.97, 4.0 * 1.03]
    assert {(r.metric_type, r.metric_value) for r in results} == {
        ("nme-ioc", 4.0),
        ("auc10-ioc", 0.61),
        ("nme-ioc", 4.5),
    }
    assert len({r.dataset_config for r in results}) == 2, "two ways of measuring are two results"


def test_a_hostile_name_is_a_text_in_yaml():
    names = [model["name"] for model in yaml.safe_load(rendered("model-index"))["model-index"]]
    assert len(names) == 3
    assert "\x1b" not in "".join(names)


def test_evaluation_tables_hold_ranked_rows_best_first():
    (task,) = json.loads(rendered("pwc"))
    assert task["task"] == "Facial Landmark Detection"
    tables = {table["description"].split("|")[0]: table for table in task["datasets"]}
    table = tables["box:gt*1.25"]
    assert table["dataset"] == "wflw test"
    assert table["sota"]["metrics"] == ["all nme-ioc (%)", "all auc10-ioc (fraction)"]
    assert [row["model_name"] for row in table["sota"]["rows"]][:2] == ["vit", "resnet"]
    assert len(table["sota"]["rows"]) == 3
    best = table["sota"]["rows"][0]["metrics"]
    assert best == {"all nme-ioc (%)": "4.00", "all auc10-ioc (fraction)": "0.6100"}
