"""Analytic curves of the canonical plane: lids, brows, lips and nose, shared by labels, shading and landmarks.

All lengths are millimetres of the canonical plane; `ax` is |x|, so one curve serves both sides.
"""

from __future__ import annotations

import math

import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.compiled import exact, inlined, leaf
from facebench.synth.head import EYE_HALF, EYE_X, MOUTH_HALF, NOSE_BASE_Y, SEAM_Y


@exact
def lid(t: float, upper: float, lower: float, tilt: float) -> tuple[float, float]:
    """Heights (upper lid, lower lid) at t, -1 at the inner to 1 at the outer corner of the eye."""
    base = tilt * t
    q = 1.0 - t * t
    if q <= 0.0:
        return base, base
    return base + upper * q**0.72 * (1.0 - 0.22 * t), base - lower * q**0.9 * (1.0 + 0.18 * t)


@inlined
def eye_t(ax: float) -> float:
    """Place along the eye, -1 at the inner to 1 at the outer corner."""
    return (ax - EYE_X) / EYE_HALF


@exact
def brow(p: float, curve: AnyArray) -> tuple[float, float]:
    """(middle height, half thickness) of the brow at p, 0 at its inner to 1 at its outer end.

    `curve` is (start x, length, height, arch, thickness, drop of the outer end).
    """
    q = (p - 0.62) / (0.62 if p < 0.62 else 0.5)
    middle = curve[2] + curve[3] * (1.0 - q * q) - curve[5] * p
    half = curve[4] * min(1.0, 0.55 + 2.0 * p)
    if p > 0.25:
        half *= max(0.0, 1.0 - ((p - 0.25) / 0.75) ** 2) ** 0.55
    if p < 0.06:
        half *= (max(0.0, p) / 0.06) ** 0.4
    return middle, half


@exact
def upper_lip(u: float, curve: AnyArray) -> float:
    """Height of the upper lip over the seam at u = |x| / 25 in [0, 1]; curve is (upper, lower, cupid's bow)."""
    v = max(0.0, 1.0 - u)
    return float(curve[0] * v**0.75 * (1.0 + 0.75 * u) - curve[2] * math.exp(-((u / 0.13) ** 2)))


@exact
def lower_lip(u: float, curve: AnyArray) -> float:
    """Depth of the lower lip under the seam at u in [0, 1]."""
    return float(curve[1] * max(0.0, 1.0 - u * u) ** 0.75)


@inlined
def nose_half(y: float) -> float:
    """Half width of the nose region at a height; 0 above the root and below the base."""
    if y > 8.0 or y < NOSE_BASE_Y + 0.7:
        return 0.0
    if y > -10.0:
        return 8.5 - (y + 10.0) * (2.5 / 18.0)
    if y > -28.0:
        return 8.5 + (-10.0 - y) * (5.5 / 18.0)
    if y > -39.5:
        return 14.0 + (-28.0 - y) * (4.5 / 11.5)
    d = (-39.5 - y) / 9.2
    return 18.5 * math.sqrt(max(0.0, 1.0 - 0.75 * d * d))


TABLE_CELLS = 512
UPPER_LID, LOWER_LID, BROW_MIDDLE, BROW_HALF, UPPER_LIP_ROW, LOWER_LIP_ROW = 0, 1, 4, 5, 6, 7
"""Rows of a curve table; the lids of the image-right eye lie two rows further."""


@exact
def curve_table(lids: AnyArray, brows: AnyArray, lips: AnyArray) -> AnyArray:
    """(8, 513) float: the curves of a face at even steps, since their powers cost too much at every pixel.

    Lids run over t in [-1, 1], brows over p and lips over u in [0, 1].
    """
    out = np.empty((8, TABLE_CELLS + 1))
    for k in range(TABLE_CELLS + 1):
        share = k / TABLE_CELLS
        out[0, k], out[1, k] = lid(2.0 * share - 1.0, lids[0], lids[1], lids[4])
        out[2, k], out[3, k] = lid(2.0 * share - 1.0, lids[2], lids[3], lids[4])
        out[4, k], out[5, k] = brow(share, brows)
        out[6, k], out[7, k] = upper_lip(share, lips), lower_lip(share, lips)
    return out


@leaf
def read_curve(table: AnyArray, row: int, share: float) -> float:
    """Value of a row of a curve table at a share of its range, clamped to [0, 1]."""
    place = min(max(share, 0.0), 1.0) * TABLE_CELLS
    cell = min(int(place), TABLE_CELLS - 1)
    return float(table[row, cell] + (table[row, cell + 1] - table[row, cell]) * (place - cell))


@exact
def face_point(
    kind: int, side: float, a: float, which: int, lids: AnyArray, brows: AnyArray, lips: AnyArray
) -> tuple[float, float]:
    """Canonical (x, y) of a landmark on a curve.

    Args:
        kind: 1 lid, 2 brow, 3 outline of the lips, 4 seam of the lips.
        side: -1 image left, 1 image right.
        a: t of the lid, p of the brow, or x of the lips (signed).
        which: 1 the upper curve, -1 the lower one, 0 the middle.
        lids: (5,) upper and lower of the image-left eye, upper and lower of the image-right eye, tilt.
        brows: (6,) brow curve.
        lips: (3,) lip curve.
    """
    if kind == 1:
        first = 0 if side < 0 else 2
        up, low = lid(a, lids[first], lids[first + 1], lids[4])
        return side * (EYE_X + a * EYE_HALF), up if which > 0 else (low if which < 0 else 0.5 * (up + low))
    if kind == 2:
        middle, half = brow(a, brows)
        return side * (brows[0] + a * brows[1]), middle + which * half
    if kind == 3:
        u = min(1.0, abs(a) / MOUTH_HALF)
        return a, SEAM_Y + (upper_lip(u, lips) if which > 0 else -lower_lip(u, lips))
    return a, SEAM_Y
