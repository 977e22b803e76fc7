from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from facebench.errors import DataError
from facebench.framing import Framing
from facebench.types import Landmarks, Sample

POINTS = np.array([[10.0, 20], [30, 25], [900, 900]])


def _sample(folder: Path, **changes: object) -> Sample:
    path = folder / "a.png"
    cv2.imwrite(str(path), np.zeros((30, 50, 3), np.uint8))
    target = Landmarks(POINTS, located=np.array([True, True, False]))
    return Sample(**{"id": "a", "image": path, "box": (1.0, 2.0, 11.0, 22.0), "target": target, **changes})  # type: ignore[arg-type]


def test_the_three_boxes(tmp_path: Path) -> None:
    sample = _sample(tmp_path)
    assert Framing("gt", 1, 64).box_of(sample) == (10, 20, 30, 25)  # points without a place do not count
    assert Framing("annotated", 1, 64).box_of(sample) == (1, 2, 11, 22)
    assert Framing("whole", 1, 64).box_of(sample) == (-0.5, -0.5, 49.5, 29.5)
    assert str(Framing("gt", 1.25, 64)) == "gt*1.25"


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a: no annotated box"):
        Framing("annotated", 1, 64).crop(_sample(tmp_path, box=None))
    with pytest.raises(DataError, match=r"a: box .* has no area"):
        Framing("annotated", 1, 64).crop(_sample(tmp_path, box=(5.0, 5.0, 5.0, 9.0)))
    nowhere = Landmarks(POINTS, located=np.zeros(3, bool))
    with pytest.raises(DataError, match="not one landmark"):
        Framing("gt", 1, 64).crop(_sample(tmp_path, target=nowhere))


def test_a_label_map_of_half_the_size_shows_the_same_square(tmp_path: Path) -> None:
    sample = _sample(tmp_path)
    framing = Framing("gt", 1.25, 64)
    corners = np.array([[-0.5, -0.5], [63.5, 63.5]])
    picture = framing.crop(sample).to_image(corners)
    labels = framing.label_crop(sample, 15, 25).to_image(corners)
    np.testing.assert_allclose(labels + 0.5, (picture + 0.5) / 2)  # edges, counted from the picture's corner, halve
    same = framing.label_crop(sample, 30, 50)
    np.testing.assert_allclose(same.matrix, framing.crop(sample).matrix)
