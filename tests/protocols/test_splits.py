from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from facebench.datasets.now import DATASET as NOW
from facebench.datasets.w300 import DATASET as W300
from facebench.errors import DataError, UsageError
from facebench.protocols.splits import Splits, read_splits
from facebench.types import Landmarks, Sample
from tests.drawn_faces import write_300w, write_now


def test_official_splits_are_taken_as_they_are(tmp_path: Path) -> None:
    write_300w(tmp_path, train=6, val=3, test=4)
    splits = read_splits(W300, tmp_path, split=None, limit=None)
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [6, 3, 4]
    assert splits.name == "test"
    assert len(read_splits(W300, tmp_path, split="challenge", limit=None).test) == 2


def test_a_published_val_chooses_nothing(tmp_path: Path) -> None:
    write_now(tmp_path, subjects=20, pictures=2, val=3)
    splits = read_splits(NOW, tmp_path, split=None, limit=None)
    train, val, test = ({s.cluster for s in part} for part in (splits.train, splits.val, splits.test))
    assert (len(train), len(val), len(test)) == (18, 2, 3)
    assert not train & val
    assert not (train | val) & test
    assert splits.name == "val"
    # The same subjects, whatever else is in the folder: the choice hangs on the names.
    again = read_splits(NOW, tmp_path, split="val", limit=None)
    assert {s.cluster for s in again.val} == val


def test_the_limit_takes_the_first_of_each_split(tmp_path: Path) -> None:
    write_300w(tmp_path, train=6, val=3, test=4)
    whole = read_splits(W300, tmp_path, split=None, limit=None)
    few = read_splits(W300, tmp_path, split=None, limit=2)
    assert [s.id for s in few.test] == [s.id for s in whole.test[:2]]
    assert [len(part) for part in (few.train, few.val, few.test)] == [2, 2, 2]
    assert few.fitted_on != whole.fitted_on


def test_too_few_are_refused(tmp_path: Path) -> None:
    write_300w(tmp_path / "a", train=1, val=1, test=1)
    with pytest.raises(DataError, match="at least two"):
        read_splits(W300, tmp_path / "a", split=None, limit=None)
    write_now(tmp_path / "b", subjects=1, pictures=2, val=1)
    with pytest.raises(DataError, match="one subject alone"):
        read_splits(NOW, tmp_path / "b", split=None, limit=None)
    write_now(tmp_path / "c", subjects=2, pictures=2, val=1)
    with pytest.raises(DataError, match="at least two"):  # one is held out, one is left
        read_splits(NOW, tmp_path / "c", split=None, limit=None)


def _faces(count: int, pictures: int = 1) -> tuple[Sample, ...]:
    target = Landmarks(np.zeros((1, 2)))
    return tuple(
        Sample(f"{i}/{j}", Path("x.png"), None, target, cluster=f"person{i}")
        for i in range(count)
        for j in range(pictures)
    )


def test_subsets_of_labels_are_nested_and_keep_subjects_whole() -> None:
    splits = Splits(_faces(40, pictures=3), _faces(2), _faces(2), "test")
    parts = {percent: splits.with_labels(percent).train for percent in (5.0, 10.0, 50.0, 100.0)}
    for small, large in pairwise(parts.values()):
        assert {s.id for s in small} < {s.id for s in large}
    assert len(parts[10.0]) == 12
    assert {len([s for s in parts[10.0] if s.cluster == c]) for c in {s.cluster for s in parts[10.0]}} == {3}
    assert splits.with_labels(10.0).val == splits.val
    backwards = Splits(splits.train[::-1], splits.val, splits.test, "test").with_labels(10.0)
    assert {s.id for s in backwards.train} == {s.id for s in parts[10.0]}, "the order of the files does not matter"
    assert {s.id for s in splits.with_labels(10.0, subset=1).train} != {s.id for s in parts[10.0]}
    assert splits.with_labels(10.0).fitted_on != splits.fitted_on


def test_too_few_labels_say_how_many_are_needed() -> None:
    splits = Splits(_faces(50), _faces(2), _faces(2), "test")
    with pytest.raises(UsageError, match=r"1 % of 50 training pictures .* two need at least 4 %"):
        splits.with_labels(1.0)
    assert len(splits.with_labels(4.0).train) == 2
