from __future__ import annotations

from pathlib import Path

import pytest

from facebench.datasets.now import DATASET as NOW
from facebench.datasets.w300 import DATASET as W300
from facebench.errors import DataError
from facebench.protocols.splits import read_splits
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
