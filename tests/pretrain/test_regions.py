"""Regions: where known points put them, how they follow the face, and what the sources agree on."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from facebench.synth.face import draw_recipe, render_face
from pretrain.method.masking import COVERED
from pretrain.method.regions import CANVAS, COVERAGE, FINE, REGIONS, TEMPLATE, five_points, region_map

SIZE, GRID = 224, 14
UPRIGHT = (TEMPLATE + 0.5) * SIZE / CANVAS - 0.5  # the template in a picture of SIZE pixels


def laid_out(points, *, source="five", labels=None, size=SIZE, grid=GRID):
    return region_map(points, source=source, size=size, grid=grid, labels=labels).reshape(grid, grid)


def at(regions, point, size=SIZE):
    """Name of the region at a point (x, y), pixels."""
    x, y = ((np.asarray(point) + 0.5) * len(regions) / size).astype(int)
    return REGIONS[regions[y, x]]


def turned(points, *, degrees=0.0, scale=1.0, shift=(0.0, 0.0)):
    """Points turned about the middle of the picture."""
    angle, middle = np.radians(degrees), (SIZE - 1) / 2
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return scale * (points - middle) @ rotation + middle + shift


@cache
def face():
    """A frontal synthetic face, with all its labels."""
    return render_face(draw_recipe(3, 4, style="frontal"), size=SIZE, supersample=1)


def test_the_parts_of_an_upright_face_lie_where_its_points_are():
    regions = laid_out(UPRIGHT)
    left_eye, right_eye, _, left_corner, right_corner = UPRIGHT
    assert [at(regions, p) for p in (left_eye, right_eye)] == ["eyes", "eyes"]
    assert at(regions, (left_corner + right_corner) / 2) == "mouth"
    assert at(regions, (256 * SIZE / CANVAS, 275 * SIZE / CANVAS)) == "nose"
    assert [at(regions, p - [0, 22]) for p in (left_eye, right_eye)] == ["brows", "brows"]
    assert at(regions, (256 * SIZE / CANVAS, 456 * SIZE / CANVAS)) == "boundary"  # the chin: 286 + 170
    assert at(regions, (330 * SIZE / CANVAS, 320 * SIZE / CANVAS)) == "skin"  # a cheek
    assert at(regions, (256 * SIZE / CANVAS, 90 * SIZE / CANVAS)) == "hair"
    assert at(regions, (2, 2)) == at(regions, (220, 220)) == "background"


@pytest.mark.parametrize("degrees", [-40, 25, 90, 180])
@pytest.mark.parametrize("scale", [0.7, 1.2])
def test_regions_turn_and_grow_with_the_face(degrees, scale):
    points = turned(UPRIGHT, degrees=degrees, scale=scale, shift=(5, -3))
    regions = laid_out(points)
    assert at(regions, points[0]) == at(regions, points[1]) == "eyes"
    assert at(regions, (points[3] + points[4]) / 2) == "mouth"
    share = (regions < REGIONS.index("hair")).mean() / (laid_out(UPRIGHT) < REGIONS.index("hair")).mean()
    assert share == pytest.approx(scale**2, rel=0.25)


def test_a_quarter_turn_of_the_points_turns_the_map():
    middle = turned(UPRIGHT, degrees=90)
    assert (np.rot90(laid_out(UPRIGHT), -1) == laid_out(middle)).mean() > 0.97


def test_the_template_stands_in_where_there_are_no_points():
    wanted = laid_out(UPRIGHT)
    assert np.array_equal(laid_out(None), wanted)
    assert np.array_equal(laid_out(turned(UPRIGHT, degrees=30), source="template"), wanted)
    assert np.array_equal(laid_out(UPRIGHT, source="sixty-eight"), wanted)  # five points cannot be sixty-eight
    assert np.array_equal(laid_out(UPRIGHT, source="parsing"), wanted)  # no label map


def test_the_size_of_the_picture_does_not_matter():
    small = (TEMPLATE + 0.5) * 112 / CANVAS - 0.5
    assert np.array_equal(laid_out(small, size=112), laid_out(UPRIGHT))


def test_five_of_sixty_eight_points_by_hand():
    points = np.arange(136, dtype=float).reshape(68, 2)
    # Points 36 to 41 are one eye: x = 2 * (36 + ... + 41) / 6 = 77, and y one more.
    assert five_points(points).tolist() == [[77, 78], [89, 90], [60, 61], [96, 97], [108, 109]]


def test_the_five_points_of_sixty_eight_are_those_of_the_face():
    distance = np.linalg.norm(five_points(face().landmarks["ibug68"]) - face().landmarks["five"], axis=1)
    eyes = np.linalg.norm(np.subtract(*face().landmarks["five"][:2]))
    assert distance.max() < 0.15 * eyes


@pytest.mark.parametrize("source", ["sixty-eight", "parsing"])
def test_the_sources_agree_on_a_frontal_face(source):
    five = laid_out(face().landmarks["five"])
    other = laid_out(face().landmarks["ibug68"], source=source, labels=face().lapa_labels)
    for name in ("eyes", "brows", "nose", "mouth"):
        index = REGIONS.index(name)
        assert (other == index).any(), name
        ys, xs = np.nonzero(five == index)
        other_ys, other_xs = np.nonzero(other == index)
        apart = np.hypot(ys.mean() - other_ys.mean(), xs.mean() - other_xs.mean())
        assert apart < 1, name  # patches
    inside, other_inside = (m <= REGIONS.index("skin") for m in (five, other))
    # Five points know nothing of the outline: the ellipse about them is wider than most chins.
    assert (inside & other_inside).sum() / (inside | other_inside).sum() > 0.6


@pytest.mark.parametrize("source", ["five", "sixty-eight", "parsing"])
def test_every_region_that_masks_cover_is_found_in_a_face(source):
    regions = laid_out(face().landmarks["ibug68"], source=source, labels=face().lapa_labels)
    assert {REGIONS[r] for r in COVERED} <= {REGIONS[r] for r in regions.flat}


def test_the_coverage_rule_by_hand():
    # One patch of 8 x 8 samples: LaPa's 1 is skin, 10 is hair, 0 the background.
    assert (FINE, COVERAGE) == (8, 0.25)
    column = np.zeros((8, 8), int)
    column[:, :2] = 10  # 16 of 64 samples are hair: a quarter is enough
    assert REGIONS[region_map(None, source="parsing", size=8, grid=1, labels=column)[0]] == "hair"
    column[0, 0] = 0  # 15 are not, and background is all the rest
    assert REGIONS[region_map(None, source="parsing", size=8, grid=1, labels=column)[0]] == "background"
    column[7, 7] = 4  # a single sample of an eye names the patch, as a brow would seldom fill a quarter
    assert REGIONS[region_map(None, source="parsing", size=8, grid=1, labels=column)[0]] == "eyes"


def test_the_first_of_two_regions_wins_a_patch():
    labels = np.full((8, 8), 10)
    labels[:4] = 6  # nose above, hair below
    assert REGIONS[region_map(None, source="parsing", size=8, grid=1, labels=labels)[0]] == "nose"


def test_the_boundary_of_a_label_map_is_where_face_and_rest_meet():
    labels = np.zeros((SIZE, SIZE), np.uint8)
    labels[64:160, 64:160] = 1  # skin in patches 4 to 9
    regions = laid_out(None, source="parsing", labels=labels)
    names = np.array(REGIONS)[regions]
    assert (names[5:9, 5:9] == "skin").all()
    assert (names[4, 4:10] == "boundary").all()
    assert (names[4:10, 9] == "boundary").all()
    assert (names[:3] == "background").all()


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.full((68, 2), np.nan)])
def test_points_that_are_no_face_give_way_to_the_template(points):
    assert np.array_equal(laid_out(points), laid_out(None))


def test_points_far_outside_the_picture_are_drawn_without_an_error():
    points = np.random.default_rng(0).normal(size=(68, 2)) * 1e6
    assert laid_out(points, source="sixty-eight").shape == (GRID, GRID)
