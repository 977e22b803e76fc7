from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from facebench.errors import DataError
from facebench.evaluators.landmarks import EVALUATOR
from facebench.registry import Registry
from facebench.schemes import AFLW19, IBUG68
from facebench.types import Dataset, Evaluator, Landmarks, Sample


def dataset(**changes) -> Dataset:
    fields = {
        "name": "faces",
        "title": "Faces",
        "task": "landmarks",
        "folder": "Faces",
        "layout": (),
        "licence": "none",
        "citation": "none",
        "load": lambda _folder, _split: (),
        "sizes": {"test": None},
        "scheme": IBUG68,
        "normalisers": ("ioc", "ipupil", "lmkbox"),
        "thresholds": {"ioc": (8, 10)},
        "headline": ("faces/test/all/nme-ioc",),
    }
    return Dataset(**(fields | changes))


def sample(target: Landmarks, box=None) -> Sample:
    return Sample(id="a/face 1", image=Path("a.png"), box=box, target=target)


TRUTH = np.random.default_rng(0).uniform(0, 200, (68, 2))


def test_it_is_the_registered_landmark_evaluator():
    assert isinstance(EVALUATOR, Evaluator)
    assert Registry().get("evaluators", "landmarks") is EVALUATOR


def test_the_headline_comes_first_and_every_metric_can_be_reduced():
    row = EVALUATOR.measure(dataset(), sample(Landmarks(TRUTH)), TRUTH + 1, {})
    metrics = EVALUATOR.metrics(dataset())
    assert metrics[0].name == "nme-ioc"
    columns = {name: np.array([value]) for name, value in row.items()}
    values = {m.name: m.value(columns) for m in metrics}
    assert None not in values.values()
    assert values["nme-ioc"] == pytest.approx(100 * np.sqrt(2) / np.hypot(*(TRUTH[36] - TRUTH[45])))


def test_visible_points_are_scored_where_the_headline_asks():
    asked = dataset(headline=("faces/test/all/nme-ioc", "faces/test/all/nme-ioc-visible"))
    assert "nme-ioc-visible" in [m.name for m in EVALUATOR.metrics(asked)]
    assert "nme-ioc-visible" not in [m.name for m in EVALUATOR.metrics(dataset())]
    target = Landmarks(TRUTH, visible=np.arange(68) > 0)
    moved = TRUTH + (np.arange(68) == 0)[:, None] * 9.0
    row = EVALUATOR.measure(asked, sample(target), moved, {})
    assert row["error-ioc-visible"] == 0 < row["error-ioc"]
    assert set(row) == {"error-ioc", "error-ipupil", "error-lmkbox", "error-ioc-visible", "points"}


def test_the_annotated_box_is_the_samples():
    points = np.random.default_rng(1).uniform(0, 100, (19, 2))
    boxed = dataset(scheme=AFLW19, normalisers=("diag", "box"), thresholds={"box": (7,)}, headline=())
    box = (0.0, 0.0, 30.0, 40.0)
    row = dict(EVALUATOR.measure(boxed, sample(Landmarks(points), box), points + np.array([3.0, 4.0]), {}))
    assert row.pop("points") == pytest.approx(np.full(19, 5 / 50))
    assert row == pytest.approx({"error-diag": 5 / 50, "error-box": 5 / np.sqrt(1200)})


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        (TRUTH[:-1], r"sample a/face 1: prediction has shape \(67, 2\)"),
        (np.where(np.arange(68)[:, None] == 3, np.nan, TRUTH), "sample a/face 1: prediction has 1 points .* point 3"),
    ],
)
def test_a_prediction_that_cannot_be_scored_names_the_sample(prediction, message):
    with pytest.raises(DataError, match=message):
        EVALUATOR.measure(dataset(), sample(Landmarks(TRUTH)), prediction, {})


def test_a_degenerate_annotation_names_the_sample():
    with pytest.raises(DataError, match="sample a/face 1: normaliser ioc"):
        EVALUATOR.measure(dataset(), sample(Landmarks(np.ones((68, 2)))), TRUTH, {})


def test_settings_change_nothing():
    settings: Mapping[str, str] = {"mode": "reference"}
    one = EVALUATOR.measure(dataset(), sample(Landmarks(TRUTH)), TRUTH + 1, settings)
    two = EVALUATOR.measure(dataset(), sample(Landmarks(TRUTH)), TRUTH + 1, {})
    assert one.keys() == two.keys()
    assert all(np.array_equal(one[name], two[name]) for name in one)
