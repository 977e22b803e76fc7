from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facebench.errors import DataError
from facebench.geometry.crop import Crop, cell_matrix, oversampling, square_crop

RNG = np.random.default_rng(0)


def _smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    planes = [127 + 100 * np.sin(x / 9 + k) * np.cos(y / 11 - k) for k in range(3)]
    return np.stack(planes, axis=2).round().astype(np.uint8)


def test_edges_of_the_box_are_edges_of_the_crop() -> None:
    # A box from -0.5 to 9.5 holds the pixels 0..9 whole; at 5 crop pixels each covers two: centres 0.5, 2.5, ... 8.5.
    crop = square_crop((-0.5, -0.5, 9.5, 9.5), 1.0, 5)
    centres = crop.to_image(np.stack([np.arange(5.0), np.arange(5.0)], axis=1))
    np.testing.assert_allclose(centres[:, 0], [0.5, 2.5, 4.5, 6.5, 8.5])
    np.testing.assert_allclose(crop.to_image(np.array([[-0.5, -0.5], [4.5, 4.5]])), [[-0.5, -0.5], [9.5, 9.5]])


def test_scale_grows_the_larger_side_around_the_centre() -> None:
    # 40 x 20 at (10, 30): centre (30, 40), side 40 * 1.25 = 50, so x from 5 to 55 and y from 15 to 65.
    crop = square_crop((10, 30, 50, 50), 1.25, 100)
    corners = crop.to_image(np.array([[-0.5, -0.5], [99.5, 99.5]]))
    np.testing.assert_allclose(corners, [[5, 15], [55, 65]])


def test_a_picture_cropped_to_itself_is_itself() -> None:
    image = RNG.integers(0, 256, (32, 32, 3)).astype(np.uint8)
    np.testing.assert_array_equal(square_crop((-0.5, -0.5, 31.5, 31.5), 1.0, 32).apply(image), image)


def test_whole_shrink_is_the_mean_of_blocks() -> None:
    image = RNG.integers(0, 256, (24, 24, 3)).astype(np.uint8)
    crop = square_crop((-0.5, -0.5, 23.5, 23.5), 1.0, 8).apply(image)
    mean = image.reshape(8, 3, 8, 3, 3).astype(float).mean(axis=(1, 3))
    assert np.abs(crop - mean).max() <= 0.51


@pytest.mark.parametrize(("side", "size"), [(100.0, 64), (61.7, 64), (163.3, 40), (40.0, 96)])
def test_agrees_with_pillows_resize_of_a_box(side: float, size: int) -> None:
    """Pillow's `box` is given in pixel edges, so it tells half-pixel mistakes apart."""
    image = _smooth(220, 240)
    x0, y0 = 31.3, 22.8
    ours = square_crop((x0, y0, x0 + side, y0 + side), 1.0, size).apply(image).astype(float)
    box = (x0 + 0.5, y0 + 0.5, x0 + side + 0.5, y0 + side + 0.5)
    theirs = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR, box=box)).astype(float)
    inner = (slice(2, -2), slice(2, -2))  # Pillow knows no pixels outside its box
    assert np.abs(ours - theirs)[inner].mean() < 1.0
    shifted = square_crop((x0 + 0.5, y0 + 0.5, x0 + 0.5 + side, y0 + 0.5 + side), 1.0, size).apply(image).astype(float)
    assert np.abs(shifted - theirs)[inner].mean() > 2 * np.abs(ours - theirs)[inner].mean()


def test_shrinking_does_not_alias() -> None:
    # Stripes of one pixel are mean grey at a tenth of the size; plain bilinear warping picks single stripes.
    image = np.zeros((300, 300, 3), np.uint8)
    image[:, ::2] = 255
    crop = square_crop((20, 20, 260, 260), 1.0, 24)
    assert np.abs(crop.apply(image).astype(float) - 127.5).max() < 20
    plain = cv2.warpAffine(image, crop.matrix, (24, 24), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    assert np.abs(plain.astype(float) - 127.5).max() > 60


def test_outside_the_picture_is_black() -> None:
    crop = square_crop((-40, -40, 40, 40), 1.0, 40).apply(np.full((60, 60, 3), 200, np.uint8))
    assert (crop[:18] == 0).all()
    assert (crop[:, :18] == 0).all()
    assert (crop[22:, 22:] == 200).all()


@settings(max_examples=50, deadline=None)
@given(
    x=st.floats(-500, 500),
    y=st.floats(-500, 500),
    side=st.floats(1, 900),
    scale=st.floats(0.5, 3),
    size=st.integers(8, 512),
)
def test_points_come_back(x: float, y: float, side: float, scale: float, size: int) -> None:
    crop = square_crop((x, y, x + side, y + side), scale, size)
    points = np.array([[0.0, 0.0], [x, y], [x + side, y + 3.25]])
    np.testing.assert_allclose(crop.to_image(crop.to_crop(points)), points, atol=1e-8)


def test_a_dot_lands_where_its_point_says() -> None:
    image = np.zeros((200, 200, 3), np.uint8)
    image[117, 83] = 255
    crop = square_crop((60, 90, 110, 140), 1.2, 256)
    made = crop.apply(image)[..., 0].astype(float)
    grid = np.arange(256)
    place = np.array([(made.sum(axis=0) * grid).sum(), (made.sum(axis=1) * grid).sum()]) / made.sum()
    np.testing.assert_allclose(place, crop.to_crop(np.array([[83.0, 117.0]]))[0], atol=0.1)


def test_rotation_is_undone_too() -> None:
    turn = np.radians(30)
    matrix = np.array([[np.cos(turn), -np.sin(turn), 40], [np.sin(turn), np.cos(turn), 10]])
    crop = Crop(matrix, 64)
    points = RNG.uniform(0, 64, (10, 2))
    np.testing.assert_allclose(crop.to_crop(crop.to_image(points)), points)
    assert crop.scale == pytest.approx(1)


@pytest.mark.parametrize("box", [(0, 0, 0, 5), (5, 5, 1, 9), (0, 0, float("nan"), 4), (0, 0, float("inf"), 4)])
def test_a_box_without_area_is_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(DataError, match="no area"):
        square_crop(box, 1.25, 64)


def test_huge_pictures_do_not_make_huge_crops() -> None:
    assert oversampling(100, 224) == 36
    assert oversampling(0.3, 224) == 1
    assert oversampling(2.0, 224) == 2


def _cells_to_logits(labels: np.ndarray, classes: int) -> np.ndarray:
    return (labels[None] == np.arange(classes)[:, None, None]).astype(float)


def test_labels_come_back_at_the_stored_size() -> None:
    """A disc through a grid of the crop's size and back: only the boundary may differ."""
    y, x = np.mgrid[:90, :120]
    labels = (np.hypot(x - 60, y - 45) < 30).astype(np.uint8) * 3
    crop = square_crop((-0.5, -0.5, 119.5, 89.5), 1.0, 64)
    grid = crop.warp_labels(labels, 120)
    back = crop.restore_labels(_cells_to_logits(grid, 4), 90, 120)
    assert back.shape == labels.shape
    assert (back != labels).mean() < 0.005
    # A shift of one pixel would differ along the whole boundary: 2 * 60 pixels and more.
    assert (back != labels).sum() < 60


def test_restored_labels_follow_the_bilinear_logits() -> None:
    """Brute force: each stored pixel asks the four cells around it."""
    logits = RNG.normal(size=(5, 6, 6))
    crop = square_crop((2, 3, 32, 33), 1.0, 12)
    back = crop.restore_labels(logits, 40, 37)
    matrix = crop.matrix @ cell_matrix(6, 12)
    wrong = 0
    for y in range(40):
        for x in range(37):
            u, v = (x - matrix[0, 2]) / matrix[0, 0], (y - matrix[1, 2]) / matrix[1, 1]
            if not (-0.5 <= u <= 5.5 and -0.5 <= v <= 5.5):
                assert back[y, x] == 0
                continue
            u, v = np.clip([u, v], 0, 5)
            i, j = min(int(v), 4), min(int(u), 4)
            a, b = v - i, u - j
            mixed = (
                (1 - a) * (1 - b) * logits[:, i, j]
                + (1 - a) * b * logits[:, i, j + 1]
                + a * (1 - b) * logits[:, i + 1, j]
                + a * b * logits[:, i + 1, j + 1]
            )
            wrong += int(mixed.argmax() != back[y, x])
    assert wrong <= 0.03 * 30 * 30  # cv2 rounds places to 1/32 cell


def test_outside_the_picture_labels_are_background() -> None:
    crop = square_crop((-20, -20, 20, 20), 1.0, 40)
    grid = crop.warp_labels(np.full((30, 30), 4, np.uint8), 40)
    assert (grid[:19] == 0).all()
    assert (grid[21:, 21:] == 4).all()
