"""Forty shape parameters of a person, each a named field on the mean head.

Ratios scale, millimetres move; sd is the spread over people. Fields and spreads are the author's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.fields import bump, ramp
from facebench.synth.head import EYE_X, Head


@dataclass(frozen=True, eq=False)
class ShapeField:
    """One named displacement of the head for a coefficient of 1.

    Attributes:
        name: the parameter.
        spread: standard deviation of the coefficient over people, mm or a ratio; 1 for expressions.
        moves: axis (0 x, 1 y, 2 z) to (rows, columns) float, mm per unit of the coefficient.
    """

    name: str
    spread: float
    moves: dict[int, AnyArray]


def _proportions(cx: AnyArray, ax: AnyArray, cy: AnyArray, z: AnyArray, front: AnyArray) -> list[ShapeField]:
    """Scales of the whole head and of large zones."""
    eye = bump(ax, cy, EYE_X, 0, 20, 14) * front
    sign = np.sign(cx)
    return [
        ShapeField("head_width", 0.045, {0: cx}),
        ShapeField("head_height", 0.04, {1: cy}),
        ShapeField("head_depth", 0.04, {2: z}),
        ShapeField("jaw_width", 0.045, {0: cx * ramp(-30, -85, cy)}),
        ShapeField("cheek_width", 0.035, {0: cx * np.exp(-(((cy + 20) / 28) ** 2))}),
        ShapeField("forehead_width", 0.04, {0: cx * ramp(15, 60, cy)}),
        ShapeField("eye_size", 0.05, {0: sign * (ax - EYE_X) * eye, 1: cy * eye}),
        ShapeField("eye_tilt", 0.05, {1: (ax - EYE_X) * bump(ax, cy, EYE_X, 0, 20, 12) * front}),
        ShapeField("mouth_width", 0.06, {0: cx * bump(ax, cy, 0, -68, 34, 18) * front}),
    ]


def _heights(ax: AnyArray, cy: AnyArray, front: AnyArray) -> list[ShapeField]:
    """Features that lie higher or lower."""
    return [
        ShapeField("chin_height", 3.0, {1: -ramp(-72, -112, cy)}),
        ShapeField("face_mid_height", 2.0, {1: -ramp(-10, -50, cy)}),
        ShapeField("forehead_height", 3.0, {1: ramp(20, 90, cy)}),
        ShapeField("eye_height", 1.3, {1: bump(ax, cy, 32, 4, 30, 20) * front}),
        ShapeField("brow_height", 1.4, {1: bump(ax, cy, 32, 19, 32, 9) * front}),
        ShapeField("nose_length", 1.6, {1: -bump(ax, cy, 0, -43, 24, 14) * front}),
        ShapeField("tip_up", 1.3, {1: bump(ax, cy, 0, -38, 10, 9) * front}),
        ShapeField("mouth_height", 1.5, {1: bump(ax, cy, 0, -70, 34, 15) * front}),
        ShapeField("mouth_corner", 0.9, {1: bump(ax, cy, 25, -68, 9, 8) * front}),
    ]


def _breadths(cx: AnyArray, ax: AnyArray, cy: AnyArray, front: AnyArray) -> list[ShapeField]:
    """Features that are broader or narrower, and the asymmetries."""
    sign = np.sign(cx)
    fat = {0: sign * bump(ax, cy, 52, -55, 20, 24), 2: bump(ax, cy, 42, -55, 20, 24) * front}
    return [
        ShapeField("chin_width", 2.0, {0: sign * bump(ax, cy, 18, -108, 14, 12)}),
        ShapeField("eye_spacing", 1.5, {0: sign * bump(ax, cy, 32, 4, 20, 22) * front}),
        ShapeField("nose_width", 1.5, {0: sign * bump(ax, cy, 14, -40, 9, 12) * front}),
        ShapeField("bridge_width", 1.0, {0: sign * bump(ax, cy, 8, -12, 8, 20) * front}),
        ShapeField("cheek_fat", 2.4, fat),
        ShapeField("jaw_angle", 1.7, {0: sign * bump(ax, cy, 56, -68, 14, 18)}),
        ShapeField("asym_mouth", 0.5, {0: bump(ax, cy, 0, -70, 40, 25) * front}),
        ShapeField("asym_nose", 0.6, {0: bump(ax, cy, 0, -36, 14, 18) * front}),
        ShapeField("asym_eye", 0.4, {1: sign * bump(ax, cy, 32, 5, 22, 18) * front}),
    ]


def _reliefs(ax: AnyArray, cy: AnyArray, front: AnyArray) -> list[ShapeField]:
    """Features that stand out more or less."""
    fold = np.exp(-(((ax - (17 - (cy + 41) * 0.42)) / 3.8) ** 2)) * ramp(-38, -45, cy) * ramp(-78, -64, cy)
    hills = [
        ("chin_forward", 2.6, bump(ax, cy, 0, -103, 24, 17)),
        ("forehead_slope", 3.0, ramp(20, 80, cy)),
        ("eye_depth", 1.3, bump(ax, cy, 32, 2, 20, 13)),
        ("brow_ridge", 1.4, bump(ax, cy, 26, 17, 24, 9)),
        ("nose_proj", 2.2, bump(ax, cy, 0, -34, 12, 16)),
        ("bridge_height", 1.6, bump(ax, cy, 0, -6, 9, 16)),
        ("nose_hump", 1.0, bump(ax, cy, 0, -19, 8, 8)),
        ("alae", 0.9, bump(ax, cy, 13, -40, 6, 6)),
        ("muzzle", 1.5, bump(ax, cy, 0, -65, 26, 16)),
        ("upper_lip_full", 0.8, bump(ax, cy, 3, -63.5, 13, 4)),
        ("lower_lip_full", 0.8, bump(ax, cy, 0, -73.5, 14, 4.5)),
        ("cheekbone", 1.6, bump(ax, cy, 46, -22, 18, 14)),
        ("nasolabial", 0.7, -fold),
    ]
    return [ShapeField(name, spread, {2: field * front}) for name, spread, field in hills]


def identity_fields(head: Head) -> list[ShapeField]:
    """All identity parameters, in the fixed order of the coefficients."""
    cx, cy, front = head.cx, head.cy, head.front
    ax = np.abs(cx)
    return [
        *_proportions(cx, ax, cy, head.mean[2].astype(float), front),
        *_heights(ax, cy, front),
        *_breadths(cx, ax, cy, front),
        *_reliefs(ax, cy, front),
    ]


MALE_SHIFT = {
    "brow_ridge": 1.1, "jaw_angle": 1.1, "jaw_width": 0.022, "chin_width": 1.5, "chin_height": 1.3, "nose_proj": 0.7,
    "nose_width": 0.7, "upper_lip_full": -0.35, "lower_lip_full": -0.2, "head_width": 0.012, "forehead_slope": -1.2,
    "cheek_fat": -0.7, "eye_size": -0.03, "eye_depth": -0.5, "nose_length": 0.6,
}  # fmt: skip
"""Mean of the coefficients of men; women have the opposite sign."""
