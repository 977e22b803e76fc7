"""Label maps against landmark polygons, against each other, and against the sides of the real sets."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from facebench.schemes import CELEB19
from facebench.synth.accessories import Shares
from facebench.synth.face import STYLES, draw_recipe, render_face, trace_face
from facebench.synth.labels import CELEB_OF, CELEB_PARTS, EYE_L, EYE_R, HAIR, HAT, LAPA_OF, SKIN, label_maps

PART_OF_CLASS = {
    "eyeglasses": "eye_g", "l-eye": "l_eye", "r-eye": "r_eye", "l-brow": "l_brow", "r-brow": "r_brow", "l-ear": "l_ear",
    "r-ear": "r_ear", "i-mouth": "mouth", "u-lip": "u_lip", "l-lip": "l_lip", "earring": "ear_r", "necklace": "neck_l",
}  # fmt: skip


@pytest.fixture(scope="module")
def clean_faces():
    return [render_face(draw_recipe(seed, seed, style="frontal")) for seed in range(40, 52)]


def overlap(face, points, ids):
    """Intersection over union of a landmark polygon (drawn by OpenCV at four times the size) and a label."""
    size = face.image.shape[0]
    mask = np.zeros((size * 4, size * 4), np.uint8)
    cv2.fillPoly(mask, [np.round(((points + 0.5) * 4 - 0.5) * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    polygon = cv2.resize(mask.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA) > 0.5
    label = np.isin(face.lapa_labels, ids)
    return (polygon & label).sum() / max(1, (polygon | label).sum()), int(label.sum())


@pytest.mark.parametrize(
    ("first", "last", "ids", "least", "mean"),
    [(60, 68, [4], 0.75, 0.88), (68, 76, [5], 0.75, 0.88), (76, 88, [7, 8, 9], 0.85, 0.90), (33, 42, [2], 0.6, 0.75),
     (42, 51, [3], 0.6, 0.75)],
)  # fmt: skip
def test_labels_fill_the_polygons_of_their_landmarks(clean_faces, first, last, ids, least, mean):
    # Below 1 since a polygon of eight points cuts the corners of a curve and a pixel is a millimetre.
    values = []
    for face in clean_faces:
        value, area = overlap(face, face.landmarks["wflw98"][first:last], ids)
        if area > 40 and face.visible["wflw98"][first:last].all():
            values.append(value)
    assert len(values) >= 5
    assert min(values) > least
    assert np.mean(values) > mean


def test_painting_the_parts_in_the_official_order_gives_the_map_back():
    for seed in range(12):
        face = render_face(draw_recipe(seed, seed, style="wild"), size=96)
        painted = np.zeros_like(face.celeb_labels)
        for k, name in enumerate(CELEB_PARTS):
            painted[face.celeb_parts[name]] = k + 1
        assert np.array_equal(painted, face.celeb_labels)


def test_part_names_follow_the_class_list():
    assert len(CELEB_PARTS) == len(CELEB19.classes) - 1
    for name, part in zip(CELEB19.classes[1:], CELEB_PARTS, strict=True):
        assert part == PART_OF_CLASS.get(name, name)


def test_sides_are_those_of_the_real_sets(clean_faces):
    """LaPa's left eye and brow lie on the image left; CelebAMask-HQ's l_ parts on the image right."""
    for face in clean_faces:

        def x(labels, k):
            return np.nonzero(labels == k)[1].mean() if (labels == k).any() else None

        for labels, left, right in (
            (face.lapa_labels, 2, 3), (face.celeb_labels, 7, 6), (face.celeb_labels, 9, 8),
            (face.lapa_labels, 4, 5), (face.celeb_labels, 5, 4),
        ):  # fmt: skip
            if x(labels, left) is not None and x(labels, right) is not None:
                assert x(labels, left) < x(labels, right)


def test_real_celebamask_maps_have_the_same_sides(shared_data):
    for number in range(4):
        labels = cv2.imread(
            str(shared_data / "celebamask_hq" / "MaskGAN_demo" / "samples" / f"{number}.png"), cv2.IMREAD_UNCHANGED
        )
        columns = [np.nonzero(labels == k)[1].mean() for k in (5, 4, 7, 6)]
        assert columns[0] < columns[1]
        assert columns[2] < columns[3]


def test_the_two_maps_tell_one_story(clean_faces):
    """The same material under both numberings: eyes, nose and lips coincide, hair of LaPa is hair or hat."""
    for face in clean_faces:
        for lapa, celeb in ((4, 5), (5, 4), (6, 2), (7, 11), (8, 10), (9, 12), (10, 13), (2, 7), (3, 6)):
            a, b = face.lapa_labels == lapa, face.celeb_labels == celeb
            assert (a ^ b).sum() <= 0.15 * max(20, a.sum())


def test_the_majority_of_samples_names_a_pixel():
    material = np.array([[SKIN, EYE_R], [EYE_R, EYE_R]], np.uint8)
    lapa, celeb, under = np.empty((1, 1), np.uint8), np.empty((1, 1), np.uint8), np.empty((1, 1), bool)
    clear = np.zeros((2, 2), np.uint8)
    label_maps(material, clear, LAPA_OF, CELEB_OF, 2, lapa, celeb, under)
    assert (lapa[0, 0], celeb[0, 0], under[0, 0]) == (4, 5, False)
    # Two against two: the lower id wins. Material 4 is the image-right eye.
    label_maps(np.array([[EYE_L, EYE_R], [EYE_R, EYE_L]], np.uint8), clear, LAPA_OF, CELEB_OF, 2, lapa, celeb, under)
    assert (lapa[0, 0], celeb[0, 0]) == (4, 4)
    # A dark lens turns an eye into skin for LaPa and into glasses for CelebAMask-HQ; a clear one leaves the eye.
    label_maps(material, np.full((2, 2), 2, np.uint8), LAPA_OF, CELEB_OF, 2, lapa, celeb, under)
    assert (lapa[0, 0], celeb[0, 0], under[0, 0]) == (1, 3, True)
    label_maps(material, np.full((2, 2), 1, np.uint8), LAPA_OF, CELEB_OF, 2, lapa, celeb, under)
    assert (lapa[0, 0], celeb[0, 0], under[0, 0]) == (4, 5, True)


def test_no_hair_pierces_a_hat(monkeypatch):
    """No patch of hair that is seen is an island in the cloth; a brim from below is a background of its own."""
    monkeypatch.setitem(STYLES, "hatted", dataclasses.replace(STYLES["wild"], worn=Shares(0, 0, 1, 0, 0, 0, 0)))
    recipes = [draw_recipe(seed, seed, style="hatted") for seed in range(90)]
    beanies = [recipe for recipe in recipes if recipe.accessories.hat == "beanie"]
    assert len(beanies) > 20
    for recipe in beanies:
        material = trace_face(recipe).material
        assert (material == HAT).any()
        count, patches = cv2.connectedComponents((material == HAIR).astype(np.uint8), connectivity=8)
        for k in range(1, count):
            patch = (patches == k).astype(np.uint8)
            rim = (cv2.dilate(patch, np.ones((3, 3), np.uint8)) > 0) & (patch == 0)
            assert not (material[rim] == HAT).all(), (recipe.image_seed, np.argwhere(patch)[0])
