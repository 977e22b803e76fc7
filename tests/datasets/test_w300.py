"""300W from `.pts` folders and from HRNet's csv."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facebench.datasets.held_out import is_held_out
from facebench.datasets.w300 import DATASET
from facebench.errors import DataError
from facebench.types import Landmarks, revision
from tests.datasets.trees import points, write_hrnet_csv, write_pts

FACES = {
    "helen/testset/296814969_3": points(68),
    "lfpw/testset/image_0208": points(68, x=30.0),
    "ibug/image_092 _01": points(68, x=50.0),
    "01_Indoor/indoor_001": points(68, x=446.0, y=91.0),
    "02_Outdoor/outdoor_001": points(68, x=70.0),
}


def pts_tree(root: Path, wrap: str = "") -> Path:
    for name, face in FACES.items():
        write_pts(root / wrap / f"{name}.pts", face)
    return root


@pytest.mark.parametrize("wrap", ["", "300w", "300W", "images"])
def test_points_move_by_one(tmp_path: Path, wrap: str) -> None:
    root = pts_tree(tmp_path, wrap)
    samples = DATASET.samples(root, "test")
    assert [s.id for s in samples] == ["helen/testset/296814969_3", "lfpw/testset/image_0208", "ibug/image_092_01"]
    first = samples[0].target
    assert isinstance(first, Landmarks)
    # points(68) begins at (10, 20) and steps by (0.25, 0.5); 1-based (10, 20) is 0-based (9, 19).
    assert first.points[0].tolist() == [9.0, 19.0]
    assert first.points[4].tolist() == [10.0, 21.0]
    assert samples[0].box is None
    (indoor,) = DATASET.samples(root, "indoor")
    assert isinstance(indoor.target, Landmarks)
    assert indoor.target.points[0].tolist() == [445.0, 90.0]


def test_subsets_and_aliases(tmp_path: Path) -> None:
    root = pts_tree(tmp_path)
    assert [s.id for s in DATASET.samples(root, "full")] == [s.id for s in DATASET.samples(root, "test")]
    assert len(DATASET.samples(root, "common")) == 2
    assert [s.id for s in DATASET.samples(root, "challenging")] == ["ibug/image_092_01"]
    assert DATASET.samples(root, "challenge")[0].subsets == {"challenge"}
    assert len(DATASET.samples(root, "private")) == 2
    assert [s.id for s in DATASET.samples(root, "outdoor")] == ["02_Outdoor/outdoor_001"]
    assert DATASET.select("indoor") == ("private", "indoor")


def test_pictures(tmp_path: Path) -> None:
    root = pts_tree(tmp_path)
    (root / "helen/testset/296814969_3.PNG").touch()
    (root / "ibug/image_092 _01.jpg").touch()
    images = [s.image.relative_to(root).as_posix() for s in DATASET.samples(root, "test")]
    # There with another suffix; not there: LFPW is PNG; there with a space in its name.
    assert images == ["helen/testset/296814969_3.PNG", "lfpw/testset/image_0208.png", "ibug/image_092 _01.jpg"]


def test_private_below_its_test_folder(tmp_path: Path) -> None:
    write_pts(tmp_path / "300W" / "Test" / "01_Indoor" / "indoor_001.pts", FACES["01_Indoor/indoor_001"])
    assert [s.id for s in DATASET.samples(tmp_path, "private")] == ["01_Indoor/indoor_001"]


def test_train_and_val(tmp_path: Path) -> None:
    names = [f"{folder}/{i}" for folder in ("afw", "helen/trainset", "lfpw/trainset") for i in range(20)]
    for name in names:
        write_pts(tmp_path / f"{name}.pts", points(68))
        write_pts(tmp_path / f"{name}_mirror.pts", points(68))
    train, val, both = (DATASET.samples(tmp_path, s) for s in ("train", "val", "trainval"))
    assert {s.id for s in both} == set(names)
    assert {s.id for s in val} == {name for name in names if is_held_out(name)}
    assert len(train) + len(val) == len(both) == 60


@pytest.mark.parametrize("original", [False, True])
def test_csv_gives_the_same_revision_as_pts(tmp_path: Path, original: bool) -> None:
    # Floating noise as in the real tables: 460.55199999999996 for 460.552.
    faces = [(name.replace(" _", "_") + ".jpg", face + 1e-13) for name, face in FACES.items()]
    by_name = dict(faces)
    private = [(f"Test/{name}", face) for name, face in faces if name.startswith("0")]
    test = [(name, face) for name, face in by_name.items() if not name.startswith("0")]
    write_hrnet_csv(tmp_path / "csv" / "face_landmarks_300w_valid.csv", test, original=original)
    write_hrnet_csv(tmp_path / "csv" / "face_landmarks_300w_test.csv", private, original=original)
    root = pts_tree(tmp_path / "pts")
    for split in ("test", "private"):
        from_csv, from_pts = (DATASET.samples(r, split) for r in (tmp_path / "csv", root))
        assert [s.id for s in from_csv] == [s.id for s in from_pts]
        assert revision(from_csv) == revision(from_pts)
        assert [s.subsets for s in from_csv] == [s.subsets for s in from_pts]


def test_halves_of_the_csv(tmp_path: Path) -> None:
    write_hrnet_csv(tmp_path / "face_landmarks_300w_valid_common.csv", [("helen/testset/a.jpg", points(68))])
    write_hrnet_csv(tmp_path / "face_landmarks_300w_valid_challenge.csv", [("ibug/b.jpg", points(68))])
    assert [s.id for s in DATASET.samples(tmp_path, "test")] == ["helen/testset/a", "ibug/b"]


def test_csv_finds_the_picture_with_a_space(tmp_path: Path) -> None:
    write_hrnet_csv(tmp_path / "face_landmarks_300w_valid.csv", [("ibug/image_092_01.jpg", points(68))])
    picture = tmp_path / "images" / "ibug" / "image_092 _01.jpg"
    picture.parent.mkdir(parents=True)
    picture.touch()
    (sample,) = DATASET.samples(tmp_path, "test")
    assert sample.image == picture


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("../ibug/image.jpg", "image path"),
        ("/ibug/image.jpg", "image path"),
        ("elsewhere/image.jpg", "lies in none of helen/testset, lfpw/testset, ibug"),
    ],
)
def test_hostile_csv(tmp_path: Path, image: str, said: str) -> None:
    file = write_hrnet_csv(tmp_path / "face_landmarks_300w_valid.csv", [(image, points(68))])
    with pytest.raises(DataError) as caught:
        DATASET.samples(tmp_path, "test")
    assert f"{file}:2: " in str(caught.value)
    assert said in str(caught.value)


def test_doubled_faces(tmp_path: Path) -> None:
    write_hrnet_csv(tmp_path / "face_landmarks_300w_valid.csv", [("ibug/a.jpg", points(68))] * 3)
    with pytest.raises(DataError, match=r"1 doubled id\(s\), first 'ibug/a'"):
        DATASET.samples(tmp_path, "test")


def test_wrong_point_count_and_nan(tmp_path: Path) -> None:
    file = write_pts(tmp_path / "ibug" / "a.pts", points(67))
    with pytest.raises(DataError, match="67 points, n_points says 67, expected 68"):
        DATASET.samples(tmp_path, "challenge")
    face = points(68)
    face[3, 1] = np.nan
    write_pts(file, face)
    with pytest.raises(DataError, match=r"a\.pts:7: number 2 is 'nan'"):
        DATASET.samples(tmp_path, "challenge")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \.pts files in afw, helen/trainset, lfpw/trainset"):
        DATASET.samples(tmp_path, "train")


def test_official_numbers() -> None:
    assert (DATASET.sizes["test"], DATASET.sizes["private"], DATASET.sizes["trainval"]) == (689, 600, 3148)
    assert DATASET.subset_sizes["common"] + DATASET.subset_sizes["challenge"] == 689
    assert DATASET.headline[0] == "300w/test/full/nme-ioc"
