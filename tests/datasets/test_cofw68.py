"""COFW-68: one Matlab file a face."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from facebench.datasets.cofw68 import DATASET
from facebench.errors import DataError, UsageError
from facebench.types import Landmarks
from tests.datasets.trees import points, write_cofw68

NONE = np.zeros(68)


def test_every_field(tmp_path: Path) -> None:
    occluded = (np.arange(68) % 10 == 0).astype(np.uint8)
    for number in (1, 2, 10, 507):
        write_cofw68(tmp_path / "COFW68", number, points(68, x=number), occluded)
    samples = DATASET.samples(tmp_path, "test")
    # In the order of the numbers, not of the names.
    assert [s.id for s in samples] == ["1", "2", "10", "507"]
    target = samples[3].target
    assert isinstance(target, Landmarks)
    assert np.array_equal(target.points, points(68, x=507.0))
    assert target.visible is not None
    assert np.flatnonzero(~target.visible).tolist() == [0, 10, 20, 30, 40, 50, 60]
    assert samples[3].box is None


def test_picture_is_that_of_cofw(tmp_path: Path) -> None:
    write_cofw68(tmp_path / "COFW68", 507, points(68), NONE)
    (sample,) = DATASET.samples(tmp_path, "test")
    assert sample.image == tmp_path / "COFW68" / "COFW_test_color.mat#506"
    (tmp_path / "COFW").mkdir()
    (tmp_path / "COFW" / "COFW_test_color.mat").touch()
    (sample,) = DATASET.samples(tmp_path, "test")
    assert sample.image == tmp_path / "COFW" / "COFW_test_color.mat#506"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"Points": points(68)}, "no variable Occ"),
        ({"Occ": NONE}, "no variable Points"),
        ({"Points": points(67), "Occ": NONE}, "Points is float64 67 x 2, expected numbers 68 x 2"),
        ({"Points": points(68), "Occ": NONE[:5]}, "Occ is float64 5, expected numbers 68"),
        (
            {"Points": np.where(points(68) == 20.0, np.inf, points(68)), "Occ": NONE},
            r"number at \(0, 1\) is not finite",
        ),
    ],
)
def test_damage_is_named(tmp_path: Path, content: dict[str, np.ndarray], said: str) -> None:
    file = write_cofw68(tmp_path, 7, points(68), NONE)
    savemat(file, content)
    with pytest.raises(DataError, match=said) as caught:
        DATASET.samples(tmp_path, "test")
    assert "7_points.mat" in str(caught.value)


@pytest.mark.parametrize("name", ["x", "07", "-1", "1_2", "0"])
def test_foreign_file(tmp_path: Path, name: str) -> None:
    file = write_cofw68(tmp_path, 7, points(68), NONE)
    file.rename(file.with_name(f"{name}_points.mat"))
    with pytest.raises(DataError, match=r"the name is not <i>_points\.mat"):
        DATASET.samples(tmp_path, "test")


def test_only_test(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no COFW68_Data/test_annotations"):
        DATASET.samples(tmp_path, "test")
    with pytest.raises(UsageError, match="unknown split of cofw68 'train'"):
        DATASET.samples(tmp_path, "train")


def test_official_numbers() -> None:
    assert DATASET.sizes == {"test": 507}
    assert DATASET.scored_only
    assert DATASET.headline == ("cofw68/test/all/nme-ipupil", "cofw68/test/all/nme-ipupil-visible")
