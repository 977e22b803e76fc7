from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from facebench.datasets.lapa import DATASET as LAPA
from facebench.datasets.w300 import DATASET as W300
from facebench.errors import DataError, FacebenchError
from facebench.features import Shard
from facebench.framing import Framing
from facebench.protocols import linear
from facebench.protocols.probe import Setting
from facebench.types import Landmarks, Sample
from tests.drawn_faces import write_300w, write_lapa

FRAMING = Framing("gt", 1.25, 64)


def test_the_floor_is_the_mean_shape_wherever_the_face_is(tmp_path: Path) -> None:
    write_300w(tmp_path, train=9, val=2, test=2)
    train = W300.samples(tmp_path, "train")
    floor = linear.fit_floor(W300, train, [], FRAMING)
    units = [FRAMING.crop(s).to_crop(s.target.points) for s in train]  # type: ignore[union-attr]
    sample = W300.samples(tmp_path, "test")[0]
    expected = FRAMING.crop(sample).to_image(np.mean(units, axis=0))
    np.testing.assert_allclose(floor.predict(sample), expected, atol=1e-9)  # type: ignore[arg-type]
    larger = linear.fit_floor(W300, train, [], replace(FRAMING, size=200))
    np.testing.assert_allclose(larger.predict(sample), expected, atol=1e-9)  # type: ignore[arg-type]


def test_the_parsing_floor_has_the_stored_size(tmp_path: Path) -> None:
    write_lapa(tmp_path, train=6, val=3, test=1)
    train, val = (LAPA.samples(tmp_path, split) for split in ("train", "val"))
    found = linear.fit_floor(LAPA, train, val, Framing("whole", 1.0, 128)).predict(LAPA.samples(tmp_path, "test")[0])
    assert isinstance(found, np.ndarray)
    assert found.shape == (96, 96)
    assert {0, 1, 10} <= set(np.unique(found))


def test_a_picture_that_cannot_be_learnt_from_stops_the_fit() -> None:
    sample = Sample("a", Path("a.png"), None, Landmarks(np.zeros((68, 2))))

    def shards(samples: Sequence[Sample], name: str) -> Iterator[Shard]:
        yield Shard(samples, torch.zeros(1, 2, 3, 3), torch.zeros(1, 2), {"b": f"cut off in {name}"})

    with pytest.raises(DataError, match="300w/train: b cannot be learnt from: cut off in train"):
        linear.fit(Setting(W300, [sample], [sample], FRAMING, shards, "cpu"))


def test_a_task_without_a_head_is_named() -> None:
    other = replace(W300, task="identity")  # type: ignore[arg-type]
    with pytest.raises(FacebenchError, match="no head for identity"):
        linear.fit_floor(other, [], [], FRAMING)
