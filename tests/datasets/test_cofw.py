"""COFW from its Matlab 7.3 files, pictures included."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from facebench.datasets.cofw import DATASET, read_cofw_image
from facebench.datasets.held_out import is_held_out
from facebench.errors import DataError
from facebench.shapes import FloatArray
from facebench.types import Landmarks
from tests.datasets.trees import points, write_cofw


def phis(n: int) -> FloatArray:
    """(n, 87): face i begins at (10 i, 20); point i of face i is occluded."""
    rows = []
    for i in range(n):
        face = points(29, x=10.0 * i)
        rows.append(np.concatenate([face[:, 0], face[:, 1], np.arange(29) == i % 29]))
    return np.array(rows)


def boxes(n: int) -> FloatArray:
    return np.array([[i, 2 * i, 50, 60] for i in range(n)], dtype=float)


def pictures(n: int) -> list[np.ndarray]:
    """Every second one grey; pixel (row 1, column 2) of colour picture i is (i, 100, 200)."""
    out: list[np.ndarray] = []
    for i in range(n):
        picture = np.zeros((4 + i, 7, 3), dtype=np.uint8)
        picture[1, 2] = (i, 100, 200)
        out.append(picture if i % 2 == 0 else picture[:, :, 1])
    return out


def test_every_field(tmp_path: Path) -> None:
    file = write_cofw(tmp_path / "COFW", "test", phis(3), boxes(3), pictures(3))
    samples = DATASET.samples(tmp_path, "test")
    assert [s.id for s in samples] == ["test/0", "test/1", "test/2"]
    assert [str(s.image) for s in samples] == [f"{file}#{i}" for i in range(3)]
    assert samples[2].box == (2.0, 4.0, 52.0, 64.0)  # [x y w h] = [2 4 50 60]
    target = samples[2].target
    assert isinstance(target, Landmarks)
    assert np.array_equal(target.points, points(29, x=20.0))
    assert target.visible is not None
    assert np.flatnonzero(~target.visible).tolist() == [2]


def test_pictures(tmp_path: Path) -> None:
    file = write_cofw(tmp_path, "train", phis(3), boxes(3), pictures(3))
    colour, grey = read_cofw_image(file, 2), read_cofw_image(file, 1)
    assert (colour.shape, colour.dtype, grey.shape) == ((6, 7, 3), np.uint8, (5, 7, 3))
    assert colour[1, 2].tolist() == [2, 100, 200]
    assert grey[1, 2].tolist() == [100, 100, 100]
    assert np.count_nonzero(colour) == np.count_nonzero(grey) == 3
    assert colour.flags.c_contiguous


def test_train_and_val(tmp_path: Path) -> None:
    write_cofw(tmp_path, "train", phis(60), boxes(60), pictures(60))
    train, val, both = (DATASET.samples(tmp_path, s) for s in ("train", "val", "trainval"))
    assert len(train) + len(val) == len(both) == 60
    assert [s.id for s in val] == [f"train/{i}" for i in range(60) if is_held_out(str(i))]


def test_unpacked_as_zipped(tmp_path: Path) -> None:
    write_cofw(tmp_path / "COFW_color", "test", phis(1), boxes(1), pictures(1))
    assert len(DATASET.samples(tmp_path, "test")) == 1


@pytest.mark.parametrize("index", [3, -1])
def test_no_such_picture(tmp_path: Path, index: int) -> None:
    file = write_cofw(tmp_path, "test", phis(3), boxes(3), pictures(3))
    with pytest.raises(DataError, match=r"holds 3 pictures, 0\.\.2"):
        read_cofw_image(file, index)


def test_missing_variable(tmp_path: Path) -> None:
    file = write_cofw(tmp_path, "test", phis(2), boxes(2), pictures(2))
    with h5py.File(file, "a") as out:
        del out["phisT"]
    with pytest.raises(DataError, match="no variable phisT"):
        DATASET.samples(tmp_path, "test")


@pytest.mark.parametrize(
    ("faces", "rects", "images", "said"),
    [
        (phis(3)[:, :-1], boxes(3), 3, "phisT is float64 3 x 86, expected numbers N x 87"),
        (phis(3), boxes(2), 3, "bboxesT is float64 2 x 4, expected numbers 3 x 4"),
        (phis(3), boxes(3), 2, "2 pictures but 3 annotated faces"),
        (np.where(phis(3) == 20.0, np.nan, phis(3)), boxes(3), 3, "is not finite"),
    ],
)
def test_damage_is_named(tmp_path: Path, faces: FloatArray, rects: FloatArray, images: int, said: str) -> None:
    write_cofw(tmp_path, "test", faces, rects, pictures(images))
    with pytest.raises(DataError, match=said):
        DATASET.samples(tmp_path, "test")


def test_links_out_of_the_file_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as out:
        out["secret"] = phis(2).T
    file = write_cofw(tmp_path, "test", phis(2), boxes(2), pictures(2))
    with h5py.File(file, "a") as out:
        del out["phisT"]
        out["phisT"] = h5py.ExternalLink(str(other), "/secret")
    with pytest.raises(DataError, match="no variable phisT"):
        DATASET.samples(tmp_path, "test")


def test_picture_bomb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    file = write_cofw(tmp_path, "test", phis(1), boxes(1), pictures(1))
    with h5py.File(file, "a") as out:
        # 300 GB on paper, nothing on disk: chunks that were never written read as zeros.
        bomb = out.create_dataset("#refs#/bomb", (3, 100_000, 1_000_000), dtype=np.uint8, chunks=(1, 1000, 1000))
        out["IsT"][0, 0] = bomb.ref
    with pytest.raises(DataError, match="numbers; more than"):
        read_cofw_image(file, 0)


@pytest.mark.parametrize("picture", [np.zeros((2, 3, 4), dtype=np.uint8), np.zeros((3, 4)), np.zeros(5, np.uint8)])
def test_not_a_picture(tmp_path: Path, picture: np.ndarray) -> None:
    file = write_cofw(tmp_path, "test", phis(1), boxes(1), [picture])
    with pytest.raises(DataError, match="#0: not a picture but"):
        read_cofw_image(file, 0)


def test_numbers_where_pictures_should_be(tmp_path: Path) -> None:
    file = write_cofw(tmp_path, "test", phis(2), boxes(2), pictures(2))
    with h5py.File(file, "a") as out:
        del out["IsT"]
        out["IsT"] = np.zeros((1, 2))
    with pytest.raises(DataError, match="IsT does not lead to a picture"):
        read_cofw_image(file, 0)


def test_damaged_files(tmp_path: Path) -> None:
    (tmp_path / "COFW_test_color.mat").write_bytes(b"MATLAB 7.3 MAT-file" + b"\0" * 600)
    with pytest.raises(DataError, match=r"is not a whole Matlab 7\.3 file"):
        DATASET.samples(tmp_path, "test")
    file = write_cofw(tmp_path, "train", phis(20), boxes(20), pictures(20))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(DataError, match=r"is not a whole Matlab 7\.3 file"):
        DATASET.samples(tmp_path, "trainval")
    with pytest.raises(DataError, match="does not exist"):
        read_cofw_image(tmp_path / "none.mat", 0)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no COFW_test_color\.mat"):
        DATASET.samples(tmp_path, "test")


def test_official_numbers() -> None:
    assert (DATASET.sizes["test"], DATASET.sizes["trainval"]) == (507, 1345)
    assert DATASET.headline == ("cofw/test/all/nme-ioc", "cofw/test/all/nme-ipupil")
