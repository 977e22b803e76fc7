"""How a picture is shown: mirrors, crops and scales take points and classes along."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebench.errors import DataError
from pretrain.data.shards import Stored
from pretrain.data.views import View, cropped, draws, mirrored, opened, resized, shown
from pretrain.sections import DataConfig
from tests.drawn_faces import draw


def view(points: int | None = 5) -> View:
    face = draw(4)
    five = np.stack([face.points[36:42].mean(0), face.points[42:48].mean(0), *face.points[[30, 48, 54]]])
    return View(face.image, {5: five, 68: face.points, None: None}[points], face.labels)


@pytest.mark.parametrize("points", [5, 68, None])
def test_a_picture_mirrored_twice_is_itself(points):
    one = view(points)
    back = mirrored(mirrored(one))
    np.testing.assert_array_equal(back.image, one.image)
    np.testing.assert_array_equal(back.labels, one.labels)
    if points is None:
        assert back.points is None
    else:
        np.testing.assert_allclose(back.points, one.points, atol=1e-12)


def test_a_mirror_keeps_left_on_the_left():
    one = view(5)
    other = mirrored(one)
    assert other.points[0, 0] < other.points[1, 0]  # image-left eye first
    assert other.points[3, 0] < other.points[4, 0]
    assert other.points[0] == pytest.approx([95 - one.points[1, 0], one.points[1, 1]])
    assert other.points[2] == pytest.approx([95 - one.points[2, 0], one.points[2, 1]])
    # The brows of LaPa are 2 and 3, the eyes 4 and 5: what was 3 on the right is 2 on the left.
    for a, b in ((2, 3), (4, 5), (6, 6), (10, 10)):
        np.testing.assert_array_equal(other.labels == a, (one.labels == b)[:, ::-1])


def test_sixty_eight_points_are_swapped_as_300w_swaps_them():
    one = view(68)
    other = mirrored(one)
    for ours, theirs in ((0, 16), (8, 8), (17, 26), (36, 45), (39, 42), (48, 54), (60, 64), (30, 30)):
        assert other.points[ours] == pytest.approx([95 - one.points[theirs, 0], one.points[theirs, 1]])


def test_a_crop_moves_points_by_its_corner():
    one = view(5)
    part = cropped(one, 10, 20, 60)
    np.testing.assert_array_equal(part.image, one.image[20:80, 10:70])
    np.testing.assert_array_equal(part.labels, one.labels[20:80, 10:70])
    np.testing.assert_allclose(part.points, one.points - [10, 20])


@pytest.mark.parametrize("size", [32, 48, 96, 192])
def test_points_stay_on_what_they_point_at_when_the_size_changes(size):
    image = np.zeros((96, 96, 3), np.uint8)
    image[24:36, 48:60] = 255  # its centre lies at (53.5, 29.5)
    labels = np.zeros((96, 96), np.uint8)
    labels[24:36, 48:60] = 6
    small = resized(View(image, np.array([[53.5, 29.5]]), labels), size)
    assert small.image.shape == (size, size, 3)
    weight = small.image[..., 0].astype(float)
    ys, xs = np.mgrid[:size, :size]
    centre = [(weight * xs).sum() / weight.sum(), (weight * ys).sum() / weight.sum()]
    np.testing.assert_allclose(small.points[0], centre, atol=0.02)
    assert set(np.unique(small.labels)) == {0, 6}
    rows, columns = np.nonzero(small.labels)
    np.testing.assert_allclose([columns.mean(), rows.mean()], centre, atol=0.51)


def test_shrinking_by_half_is_the_mean_of_four():
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    small = resized(View(image, None, None), 4).image
    means = image.reshape(4, 2, 4, 2, 3).mean(axis=(1, 3))
    assert np.abs(small - means).max() <= 0.5


@given(seed=st.integers(0, 10**6))
def test_a_random_crop_is_a_square_of_the_asked_share(seed):
    # A picture that says where it was cut: red is x, green is y.
    ys, xs = np.mgrid[:200, :200]
    image = np.stack([xs, ys, np.zeros_like(xs)], axis=-1).astype(np.uint8)
    one = View(image, np.array([[100.0, 100.0]]), None)
    config = DataConfig(flip=0, crop=(0.25, 1.0))
    made = shown(one, config, size=200, rng=np.random.default_rng(seed))
    share = (np.ptp(made.image[..., 0].astype(int)) + 1) * (np.ptp(made.image[..., 1].astype(int)) + 1) / 200**2
    assert 0.24 <= share <= 1.01
    x, y = made.points[0]
    if 1 <= x < 198 and 1 <= y < 198:
        near = made.image[round(y), round(x), :2].astype(int)
        assert np.abs(near - 100).max() <= 1


def test_flips_happen_as_often_as_asked_and_are_drawn_anew_each_epoch():
    one = view(None)
    config = DataConfig(flip=0.25)
    flipped = [
        bool((shown(one, config, size=96, rng=draws(0, epoch, 7)).image != one.image).any()) for epoch in range(400)
    ]
    assert 60 <= sum(flipped) <= 140  # 100 expected, 8.7 the standard deviation
    never = shown(one, DataConfig(flip=0), size=96, rng=draws(0, 0, 0))
    assert never.image is one.image


def test_what_is_stored_is_checked_when_it_is_opened():
    jpeg = cv2.imencode(".jpg", draw(1).image)[1].tobytes()
    seg = cv2.imencode(".png", draw(1).labels)[1].tobytes()
    assert opened(Stored("a", jpeg, None, seg), "a").labels.shape == (96, 96)
    with pytest.raises(DataError, match=r"picture shard: picture a is cut off"):
        opened(Stored("a", jpeg[:-10], None, None), "shard: picture a")
    small = cv2.imencode(".png", draw(1).labels[:50])[1].tobytes()
    with pytest.raises(DataError, match="picture and label map differ in size"):
        opened(Stored("a", jpeg, None, small), "a")
