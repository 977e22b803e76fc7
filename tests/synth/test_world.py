"""The world as a whole: how often classes and attributes occur, and the contact sheet."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from facebench.synth.face import draw_recipe, render_face
from facebench.synth.labels import CELEB_PARTS
from facebench.synth.sheet import contact_sheet


@pytest.fixture(scope="module")
def crowd():
    """Two hundred small pictures of the default style."""
    return [render_face(draw_recipe(s, s + 7000), size=112, supersample=1) for s in range(200)]


def test_every_class_occurs_in_at_least_a_twentieth_of_the_pictures(crowd):
    shares = {name: np.mean([f.celeb_parts[name].sum() > 2 for f in crowd]) for name in CELEB_PARTS}
    assert min(shares.values()) >= 0.05, shares
    lapa = [np.mean([(f.lapa_labels == k).any() for f in crowd]) for k in range(11)]
    assert min(lapa) >= 0.05


def test_every_attribute_occurs_now_and_then(crowd):
    rates = {k: np.mean([f.attributes[k] for f in crowd]) for k in crowd[0].attributes}
    assert list(rates) == ["pose", "expression", "illumination", "makeup", "occlusion", "blur"]
    assert all(0.04 < rate < 0.5 for rate in rates.values()), rates


def test_most_points_are_seen_but_not_all(crowd):
    seen = np.array([f.visible["wflw98"].mean() for f in crowd])
    assert 0.7 < seen.mean() < 0.98
    assert (seen < 0.7).mean() > 0.02
    assert (seen == 1).mean() > 0.05


def test_faces_lie_in_the_picture(crowd):
    inside = [((f.landmarks["wflw98"] > 0) & (f.landmarks["wflw98"] < 111)).all() for f in crowd]
    assert np.mean(inside) > 0.97


def test_a_contact_sheet_has_a_row_for_each_overlay():
    sheet = contact_sheet([1, 2, 3], columns=2, side=48)
    assert sheet.shape == (2 * 4 * 48, 2 * 48, 3)
    assert sheet.dtype == np.uint8
    assert (sheet[4 * 48 :, 48:] == 255).all()
    assert contact_sheet([1, 2], columns=2, side=48, overlays=False).shape == (48, 96, 3)


def test_the_package_itself_loads_nothing_heavy():
    code = "import sys, facebench.synth; print(sorted({'numba', 'cv2', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
