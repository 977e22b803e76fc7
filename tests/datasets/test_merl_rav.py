"""MERL-RAV: signs carry the visibility."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facebench.datasets.merl_rav import DATASET, landmarks_of
from facebench.errors import DataError
from facebench.types import Landmarks
from tests.datasets.trees import points, write_pts

LABELS = Path("merl_rav_labels")


def signed() -> np.ndarray:
    """Point 0 hidden by something at (10, 20), point 1 by the head, the others visible."""
    face = points(68)
    face[0] *= -1
    face[1] = -1
    return face


def test_every_field(tmp_path: Path) -> None:
    root = tmp_path / "MERL-RAV"
    write_pts(root / LABELS / "frontal/testset/labels/image00019.pts", signed())
    write_pts(root / LABELS / "left/testset/labels/image00002_1.pts", points(68))
    write_pts(root / LABELS / "left/trainset/labels/image00003.pts", points(68))
    samples = DATASET.samples(tmp_path, "test")
    assert [s.id for s in samples] == ["frontal/testset/image00019", "left/testset/image00002_1"]
    first = samples[0].target
    assert isinstance(first, Landmarks)
    assert first.points[0].tolist() == [10.0, 20.0]
    assert np.array_equal(first.points[2:], points(68)[2:])
    assert first.visible is not None
    assert first.located is not None
    assert np.flatnonzero(~first.visible).tolist() == [0, 1]
    assert np.flatnonzero(~first.located).tolist() == [1]
    assert samples[1].subsets == {"left"}
    assert samples[1].cluster == "image00002"
    assert samples[0].image == root / "merl_rav_organized/frontal/testset/image00019.jpg"
    assert [s.id for s in DATASET.samples(tmp_path, "left")] == ["left/testset/image00002_1"]
    assert [s.id for s in DATASET.samples(tmp_path, "train")] == ["left/trainset/image00003"]


def test_organised_copy(tmp_path: Path) -> None:
    write_pts(tmp_path / "merl_rav_organized/right/testset/a.pts", points(68))
    (tmp_path / "merl_rav_organized/right/testset/a.jpg").touch()
    (sample,) = DATASET.samples(tmp_path, "test")
    assert sample.image == tmp_path / "merl_rav_organized/right/testset/a.jpg"


def test_signs() -> None:
    faces = np.array([[5.0, 6.0], [-5.0, -6.0], [-1.0, -1.0], [-1.0, -6.0], [0.0, -6.0], [0.0, 0.0]])
    found = landmarks_of(faces)
    assert found.points.tolist() == [[5, 6], [5, 6], [0, 0], [1, 6], [0, 6], [0, 0]]
    assert found.visible is not None
    assert found.located is not None
    assert found.visible.tolist() == [True, False, False, False, False, True]
    assert found.located.tolist() == [True, True, False, True, True, True]


def test_damage_is_named(tmp_path: Path) -> None:
    file = write_pts(tmp_path / LABELS / "right/testset/labels/a.pts", points(67))
    with pytest.raises(DataError, match=r"a\.pts: 67 points, n_points says 67, expected 68"):
        DATASET.samples(tmp_path, "test")
    face = points(68)
    face[0, 0] = np.nan
    write_pts(file, face)
    with pytest.raises(DataError, match=r"a\.pts:4: number 1 is 'nan'"):
        DATASET.samples(tmp_path, "test")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no merl_rav_labels/<pose>/testset/labels/\*\.pts"):
        DATASET.samples(tmp_path, "test")


def test_official_numbers() -> None:
    assert DATASET.sizes == {"train": 15449, "test": 3865}
    assert sum(DATASET.subset_sizes.values()) == 3865
    assert DATASET.scored_only
    assert DATASET.headline == ("merl-rav/test/all/nme-lmkbox",)
