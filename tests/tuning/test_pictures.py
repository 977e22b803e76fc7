"""Training crops: pictures and targets move together, draws are functions of seed, epoch and number."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from facebench.framing import Framing
from facebench.geometry.crop import Crop
from facebench.tuning.pictures import Pictures, crop_labels, motion, recoloured, unit_points
from facebench.tuning.recipe import LANDMARKS, PARSING, Augment
from facebench.types import LabelMap, Landmarks, Sample

STILL = Augment(shift=0, turn=0, zoom=0, gaussian=False, grey=0, gamma=False, blur=0)
FRAMING = Framing("whole", 1.0, 64)


@pytest.fixture
def spot(tmp_path):
    """A black picture (90, 120) with one white spot, its place as a landmark, and the spot as class 1."""
    image = np.zeros((90, 120, 3), np.uint8)
    cv2.circle(image, (70, 30), 4, (255, 255, 255), -1)
    cv2.imwrite(str(tmp_path / "spot.png"), image)
    labels = (image[..., 0] > 127).astype(np.uint8)
    points = Sample("a", tmp_path / "spot.png", None, Landmarks(np.array([[70.0, 30.0]])))
    return points, replace(points, target=LabelMap((), lambda: labels))


def test_a_picture_without_augmentation_is_the_plain_crop(spot):
    image, point = Pictures([spot[0]], FRAMING, unit_points)[0]
    crop = FRAMING.crop(spot[0])
    assert image.shape == (64, 64, 3)
    np.testing.assert_allclose(point, (crop.to_crop(np.array([[70.0, 30.0]])) + 0.5) / 64, rtol=1e-6)
    np.testing.assert_array_equal(Pictures([spot[0]], FRAMING, unit_points, STILL)[0][0], image)


@pytest.mark.parametrize("number", range(6))
def test_what_is_shown_moves_with_its_target(spot, number):
    augment = replace(STILL, shift=0.08, turn=0.3, zoom=0.1)
    image, point = Pictures([spot[0]], FRAMING, unit_points, augment, seed=number)[0]
    y, x = np.nonzero(image[..., 0] > 127)
    np.testing.assert_allclose([(x.mean() + 0.5) / 64, (y.mean() + 0.5) / 64], point[0], atol=0.012)
    shown, labels = Pictures([spot[1]], FRAMING, crop_labels, augment, seed=number)[0]
    assert labels.shape == (64, 64)
    assert ((shown[..., 0] > 127) == labels).mean() > 0.99
    assert labels.any()


def test_draws_are_functions_of_seed_epoch_and_number(spot):
    pictures = Pictures([spot[0]] * 2, FRAMING, unit_points, LANDMARKS.augment)
    np.testing.assert_array_equal(pictures[0][0], replace(pictures)[0][0])
    others = (pictures[1], replace(pictures, epoch=1)[0], replace(pictures, seed=1)[0])
    assert all(not np.array_equal(pictures[0][1], other[1]) for other in others)


def test_motions_have_the_size_that_the_recipe_says():
    def spread(augment):
        drawn = [motion(augment, 100, np.random.default_rng(i)) for i in range(2000)]
        angles = np.array([np.arctan2(m[1, 0], m[0, 0]) for m in drawn])
        zooms = np.array([np.log(np.linalg.det(m[:2, :2])) / 2 for m in drawn])
        shifts = np.array([(m @ (49.5, 49.5, 1))[:2] - 49.5 for m in drawn])
        return angles, zooms, shifts

    angles, zooms, shifts = spread(LANDMARKS.augment)
    assert 0.16 < np.abs(angles).max() <= 0.174
    assert 0.09 < np.abs(zooms).max() <= 0.1
    assert 4.8 < np.abs(shifts).max() <= 5.0
    angles, zooms, shifts = spread(PARSING.augment)
    assert angles.std() == pytest.approx(0.314, rel=0.05)
    assert zooms.std() == pytest.approx(0.1, rel=0.05)
    assert np.abs(shifts).max() <= 1.0


def test_each_change_of_colour_does_what_it_says():
    image = np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)

    def shown(**changes):
        return recoloured(image, replace(STILL, **changes), np.random.default_rng(3))

    np.testing.assert_array_equal(shown(), image)
    assert np.ptp(shown(grey=1.0), axis=2).max() == 0
    hole = (shown(hole=True) == 0).all(axis=2)
    rows, columns = np.nonzero(hole)
    assert 5 <= np.ptp(rows) + 1 <= 20
    assert 5 <= np.ptp(columns) + 1 <= 20
    assert shown(blur=0.2).std() < image.std()
    share = np.corrcoef(shown(noise=1.0).ravel(), image.ravel())[0, 1]
    assert 0.5 < share < 1.0


def test_a_point_that_is_not_annotated_is_not_a_number():
    target = Landmarks(np.array([[1.0, 1.0], [5.0, 5.0]]), located=np.array([True, False]))
    found = unit_points(Sample("a", None, None, target), Crop(np.array([[1.0, 0, 0], [0, 1.0, 0]]), 10))
    np.testing.assert_allclose(found[0], [0.15, 0.15])
    assert np.isnan(found[1]).all()
