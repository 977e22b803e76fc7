"""Landmark orders and class lists agree with the official code, with real faces and with one another."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from facebench.schemes import (
    AFLW19,
    CELEB19,
    COFW29,
    FARL_CELEB19,
    IBUG68,
    LABEL_SCHEMES,
    LANDMARK_SCHEMES,
    LAPA11,
    NOW_LANDMARKS,
    WFLW98,
)

GOLDEN = json.loads((Path(__file__).parent / "golden" / "protocol_golden.json").read_text(encoding="utf-8"))
CASES = {case["id"]: case for case in GOLDEN["cases"]}


@pytest.mark.parametrize(
    ("scheme", "case"),
    [(WFLW98, "flip.WFLW"), (IBUG68, "flip.300W"), (COFW29, "flip.COFW"), (AFLW19, "flip.AFLW")],
    ids=lambda x: getattr(x, "name", x),
)
def test_flips_are_those_that_hrnet_s_own_code_gave(scheme, case):
    assert list(scheme.flip) == CASES[case]["expected"]["perm"]
    assert scheme.size == CASES[case]["inputs"]["L"]


@pytest.mark.parametrize("scheme", LANDMARK_SCHEMES.values(), ids=lambda s: s.name)
def test_a_flip_swaps_the_eyes_with_which_a_normaliser_is_made(scheme):
    left, right = scheme.corners
    assert scheme.flip[left] == right
    mirrored = tuple(sorted(scheme.flip[k] for k in scheme.pupils[0]))
    assert mirrored == tuple(sorted(scheme.pupils[1]))
    assert all(0 <= k < scheme.size for k in (left, right, *scheme.pupils[0], *scheme.pupils[1]))


def mean_shape(faces: np.ndarray) -> np.ndarray:
    """Mean of `faces` (N, K, 2), each centred and scaled to unit spread."""
    centred = faces - faces.mean(axis=1, keepdims=True)
    return (centred / np.sqrt((centred**2).mean(axis=(1, 2), keepdims=True))).mean(axis=0)


def asymmetry(shape: np.ndarray, flip: tuple[int, ...]) -> float:
    """Largest distance between `shape` (K, 2) and its mirror image, in units of its spread."""
    mirrored = shape[list(flip)] * [-1.0, 1.0]
    return float(np.linalg.norm(mirrored - shape, axis=1).max())


def test_the_mean_of_real_300w_faces_is_its_own_mirror_image(shared_data):
    rows = np.genfromtxt(shared_data / "w300_choidm" / "face_landmarks_300w_valid.csv", delimiter=",", skip_header=1)
    shape = mean_shape(rows[:, -136:].reshape(-1, 68, 2))
    assert asymmetry(shape, IBUG68.flip) < 0.2
    wrong = list(IBUG68.flip)
    wrong[48], wrong[54] = 48, 54
    assert asymmetry(shape, tuple(wrong)) > 0.5


def test_the_mean_of_real_wflw_faces_is_its_own_mirror_image(shared_data):
    with gzip.open(shared_data / "wflw_merged" / "wflw_test_merged.json.gz", "rt", encoding="utf-8") as file:
        stored = json.load(file)
    whole = np.array([face["landmarks98"] for face in stored if face["full98"]], dtype=float)
    assert len(whole) == 1966
    assert asymmetry(mean_shape(whole), WFLW98.flip) < 0.2


def test_lapa_has_the_ids_of_its_labelmap():
    assert LAPA11.size == 11
    assert [LAPA11.classes[i] for i in (0, 1, 6, 8, 10)] == ["background", "skin", "nose", "i-mouth", "hair"]
    assert [LAPA11.classes[i] for i in LAPA11.groups["eyes"]] == ["l-eye", "r-eye"]
    assert [LAPA11.classes[i] for i in LAPA11.groups["brows"]] == ["l-brow", "r-brow"]
    assert [LAPA11.classes[i] for i in LAPA11.groups["mouth"]] == ["u-lip", "i-mouth", "l-lip"]
    # Helen's overall: brows, eyes, nose and mouth; neither skin nor hair.
    assert {LAPA11.classes[i] for i in LAPA11.groups["overall"]} == set(LAPA11.classes) - {"background", "skin", "hair"}


def test_the_two_orders_of_celebamask_are_those_of_the_official_code_and_of_farl():
    # g_mask.py and FaRL name the parts otherwise than we do; the order is what matters.
    ours = {
        "eye_g": "eyeglasses", "l_eye": "l-eye", "r_eye": "r-eye", "l_brow": "l-brow", "r_brow": "r-brow",
        "l_ear": "l-ear", "r_ear": "r-ear", "mouth": "i-mouth", "u_lip": "u-lip", "l_lip": "l-lip", "ear_r": "earring",
        "neck_l": "necklace",
    }  # fmt: skip
    inputs = CASES["celeb.paint_order"]["inputs"]
    farl, official = inputs["farl_order"], inputs["official_order"]
    assert [ours.get(part, part) for part in farl] == list(FARL_CELEB19.classes[1:])
    assert [ours.get(part, part) for part in official] == list(CELEB19.classes[1:])


@pytest.mark.parametrize("scheme", LABEL_SCHEMES.values(), ids=lambda s: s.name)
def test_class_lists_are_sound(scheme):
    assert scheme.classes[0] == "background"
    assert len(set(scheme.classes)) == scheme.size
    assert scheme.headline == f"mean-fg{scheme.size - 1}"
    assert all(0 not in group for group in scheme.groups.values())
    for a, b in scheme.flip:
        assert {scheme.classes[a][0], scheme.classes[b][0]} == {"l", "r"}
        assert scheme.classes[a][1:] == scheme.classes[b][1:]
    sided = {i for i, name in enumerate(scheme.classes) if name[:2] in ("l-", "r-") and name != "l-lip"}
    assert {i for pair in scheme.flip for i in pair} == sided


def test_now_has_its_seven_landmarks_by_name():
    assert len(set(NOW_LANDMARKS)) == 7
    assert [("right" in name, "left" in name) for name in NOW_LANDMARKS].count((True, False)) == 3
