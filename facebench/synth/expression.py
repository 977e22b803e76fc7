"""Expression parameters: twenty linear fields, the jaw's rotation, the lids and the gaze; and named expressions.

`r` is the person's right, which lies on the image left of a frontal face. Amplitudes are the author's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.fields import bump, ramp
from facebench.synth.head import MOUTH_HALF, SEAM_Y, Head, lens
from facebench.synth.identity import ShapeField


@dataclass(frozen=True)
class Expression:
    """What a face does at one moment.

    Attributes:
        name: name of the expression it was drawn from, "neutral" for none.
        weights: linear parameter name to weight; absent ones are 0.
        jaw: rotation of the jaw, radians, 0 (closed) to 0.34.
        blink: closing of the lids, person's right then left: -0.3 (wide) to 1 (closed).
        gaze: (dx, dy) of the direction of the eyes, x to the image right, y up; 0 is straight ahead of the head.
    """

    name: str = "neutral"
    weights: Mapping[str, float] = field(default_factory=dict)
    jaw: float = 0.0
    blink: tuple[float, float] = (0.0, 0.0)
    gaze: tuple[float, float] = (0.0, 0.0)


def _one_side(head: Head, side: str) -> list[ShapeField]:
    """Fields of one half of the face."""
    cx, cy, front = head.cx, head.cy, head.front
    ax, sign = np.abs(cx), np.sign(cx)
    left_weight = ramp(-6, 6, cx)
    here = front * (left_weight if side == "l" else 1 - left_weight)
    corner = bump(ax, cy, 25, -68, 15, 13) * here
    cheek = bump(ax, cy, 42, -28, 17, 15) * here
    fold = np.exp(-(((ax - (19 - (cy + 41) * 0.5)) / 4) ** 2)) * ramp(-36, -45, cy) * ramp(-80, -64, cy) * here
    brow = bump(ax, cy, 32, 19, 26, 11) * here
    inner = bump(ax, cy, 14, 17, 12, 10) * here
    lid = bump(ax, cy, 33, -11, 17, 7) * here
    pouch = bump(ax, cy, 34, -12, 16, 7) * here
    wing = bump(ax, cy, 12, -40, 9, 10) * here
    bridge = bump(ax, cy, 9, -14, 6, 8) * here
    return [
        ShapeField(f"smile_{side}", 1, {0: sign * 6.5 * corner, 1: 7.5 * corner + 2.2 * cheek,
                                        2: -4.0 * corner + 3.0 * cheek - 1.2 * fold}),
        ShapeField(f"frown_{side}", 1, {0: sign * 1.5 * corner, 1: -6.0 * corner, 2: -corner}),
        ShapeField(f"brow_up_{side}", 1, {1: 6.5 * brow, 2: 0.8 * brow}),
        ShapeField(f"brow_inner_up_{side}", 1, {0: -sign * inner, 1: 4.5 * inner, 2: 0.6 * inner}),
        ShapeField(f"brow_down_{side}", 1, {0: -sign * 2.6 * inner, 1: -3.2 * brow - 2.5 * inner, 2: 1.5 * inner}),
        ShapeField(f"squint_{side}", 1, {1: 2.0 * lid, 2: 1.8 * pouch}),
        ShapeField(f"nose_wrinkle_{side}", 1, {1: 2.4 * wing, 2: 1.2 * bridge}),
    ]  # fmt: skip


def upper_share(head: Head) -> AnyArray:
    """(rows, 1) float: 1 on the upper side of the seam, 0 on the lower, linear through the inner mouth."""
    row = np.arange(len(head.rows))
    share = np.where(row < head.lower_seam, 1.0, 0.0)
    inside = (head.depth > 0) & (head.depth < 1)
    return np.where(inside, 1 - head.depth, share)[:, None]


def expression_fields(head: Head) -> list[ShapeField]:
    """All linear expression parameters, in the fixed order of the coefficients."""
    cx, cy, front = head.cx, head.cy, head.front
    ax, sign = np.abs(cx), np.sign(cx)
    mouth = bump(ax, cy, 0, -69, 30, 16) * front
    muzzle = bump(ax, cy, 0, -69, 20, 12) * front
    opening = lens(cx) * (front > 0.5) * front
    up = upper_share(head)
    near, nearer = np.exp(-(((cy - SEAM_Y) / 13) ** 2)), np.exp(-(((cy - SEAM_Y) / 10) ** 2))
    lips = np.exp(-(((cy - SEAM_Y) / 7) ** 2)) * opening
    puff = {0: sign * 5 * bump(ax, cy, 48, -58, 18, 18), 2: 5 * bump(ax, cy, 36, -60, 16, 16) * front}
    return [
        *_one_side(head, "r"),
        *_one_side(head, "l"),
        ShapeField("pucker", 1, {0: -0.42 * cx * mouth, 2: 6.5 * muzzle}),
        ShapeField("stretch", 1, {0: 0.22 * cx * mouth, 2: -2 * mouth}),
        ShapeField("upper_lip_up", 1, {1: 4.2 * opening * up * near, 2: 0.6 * opening * up * nearer}),
        ShapeField("lower_lip_down", 1, {1: -4.5 * opening * (1 - up) * near, 2: 0.4 * opening * (1 - up) * nearer}),
        ShapeField("lip_press", 1, {2: -1.8 * lips}),
        ShapeField("cheek_puff", 1, puff),
        ShapeField("jaw_left", 1, {0: 7 * ramp(-55, -95, cy) * front}),
        ShapeField("jaw_forward", 1, {2: 5 * ramp(-62, -92, cy) * front}),
    ]


JAW_AXIS = (-12.0, 4.0)
"""(y, z) of the axis that the jaw turns about, mm."""


def jaw_weight(head: Head) -> AnyArray:
    """(rows, columns) float: how far each vertex follows the jaw; equal on both lips at the corners of the mouth."""
    follow = ramp(-58, -94, head.cy)
    opening = lens(head.cx) * (np.cos(head.theta)[None] > 0)
    up = upper_share(head)
    above, below = follow * (1 - opening), follow + (1 - follow) * opening
    return np.asarray((above * up + below * (1 - up)) * ramp(-0.9, -0.1, np.cos(head.theta))[None])


def mouth_opening(head: Head) -> AnyArray:
    """(rows, columns) float: how far the lips narrow when the jaw opens, 1 in the middle of the mouth."""
    return np.asarray(lens(head.cx) * (np.abs(head.cx) < MOUTH_HALF) * (np.cos(head.theta)[None] > 0))


_SHARES = {
    "smile": 0.24, "laugh": 0.16, "surprise": 0.13, "angry": 0.10, "sad": 0.10,
    "pucker": 0.06, "talk": 0.10, "wink": 0.04, "disgust": 0.05, "puff": 0.02,
}  # fmt: skip
"""How often each expression is drawn when the face is not neutral."""


def draw_expression(rng: np.random.Generator, *, neutral_share: float) -> Expression:
    """An expression at random; `neutral_share` of them neutral."""
    gaze = (float(rng.normal() * 0.12), float(rng.normal() * 0.06))
    if rng.random() < neutral_share:
        closed = rng.random() < 0.05
        return Expression(blink=(1.0, 1.0) if closed else (0.0, 0.0), gaze=gaze)
    name = str(rng.choice(list(_SHARES), p=list(_SHARES.values())))
    return _named(name, rng, gaze)


def _named(name: str, rng: np.random.Generator, gaze: tuple[float, float]) -> Expression:
    """One expression of the given name with its own strength and a slight asymmetry."""
    strength = rng.uniform(0.6, 1.1)
    weights: dict[str, float] = {}

    def both(parameter: str, weight: float) -> None:
        for side in "rl":
            weights[f"{parameter}_{side}"] = weight * rng.uniform(0.85, 1.15)

    jaw, blink = 0.0, (0.0, 0.0)
    if name == "smile":
        both("smile", strength)
        both("squint", 0.5 * strength)
    elif name == "laugh":
        both("smile", strength)
        both("squint", 0.9 * strength)
        weights |= {"upper_lip_up": 0.8 * strength, "lower_lip_down": 0.3}
        jaw, blink = rng.uniform(0.08, 0.22), (0.3, 0.3)
    elif name == "surprise":
        both("brow_up", strength)
        jaw, blink = rng.uniform(0.15, 0.34), (-0.28, -0.28)
    elif name == "angry":
        both("brow_down", strength)
        both("nose_wrinkle", 0.5 * strength)
        both("frown", 0.4)
        weights["lip_press"], blink = 0.6 * strength, (0.15, 0.15)
    elif name == "sad":
        both("frown", strength)
        both("brow_inner_up", 0.8 * strength)
        blink = (0.25, 0.25)
    elif name == "pucker":
        weights["pucker"] = strength
    elif name == "talk":
        jaw, weights["stretch"] = rng.uniform(0.05, 0.16), rng.uniform(-0.5, 0.8)
    elif name == "wink":
        side = int(rng.integers(2))
        both("squint", 0.3)
        weights["smile_" + "rl"[side]], blink = 0.7, (1.0, 0.0) if side == 0 else (0.0, 1.0)
    elif name == "disgust":
        both("nose_wrinkle", strength)
        both("brow_down", 0.5)
        weights["upper_lip_up"] = 0.5 * strength
    elif name == "puff":
        weights["cheek_puff"] = strength
    weights |= {"jaw_left": rng.normal() * 0.12}
    return Expression(name, weights, float(jaw), blink, gaze)
