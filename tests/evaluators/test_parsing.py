from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facebench.errors import DataError
from facebench.evaluators.parsing import EVALUATOR
from facebench.registry import Registry
from facebench.schemes import LAPA11
from facebench.types import Dataset, Evaluator, LabelMap, Sample

LABELS = (np.arange(44).reshape(4, 11) % 11).astype(np.uint8)

DATASET = Dataset(
    name="faces",
    title="Faces",
    task="parsing",
    folder="Faces",
    layout=(),
    licence="none",
    citation="none",
    load=lambda _folder, _split: (),
    sizes={"test": None},
    scheme=LAPA11,
    headline=("faces/test/mean-fg10/f1",),
    box="whole",
)


def sample(labels=LABELS) -> Sample:
    target = LabelMap(files=(Path("1.png"),), read=lambda: labels)
    return Sample(id="1", image=Path("1.jpg"), box=None, target=target)


def test_it_is_the_registered_parsing_evaluator():
    assert isinstance(EVALUATOR, Evaluator)
    assert Registry().get("evaluators", "parsing") is EVALUATOR


def test_the_headline_comes_first_and_every_metric_can_be_reduced():
    row = EVALUATOR.measure(DATASET, sample(), np.where(LABELS == 3, 2, LABELS), {})
    columns = {name: np.stack([value]) for name, value in row.items()}
    metrics = EVALUATOR.metrics(DATASET)
    assert f"faces/test/{metrics[0].slice}/{metrics[0].name}" == DATASET.headline[0]
    values = {(m.slice, m.name): m.value(columns) for m in metrics}
    # l-brow 4 hits, truth 4, predicted 8: 2/3; r-brow 0; the other eight 1.
    assert values["l-brow", "f1"] == pytest.approx(200 / 3)
    assert values["mean-fg10", "f1"] == pytest.approx((800 + 200 / 3) / 10)
    assert values["brows", "f1"] == 100.0
    assert None not in values.values()


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        (LABELS[:, :-1], "sample 1: prediction is 4 x 10, the label map 4 x 11"),
        (np.where(LABELS == 10, 255, LABELS), "sample 1: prediction holds class 255"),
        (LABELS / 1.0, "sample 1: prediction holds float64"),
    ],
)
def test_a_prediction_that_cannot_be_scored_names_the_sample(prediction, message):
    with pytest.raises(DataError, match=message):
        EVALUATOR.measure(DATASET, sample(), prediction, {})


def test_a_damaged_label_map_names_the_sample():
    with pytest.raises(DataError, match="sample 1: label map holds class 11"):
        EVALUATOR.measure(DATASET, sample(LABELS + np.uint8(1)), LABELS, {})
