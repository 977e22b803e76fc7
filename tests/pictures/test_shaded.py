"""Views of meshes: what is in front is seen, where it should be, in its colour."""

from __future__ import annotations

import numpy as np
import pytest

from facebench.pictures.curve import SIZE, Line, draw_curves
from facebench.pictures.shaded import BACKGROUND, View, draw_mesh, error_colours, face_view
from facebench.types import Mesh

FRONT = View(np.eye(3), np.zeros(3), 10.0, (100, 80))
SQUARE = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0.0]])
FACES = np.array([[0, 1, 2], [0, 2, 3]])


def test_a_square_is_where_it_should_be_and_lit_fully():
    picture = draw_mesh(Mesh(SQUARE + np.array([2, 1, 0]), FACES), np.tile([1.0, 0.5, 0], (4, 1)), FRONT)
    rows, columns = np.nonzero((picture != BACKGROUND).any(axis=2))
    # 2 to the right and 1 up of the middle (50, 40), 10 pixels a unit: columns 60..79, rows 20..39.
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (60, 79, 20, 39)
    assert picture[30, 70].tolist() == [255, 127, 0]


@pytest.mark.parametrize("turn", [1, -1])
def test_the_nearer_of_two_is_seen_whichever_way_its_triangles_turn(turn):
    both = Mesh(np.concatenate([SQUARE, SQUARE + np.array([0, 0, 3])]), np.concatenate([FACES, FACES + 4])[:, ::turn])
    colours = np.repeat([[1.0, 0, 0], [0, 0, 1.0]], 4, axis=0)
    assert draw_mesh(both, colours, FRONT)[40, 50].tolist() == [0, 0, 255]


def test_a_head_that_turns_shows_its_left_side():
    # The person's left ear is at +x; after the turn it has come towards the eye.
    view = FRONT.turned(90)
    np.testing.assert_allclose(np.array([1.0, 0, 0]) @ view.axes.T, [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(view.axes @ view.axes.T, np.eye(3), atol=1e-12)


def test_the_front_is_found_from_the_landmarks():
    landmarks = np.array(
        [[-45, 30, 0], [-18, 30, 0], [18, 30, 0], [45, 30, 0], [0, -22, 20], [-25, -50, 0], [25, -50, 0.0]]
    )
    view = face_view(landmarks, radius=80, size=(320, 360), centre=np.zeros(3))
    np.testing.assert_allclose(view.axes, np.eye(3), atol=1e-12)
    assert view.scale == 2


def test_larger_errors_are_darker():
    light = error_colours(np.linspace(0, 4, 20), most=4.0).sum(axis=1)
    assert (np.diff(light) < 0).all()
    np.testing.assert_array_equal(
        error_colours(np.array([4.0, 9.0]), most=4.0)[0], error_colours(np.array([9.0]), most=4.0)[0]
    )


def test_a_curve_is_drawn():
    x = np.linspace(0, 8, 100)
    picture = draw_curves([Line("all", x, 100 * (1 - np.exp(-x))), Line("selfie", x, 10 * x)], reach=8.0, title="error")
    assert picture.size == SIZE
    assert len(np.unique(np.asarray(picture).reshape(-1, 3), axis=0)) > 100
