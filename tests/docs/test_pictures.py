"""The pictures of the documentation show what they say, on a crop and a list that are known."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facebench.types import Sample
from tests.source_tree import ROOT


@pytest.fixture(scope="module")
def pictures():
    spec = importlib.util.spec_from_file_location("make_pictures", ROOT / "docs" / "make_pictures.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
        spec.loader.exec_module(module)
    return module


def test_faces_go_from_frontal_to_profile_whatever_the_order_of_the_list(pictures):
    yaws = [70, -3, 20, -50, 8, 35, -12, 60]  # sorted by size: -3 8 -12 20 35 -50 60 70
    samples = [Sample(str(y), Path("unused.jpg"), None, None, slices={"yaw": y}) for y in yaws]
    assert [yaws[i] for i in pictures.from_frontal_to_profile(samples)] == [8, 20, -50, 70]


def test_a_point_is_drawn_where_it_is_and_its_error_leads_to_the_truth(pictures):
    grey = np.full((pictures.SIDE, pictures.SIDE, 3), 128, np.uint8)
    drawn = np.asarray(pictures.points_on(grey, np.array([[100.0, 40.0]]), np.array([[60.0, 40.0]]), pictures.FOUND))
    assert np.abs(drawn[40, 60].astype(int) - pictures.FOUND).max() < 40
    red = drawn[40, 66:98].astype(int)
    assert (red[:, 0] > red[:, 1] + 60).all()
    assert (drawn[40, 110:] == 128).all()
    assert (drawn[50:] == 128).all()


def test_a_tile_stands_under_its_title(pictures):
    tile = Image.new("RGB", (pictures.SIDE, pictures.SIDE), (10, 200, 30))
    white = Image.new("RGB", (pictures.SIDE, pictures.SIDE), (255, 255, 255))
    sheet = np.asarray(pictures.sheet(["a\n", "b\n"], [[(white, ""), (white, "")], [(white, ""), (tile, "")]]))
    rows, columns = np.nonzero((sheet == (10, 200, 30)).all(axis=2))
    side, gap = pictures.SIDE, pictures.GAP
    assert (columns.min(), columns.max()) == (2 * gap + side, 2 * gap + 2 * side - 1)
    assert rows.min() == pictures.HEAD + side + pictures.FOOT


def test_every_class_has_a_colour_of_its_own(pictures):
    assert len({tuple(colour) for colour in pictures.LABELS}) == 11
