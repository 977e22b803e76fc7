"""Skin and what is painted on it: brows, lips, lashes, make-up, stubble, freckles, lines."""

from __future__ import annotations

import math

from facebench.shapes import AnyArray
from facebench.synth.compiled import inlined
from facebench.synth.curves import (
    BROW_HALF,
    BROW_MIDDLE,
    LOWER_LID,
    LOWER_LIP_ROW,
    UPPER_LID,
    UPPER_LIP_ROW,
    eye_t,
    read_curve,
)
from facebench.synth.looks import (
    BEARD,
    BLUSH,
    BROW_STRENGTH,
    EYE_BAGS,
    FRECKLES,
    GLOSS,
    LINER,
    REDNESS,
    SHADOW_STRENGTH,
    SHEEN,
    TINT_BROW,
    TINT_EYE_SHADOW,
    TINT_LIP,
    TINT_SKIN,
    WRINKLES,
)  # fmt: skip
from facebench.synth.noise import look_up, step


@inlined
def _mix(px: AnyArray, tints: AnyArray, tint: int, share: float) -> None:
    """Blend the albedo of a sample towards a colour."""
    for k in range(3):
        px[k] += (tints[tint, k] - px[k]) * share


@inlined
def _darken(px: AnyArray, red: float, green: float, blue: float) -> None:
    """Take a share of each channel away."""
    px[0] *= 1.0 - red
    px[1] *= 1.0 - green
    px[2] *= 1.0 - blue


@inlined
def paint_skin(
    cx: float, cy: float, tints: AnyArray, knobs: AnyArray, maps: AnyArray, textures: AnyArray, px: AnyArray
) -> None:
    """Bare skin: tone, redness, grain, eye bags, freckles, blush, beard, nostrils and age lines."""
    fine = look_up(textures, 0, cx * 3.1 + 40.0, cy * 3.1) - 0.5
    soft = look_up(textures, 1, cx * 1.1, cy * 1.1 + 77.0) - 0.5
    red = (maps[1] + 0.5 * soft) * knobs[REDNESS]
    tone = 1.0 + 0.09 * fine + 0.10 * soft
    px[0] = tints[TINT_SKIN, 0] * tone * (1.0 + 0.10 * red)
    px[1] = tints[TINT_SKIN, 1] * tone * (1.0 - 0.13 * red)
    px[2] = tints[TINT_SKIN, 2] * tone * (1.0 - 0.12 * red)
    bag = 0.16 * maps[2] * knobs[EYE_BAGS]
    _darken(px, bag, 1.1 * bag, 0.8 * bag)
    if knobs[FRECKLES] > 0.0 and maps[3] > 0.05:
        u, v = cx * 1.6 + 9.0, cy * 1.6 + 100.0
        spots = look_up(textures, 0, u, v) - 0.25 * (
            look_up(textures, 0, u + 2.5, v) + look_up(textures, 0, u - 2.5, v)
            + look_up(textures, 0, u, v + 2.5) + look_up(textures, 0, u, v - 2.5)
        )  # fmt: skip
        spot = step(0.20, 0.36, spots) * maps[3] * knobs[FRECKLES]
        _darken(px, 0.3 * spot, 0.45 * spot, 0.5 * spot)
    if knobs[BLUSH] > 0.0:
        share = 0.5 * knobs[BLUSH] * maps[4]
        px[0] += (min(0.62, px[0] * 1.15) - px[0]) * share
        px[1] += (px[1] * 0.62 - px[1]) * share
        px[2] += (px[2] * 0.70 - px[2]) * share
    if knobs[BEARD] > 0.0 and maps[5] > 0.02:
        bristle = look_up(textures, 0, cx * 5.3 + 13.0, cy * 2.1) - 0.5
        _mix(px, tints, TINT_BROW, min(0.93, max(0.0, maps[5] * knobs[BEARD] * (0.78 + 0.35 * fine + 0.55 * bristle))))
    _darken(px, maps[6], maps[6], maps[6])
    px[3] = knobs[SHEEN] * (1.0 - maps[6]) * (1.0 + 0.6 * fine)
    px[6] = maps[0] * (1.0 - knobs[WRINKLES] * maps[7])


@inlined
def paint_lids(cx: float, cy: float, table: AnyArray, tints: AnyArray, knobs: AnyArray, px: AnyArray) -> None:
    """Eye shadow, the crease of the lid and the lashes."""
    t = eye_t(abs(cx))
    if t < -1.25 or t > 1.35 or cy > 22.0 or cy < -12.0:
        return
    first = 0 if cx < 0 else 2
    up, low = (
        read_curve(table, first + UPPER_LID, 0.5 * (t + 1.0)),
        read_curve(table, first + LOWER_LID, 0.5 * (t + 1.0)),
    )
    over = cy - up
    if knobs[SHADOW_STRENGTH] > 0.0 and over > -1.0 and cy > low:
        share = knobs[SHADOW_STRENGTH] * math.exp(-((max(0.0, over) / 6.0) ** 2)) * step(1.35, 0.9, abs(t))
        _mix(px, tints, TINT_EYE_SHADOW, share)
    crease = 0.5 * math.exp(-(((over - 3.3 - 0.5 * t) / 0.75) ** 2)) * step(1.15, 0.7, abs(t))
    _darken(px, 0.75 * crease, 0.85 * crease, 0.85 * crease)
    width = 0.75 + knobs[LINER]
    lash = 0.0
    if t > -1.0 and over >= -0.05:
        lash = step(width + 0.5, width - 0.35, over) * step(1.12, 0.98, abs(t))
    if 1.0 <= t < 1.12:
        lash = 0.8 * step(width + 0.2, 0.0, abs(over)) * step(1.12, 1.0, t)
    if over < 0.0 and cy <= low and -1.0 < t < 1.0:
        lash = (0.35 + 0.4 * knobs[LINER]) * step(1.1, 0.1, low - cy) * step(-0.7, 0.0, t)
    lash *= 0.92
    px[0] += (0.020 - px[0]) * lash
    px[1] += (0.014 - px[1]) * lash
    px[2] += (0.012 - px[2]) * lash


@inlined
def paint_brow(
    cx: float,
    cy: float,
    table: AnyArray,
    brows: AnyArray,
    tints: AnyArray,
    knobs: AnyArray,
    textures: AnyArray,
    px: AnyArray,
) -> None:
    """Brow hairs, denser in the middle of the brow."""
    p = (abs(cx) - brows[0]) / brows[1]
    if p < -0.03 or p > 1.03 or cy < 2.0 or cy > 42.0:
        return
    middle = read_curve(table, BROW_MIDDLE, p)
    inside = read_curve(table, BROW_HALF, p) - abs(cy - middle)
    if inside < -2.0:
        return
    lean = (cy - middle) * (2.4 - 4.2 * p)
    hairs = look_up(textures, 2, (abs(cx) * 1.5 + lean) * 2.6 + (0.0 if cx < 0 else 90.0), cy * 0.9 + 31.0)
    grain = look_up(textures, 0, cx * 2.2 + 7.0, cy * 2.2)
    cover = step(-0.9, 1.5, inside + 1.5 * (hairs - 0.5)) * (0.72 + 0.5 * (hairs - 0.4) + 0.25 * (grain - 0.5))
    _mix(px, tints, TINT_BROW, min(0.95, max(0.0, cover * knobs[BROW_STRENGTH])))
    px[3] *= 1.0 - 0.8 * cover


@inlined
def paint_lips(
    cx: float, cy: float, table: AnyArray, tints: AnyArray, knobs: AnyArray, textures: AnyArray, px: AnyArray
) -> None:
    """The red of the lips, their fine furrows and the dark line between them."""
    u = abs(cx) / 25.0
    if u > 1.06 or cy > -50.0 or cy < -86.0:
        return
    inside = read_curve(table, UPPER_LIP_ROW, u) - (cy + 68.0)
    if cy < -68.0:
        inside = read_curve(table, LOWER_LIP_ROW, u) - (-68.0 - cy)
    share = step(-0.7, 0.6, inside) * step(1.05, 0.93, u)
    if share > 0.0:
        furrow = (1.0 + 0.20 * (look_up(textures, 2, cx * 3.3, cy * 0.6) - 0.5)) * (0.84 if cy > -68.0 else 1.0)
        for k in range(3):
            px[k] += (tints[TINT_LIP, k] * furrow - px[k]) * share
        px[3] += (knobs[GLOSS] - px[3]) * share
        px[4] = 22.0 + 25.0 * share
    seam = 0.75 * math.exp(-(((cy + 68.0) / 0.75) ** 2)) * step(1.1, 0.9, u)
    _darken(px, seam, seam, seam)
