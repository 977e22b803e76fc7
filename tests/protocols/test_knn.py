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
from facebench.protocols import knn, linear
from facebench.protocols.known import find_protocol
from facebench.protocols.probe import Setting
from facebench.record import parse_signature
from facebench.registry import Registry
from facebench.run import Request, plan, run
from facebench.types import Dataset, Landmarks, Sample
from tests.drawn_faces import write_300w, write_lapa, write_now

FRAMING = Framing("gt", 1.25, 64)


def _setting(dataset: Dataset, root: Path, framing: Framing) -> tuple[Setting, list[str]]:
    """Tokens that differ from sample to sample, and the names of the splits that were asked for."""
    asked: list[str] = []

    def shards(samples: Sequence[Sample], name: str) -> Iterator[Shard]:
        asked.append(name)
        draws = [np.random.default_rng(sum(sample.id.encode())).normal(size=(4, 7, 7)) for sample in samples]
        tokens = torch.from_numpy(np.stack(draws).astype(np.float32))
        yield Shard(samples, tokens, tokens.mean(dim=(2, 3)), {})

    train, val = (dataset.samples(root, split) for split in ("train", "val"))
    return Setting(dataset, train, val, framing, shards, "cpu"), asked


def test_it_is_known_and_its_floor_is_that_of_linear() -> None:
    assert find_protocol("knn") is knn
    assert knn.NAME == "knn.v1"
    assert knn.fit_floor is linear.fit_floor


def test_a_training_face_gets_its_own_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from facebench.heads import neighbours

    monkeypatch.setattr(neighbours, "NEIGHBOURS", (1,))
    write_300w(tmp_path, train=9, val=3, test=2)
    setting, asked = _setting(W300, tmp_path, FRAMING)
    probe = knn.fit(setting)
    assert set(asked) == {"train", "val"}, "nothing but these two may be looked at"
    (shard,) = setting.shards(setting.train, "train")
    for sample, make in zip(setting.train, probe.predict(shard), strict=True):
        assert isinstance(sample.target, Landmarks)
        np.testing.assert_allclose(make(), sample.target.points, atol=1e-9)  # type: ignore[arg-type]
    assert probe.chosen["neighbours"] == "1"


def test_maps_come_back_at_the_stored_size(tmp_path: Path) -> None:
    write_lapa(tmp_path, train=6, val=3, test=1)
    setting, asked = _setting(LAPA, tmp_path, Framing("whole", 1.0, 64))
    probe = knn.fit(setting)
    assert set(asked) == {"train", "val"}
    (shard,) = setting.shards(LAPA.samples(tmp_path, "test"), "test")
    (make,) = probe.predict(shard)
    found = make()
    assert isinstance(found, np.ndarray)
    assert (found.shape, found.dtype) == ((96, 96), np.uint8)
    assert probe.chosen["bank"] == str(6 * 49)


def test_a_task_without_a_head_is_named(tmp_path: Path) -> None:
    setting, _ = _setting(W300, write_300w(tmp_path, train=3, val=1, test=1), FRAMING)
    with pytest.raises(FacebenchError, match="the knn protocol has no head for identity"):
        knn.fit(replace(setting, dataset=replace(W300, task="identity")))  # type: ignore[arg-type]


def test_a_picture_that_cannot_be_looked_at_stops_it() -> None:
    sample = Sample("a", Path("a.png"), None, Landmarks(np.zeros((68, 2))))

    def shards(samples: Sequence[Sample], name: str) -> Iterator[Shard]:
        yield Shard(samples, torch.zeros(1, 2, 3, 3), torch.zeros(1, 2), {"b": f"cut off in {name}"})

    with pytest.raises(DataError, match="300w/train: b cannot be learnt from: cut off in train"):
        knn.fit(Setting(W300, [sample], [sample], FRAMING, shards, "cpu"))


@pytest.mark.parametrize("name", ["300w", "lapa", "now"])
def test_a_run_ranks_above_the_floor_and_repeats(tmp_path: Path, name: str) -> None:
    if name == "now":
        write_now(tmp_path, subjects=30, pictures=2, val=3)
    else:
        {"300w": write_300w, "lapa": write_lapa}[name](tmp_path, train=60, val=20, test=12)
    tables = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        request = Request(
            ("pixels",), (name,), tmp_path, folder / "runs", protocols=("knn",), device="cpu", cache=folder / "cache"
        )
        floor, pixels = run(plan(replace(request, input_size=64), Registry()))
        tables.append(sorted(path.read_bytes() for path in folder.rglob("samples.parquet")))
    assert tables[0] == tables[1] != []
    assert parse_signature(pixels.signature)["probe"] == pixels.protocol == "knn.v1"
    assert {"neighbours", "temperature"} <= set(pixels.settings)
    head, base = (next(s for s in result.scores if s.headline) for result in (pixels, floor))
    assert head.value is not None
    assert base.value is not None
    assert head.value < base.value if head.direction == "lower" else head.value > base.value
