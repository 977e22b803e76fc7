"""AFLW-19 from `AFLWinfo_release.mat`."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facebench.datasets.aflw19 import DATASET
from facebench.datasets.held_out import is_held_out
from facebench.errors import DataError
from facebench.types import Landmarks
from tests.datasets.trees import points, write_aflw


def content(n: int = 6, train_count: int | None = 4) -> dict[str, Any]:
    """Variables of n faces; face i begins at (10 i, 20), its box is (i, i + 0.5) - (i + 100, i + 200.5)."""
    faces = [points(19, x=10.0 * i) for i in range(n)]
    names = np.empty((n, 1), dtype=object)
    names[:, 0] = [f"{i % 2}/image{i // 2:05d}.jpg" for i in range(n)]
    mask = np.ones((n, 19), dtype=np.uint8)
    mask[0, 3] = 0
    variables: dict[str, Any] = {
        "bbox": np.array([[i, i + 100, i + 0.5, i + 200.5] for i in range(n)]),
        "data": np.array([np.concatenate([f[:, 0], f[:, 1]]) for f in faces]),
        "mask_new": mask,
        "nameList": names,
        "ra": np.arange(n, 0, -1)[None],  # 1-based, last face first
    }
    return variables | ({} if train_count is None else {"train_count": train_count})


def test_every_field(tmp_path: Path) -> None:
    write_aflw(tmp_path / "AFLW", content())
    samples = DATASET.samples(tmp_path, "full")
    # ra = 6 5 4 3 | 2 1, so test holds rows 1 and 0.
    assert [s.id for s in samples] == ["1/image00000.jpg#1", "0/image00000.jpg#0"]
    first, second = samples
    assert isinstance(first.target, Landmarks)
    assert isinstance(second.target, Landmarks)
    assert np.array_equal(first.target.points, points(19, x=10.0))
    # left, right, top, bottom = 1, 101, 1.5, 201.5
    assert first.box == (1.0, 1.5, 101.0, 201.5)
    assert (first.subsets, second.subsets) == ({"frontal"}, frozenset())
    assert first.target.visible is not None
    assert first.target.visible.all()
    assert second.target.visible is not None
    assert np.flatnonzero(~second.target.visible).tolist() == [3]
    assert [s.id for s in DATASET.samples(tmp_path, "frontal")] == ["1/image00000.jpg#1"]


@pytest.mark.parametrize("folder", ["flickr", "data/flickr", "images", "."])
def test_picture_folder(tmp_path: Path, folder: str) -> None:
    write_aflw(tmp_path, content())
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    assert DATASET.samples(tmp_path, "test")[0].image == tmp_path / folder / "1/image00000.jpg"


def test_train_and_val(tmp_path: Path) -> None:
    write_aflw(tmp_path, content(120, train_count=100))
    train, val, both = (DATASET.samples(tmp_path, s) for s in ("train", "val", "trainval"))
    assert len(train) + len(val) == len(both) == 100
    assert val
    assert all(is_held_out(s.cluster) for s in val)
    assert not {s.cluster for s in val} & {s.cluster for s in train}


def test_official_cut(tmp_path: Path) -> None:
    n = 20_004
    variables = content(2, train_count=None) | {
        "bbox": np.tile([0.0, 10, 0, 10], (n, 1)),
        "data": np.zeros((n, 38)),
        "mask_new": np.ones((n, 19)),
        "ra": np.arange(1, n + 1)[None],
    }
    names = np.empty((n, 1), dtype=object)
    names[:, 0] = "0/a.jpg"
    write_aflw(tmp_path, variables | {"nameList": names})
    assert [s.id for s in DATASET.samples(tmp_path, "test")] == [f"0/a.jpg#{i}" for i in range(20_000, n)]
    assert len(DATASET.samples(tmp_path, "trainval")) == 20_000


@pytest.mark.parametrize("name", ["bbox", "data", "mask_new", "nameList", "ra"])
def test_missing_variable(tmp_path: Path, name: str) -> None:
    variables = content()
    del variables[name]
    write_aflw(tmp_path, variables)
    with pytest.raises(DataError, match=f"no variable {name}"):
        DATASET.samples(tmp_path, "test")


def nan_point(v: dict[str, Any]) -> None:
    v["data"][1, 5] = np.nan


def wrong_width(v: dict[str, Any]) -> None:
    v["data"] = v["data"][:, :-1]


def short_boxes(v: dict[str, Any]) -> None:
    v["bbox"] = v["bbox"][:-1]


def doubled_row(v: dict[str, Any]) -> None:
    v["ra"][0, 0] = 1


def hostile_name(v: dict[str, Any]) -> None:
    v["nameList"][2, 0] = "../../secret.jpg"


def number_for_name(v: dict[str, Any]) -> None:
    v["nameList"][2, 0] = 7.0


def text_boxes(v: dict[str, Any]) -> None:
    v["bbox"] = np.array(["left", "righ"])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (nan_point, r"data: the number at \(1, 5\) is not finite"),
        (wrong_width, "data is float64 6 x 37, expected numbers N x 38"),
        (short_boxes, "bbox is float64 5 x 4, expected numbers 6 x 4"),
        (doubled_row, r"ra is not a permutation of 1\.\.6"),
        (hostile_name, r"nameList\[2\]: image path '../../secret.jpg'"),
        (number_for_name, r"nameList\[2\] is"),
        (text_boxes, "bbox is"),
    ],
)
def test_damage_is_named(tmp_path: Path, damage: Any, said: str) -> None:
    variables = content()
    damage(variables)
    write_aflw(tmp_path, variables)
    with pytest.raises(DataError, match=said):
        DATASET.samples(tmp_path, "test")


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("trap-was-sprung"),))


@pytest.mark.parametrize("junk", [b"", b"not a mat file", pickle.dumps(Trap()), b"MATLAB 5.0 MAT-file" + b"\0" * 200])
def test_not_a_mat_file(tmp_path: Path, junk: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "AFLWinfo_release.mat").write_bytes(junk)
    with pytest.raises(DataError, match=r"AFLWinfo_release\.mat"):
        DATASET.samples(tmp_path, "test")
    assert not (tmp_path / "trap-was-sprung").exists()


def test_cut_short(tmp_path: Path) -> None:
    file = write_aflw(tmp_path, content())
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"not a Matlab file that can be read|no variable"):
        DATASET.samples(tmp_path, "test")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no AFLWinfo_release\.mat"):
        DATASET.samples(tmp_path, "test")


def test_official_numbers() -> None:
    assert (DATASET.sizes["test"], DATASET.sizes["trainval"]) == (4386, 20000)
    assert DATASET.subset_sizes == {"frontal": 1314}
    assert DATASET.headline == ("aflw19/test/full/nme-diag", "aflw19/test/frontal/nme-diag")
    assert (DATASET.box, DATASET.box_scale) == ("annotated", 1.0)
