"""Eyes, teeth, hair, ears, cloth and metal: the albedo and gloss of everything that is not the skin of the face."""

from __future__ import annotations

import math

from facebench.shapes import AnyArray
from facebench.synth.compiled import inlined
from facebench.synth.curves import LOWER_LID, UPPER_LID, eye_t, read_curve
from facebench.synth.head import EYE_RADIUS
from facebench.synth.looks import CURL, LEAN, MOUTH_GAP, PATTERN, TINT_CLOTH, TINT_HAIR, TINT_IRIS, TINT_SKIN
from facebench.synth.noise import look_up, step

IRIS_RADIUS, PUPIL_RADIUS = 6.1, 2.3
_TEETH_MM = 7.0


@inlined
def set_sample(
    px: AnyArray, tints: AnyArray, tint: int, shade: float, specular: float, power: float, scatter: float, open_: float
) -> None:
    """Fill the slots of a sample (looks.py) with a plain material."""
    for k in range(3):
        px[k] = tints[tint, k] * shade
    px[3], px[4], px[5], px[6], px[7] = specular, power, scatter, open_, 0.0


@inlined
def paint_eye(
    cx: float, cy: float, view: AnyArray, centres: AnyArray, eye: int, gaze: AnyArray, rotation: AnyArray,
    table: AnyArray, tints: AnyArray, textures: AnyArray, normal: AnyArray, px: AnyArray,
) -> None:  # fmt: skip
    """The eyeball seen through the opening of the lids: a ray meets a sphere; the normal becomes the sphere's.

    Args:
        cx: canonical x, mm.
        cy: canonical y, mm.
        view: (3,) unit vector towards the camera, view frame.
        centres: (2, 3) centres of the eyeballs, view frame, mm.
        eye: 0 image left, 1 image right.
        gaze: (3,) unit direction of the eye, view frame.
        rotation: (3, 3) head to view axes.
        table: curves of the face, `curves.curve_table`.
        tints: (12, 3) float, looks.py.
        textures: noise.textures().
        normal: (3,) written.
        px: the sample, written.
    """
    along = -(view[0] * centres[eye, 0] + view[1] * centres[eye, 1] + view[2] * centres[eye, 2])
    square = centres[eye, 0] ** 2 + centres[eye, 1] ** 2 + centres[eye, 2] ** 2 - EYE_RADIUS * EYE_RADIUS
    reach = along - math.sqrt(max(0.0, along * along - square))
    length = 1e-9
    for k in range(3):
        normal[k] = (-view[k] * reach - centres[eye, k]) / EYE_RADIUS
        length += normal[k] ** 2
    for k in range(3):
        normal[k] /= math.sqrt(length)
    dx, dy, dz = normal[0] - gaze[0], normal[1] - gaze[1], normal[2] - gaze[2]
    radius = EYE_RADIUS * math.sqrt(dx * dx + dy * dy + dz * dz)
    t = eye_t(abs(cx))
    corner = step(0.45, 1.0, abs(t))
    px[0], px[1], px[2] = 0.54 - 0.12 * corner, 0.50 - 0.24 * corner, 0.48 - 0.24 * corner
    px[3], px[4], px[5], px[7] = 0.9, 140.0, 0.0, 0.4
    q = radius / IRIS_RADIUS
    if q < 1.08:
        across = rotation[0, 0] * dx + rotation[1, 0] * dy + rotation[2, 0] * dz
        along_y = rotation[0, 1] * dx + rotation[1, 1] * dy + rotation[2, 1] * dz
        rays = 0.75 + 0.6 * look_up(textures, 1, math.atan2(along_y, across) * 20.0 + 60.0, radius * 6.0)
        tint = rays * (0.75 + 0.5 * step(0.9, 0.45, q)) * (1.0 - 0.75 * step(0.80, 1.0, q))
        share = step(1.08, 0.96, q)
        pupil = 1.0 - 0.97 * step(PUPIL_RADIUS + 0.35, PUPIL_RADIUS - 0.25, radius)
        for k in range(3):
            px[k] = (px[k] * (1.0 - share) + share * tints[TINT_IRIS, k] * tint) * pupil
    if t < -0.86:
        px[0], px[1], px[2], px[3], px[4] = 0.62 * tints[TINT_SKIN, 0] + 0.2, 0.26, 0.23, 0.4, 40.0
    first = 0 if cx < 0 else 2
    up, low = (
        read_curve(table, first + UPPER_LID, 0.5 * (t + 1.0)),
        read_curve(table, first + LOWER_LID, 0.5 * (t + 1.0)),
    )
    px[6] = (0.42 + 0.58 * step(0.0, 3.6, up - cy)) * (0.7 + 0.3 * step(0.0, 1.2, cy - low))


@inlined
def paint_mouth(cx: float, depth: float, knobs: AnyArray, px: AnyArray) -> None:
    """Inside the mouth: teeth hanging from the upper lip, the dark behind them, the tongue below."""
    u = abs(cx) / 25.0
    below = depth * knobs[MOUTH_GAP] * math.sqrt(max(0.0, 1.0 - u * u))
    px[5], px[7] = 0.0, 0.0
    if below < _TEETH_MM and u < 0.82:
        shade = (0.62 + 0.38 * step(0.85, 0.2, u)) * (0.86 + 0.14 * step(0.0, 0.16, abs(math.sin(cx * 0.42))))
        shade *= step(-0.5, 1.8, below)
        px[0], px[1], px[2] = 0.82 * shade, 0.76 * shade, 0.66 * shade
        px[3], px[4], px[6], px[7] = 0.2, 40.0, 0.95, 0.7
        return
    dark = 0.4 + 0.6 * step(0.0, 0.25, depth)
    px[0], px[1], px[2], px[3], px[4], px[6] = 0.16, 0.035, 0.035, 0.05, 30.0, 0.45 * dark
    if depth > 0.62:
        px[0], px[1], px[2] = 0.42, 0.12, 0.12
        px[6] = (0.35 + 0.5 * step(0.62, 1.0, depth)) * dark


@inlined
def hair_tone(theta: float, cy: float, knobs: AnyArray, textures: AnyArray) -> tuple[float, float]:
    """(brightness of a lock, its value 0 to 1): streaks of straight hair, or lumps of curls."""
    lock = look_up(textures, 2, theta * 3.555556 + cy * knobs[LEAN], cy * 0.22)
    strand = look_up(textures, 2, theta * 9.244444 + cy * knobs[LEAN] * 2.0, cy * 0.2 + 50.0)
    straight = 0.45 + 0.65 * lock + 0.45 * (strand - 0.5)
    if knobs[CURL] <= 0.0:
        return straight, lock
    lump = look_up(textures, 1, theta * 5.688889, cy * 2.4)
    fine = look_up(textures, 0, theta * 4.266667, cy * 2.0)
    curly = 0.35 + 0.75 * lump + 0.5 * (fine - 0.5)
    return straight + (curly - straight) * knobs[CURL], lock + (lump - lock) * knobs[CURL]


@inlined
def paint_hair(
    theta: float, cy: float, view: AnyArray, key: AnyArray, rotation: AnyArray, normal: AnyArray, lit: float,
    tints: AnyArray, knobs: AnyArray, textures: AnyArray, px: AnyArray,
) -> None:  # fmt: skip
    """Locks with the highlight of fibres (Kajiya and Kay 1989) that run down the head."""
    tone, lock = hair_tone(theta, cy, knobs, textures)
    half = 0.0
    facing, dot, upright = 0.25, 0.0, 0.0
    for k in range(3):
        h = key[k] + view[k]
        half += h * h
        facing += normal[k] * key[k]
        upright += rotation[k, 1] * normal[k]
    length = 1e-6
    for k in range(3):
        tangent = rotation[k, 1] - upright * normal[k]
        length += tangent * tangent
        dot += tangent * (key[k] + view[k])
    along = dot / math.sqrt(length * (half + 1e-9)) + 0.25 * (lock - 0.5)
    sharp = max(0.0, 1.0 - along * along)
    sharp = sharp * sharp * sharp
    sharp = sharp * sharp
    glint = sharp * sharp * sharp * 0.30 * tone * lit * max(0.0, facing) * (1.0 - 0.7 * knobs[CURL])
    px[0] = tints[TINT_HAIR, 0] * tone + glint * (0.25 + tints[TINT_HAIR, 0])
    px[1] = tints[TINT_HAIR, 1] * tone + glint * (0.22 + tints[TINT_HAIR, 1])
    px[2] = tints[TINT_HAIR, 2] * tone + glint * (0.20 + tints[TINT_HAIR, 2])
    px[3], px[4], px[5], px[7] = 0.0, 20.0, 0.0, 0.0


@inlined
def paint_cloth(
    cx: float, cy: float, over_edge: float, tints: AnyArray, knobs: AnyArray, textures: AnyArray, px: AnyArray
) -> None:
    """Woven cloth with a hem; plain, striped or checked."""
    grain = 0.85 + 0.3 * look_up(textures, 1, cx * 1.3, cy * 1.3)
    if knobs[PATTERN] > 0.66:
        grain *= 0.55 + 0.45 * step(-0.15, 0.15, math.sin(cy * 0.55))
    elif knobs[PATTERN] > 0.5:
        across = step(-0.2, 0.2, math.sin(cx * 0.4)) + step(-0.2, 0.2, math.sin(cy * 0.4))
        grain *= 0.6 + 0.2 * across
    if over_edge > -4.0:
        grain *= 0.72
    set_sample(px, tints, TINT_CLOTH, grain, 0.02, 20.0, 0.0, 0.95)


@inlined
def paint_knit(tints: AnyArray, tint: int, theta: float, cy: float, textures: AnyArray, px: AnyArray) -> None:
    """Ribbed knitwear: hats and scarfs."""
    rib = 0.75 + 0.25 * abs(math.sin(theta * 0.35)) + 0.22 * (look_up(textures, 0, theta * 2.844444, cy * 2.0) - 0.5)
    set_sample(px, tints, tint, rib, 0.02, 20.0, 0.05, 0.9)
