"""Maps of the canonical plane that never change: where skin is shaded, red, freckled, bearded or wrinkled.

The shader looks them up once a pixel instead of evaluating two dozen Gaussians.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.compiled import inlined
from facebench.synth.fields import bump, ramp

CELL = 0.8
_LOW_Y, _HIGH_Y, _FAR_X = -118.0, 66.0, 90.0
OCCLUSION, REDNESS, EYE_BAG, FRECKLES, BLUSH, BEARD, NOSTRIL, WRINKLES = range(8)


def _beard(ax: AnyArray, cy: AnyArray) -> AnyArray:
    """Density of the beard: jaw, chin and upper lip, bare round the lips and along the middle of the lower lip."""
    jaw = ramp(-44, -56, cy - 0.30 * np.maximum(0.0, ax - 22)) * (1 - 0.6 * bump(ax, cy, 0, -80, 3, 1))
    jaw = jaw * ramp(6, 16, np.hypot(ax * 0.55, cy + 70))
    cheek = ramp(-36, -50, cy + 0.5 * (62 - ax)) * ramp(50, 60, ax) * ramp(8, -20, cy)
    return np.asarray(np.maximum.reduce([jaw, 0.95 * bump(ax, cy, 9, -55.5, 20, 3.6), 0.9 * cheek]))


def _wrinkles(ax: AnyArray, cy: AnyArray) -> AnyArray:
    """Depth of age lines: forehead, nasolabial fold and the outer corners of the eyes."""
    wave = np.sin(cy * 0.46 + 0.0024 * ax * ax) / 0.33
    forehead = 0.24 * np.exp(-wave * wave) * ramp(38, 20, ax) * ramp(23, 30, cy) * ramp(56, 48, cy)
    fold = 0.30 * np.exp(-(((ax - (17.5 - (cy + 41) * 0.42)) / 1.7) ** 2)) * ramp(-40, -45, cy) * ramp(-76, -68, cy)
    wave = np.sin((cy + 0.22 * (ax - 48)) * 1.1) / 0.45
    return np.asarray(forehead + fold + 0.16 * np.exp(-wave * wave) * bump(ax, cy, 54, -3, 4.5, 8))


def _occlusion(ax: AnyArray, cy: AnyArray) -> AnyArray:
    """Ambient light that reaches the skin, 1 in the open."""
    hollows = [
        (0.34, 18.5, 2, 7, 7), (0.20, 30, 9, 16, 5), (0.30, 0, -49.6, 13, 3.6), (0.24, 0, -81, 17, 4.2),
        (0.30, 18.8, -41.5, 2.6, 5.6), (0.22, 26, -68.5, 3.2, 3.2), (0.10, 0, -54.5, 2.8, 5.0),
    ]  # fmt: skip
    out = np.ones_like(ax)
    for depth, *where in hollows:
        out = out * (1 - depth * bump(ax, cy, *where))
    return np.asarray(out * (1 - 0.3 * ramp(-108, -117, cy)))


@cache
def skin_maps() -> AnyArray:
    """(rows, columns, 8) float32 over y from -118 and |x| from 0, CELL mm apart; channels as named above."""
    ax, cy = np.meshgrid(np.arange(0, _FAR_X, CELL), np.arange(_LOW_Y, _HIGH_Y, CELL))
    nostril = np.exp(-(((ax - 6.8 - 0.25 * (cy + 46)) / 3.3) ** 2) - ((cy + 46.1) / 1.75) ** 2)
    red = (
        0.9 * bump(ax, cy, 40, -26, 17, 15) + 0.9 * bump(ax, cy, 0, -37.5, 15, 9) + 0.4 * bump(ax, cy, 0, -100, 16, 10)
    )
    channels = [
        _occlusion(ax, cy), red, bump(ax, cy, 27, -11, 11, 4.5), bump(ax, cy, 24, -22, 26, 14),
        bump(ax, cy, 45, -27, 13, 11), _beard(ax, cy), ramp(0.28, 0.75, nostril) * 0.93, _wrinkles(ax, cy),
    ]  # fmt: skip
    return np.stack(channels, -1).astype(np.float32)


@inlined
def skin_at(maps: AnyArray, ax: float, cy: float, out: AnyArray) -> None:
    """Write the eight bilinear map values at (|x|, y) into out."""
    u, v = ax / CELL, (cy - _LOW_Y) / CELL
    u = min(max(u, 0.0), maps.shape[1] - 1.001)
    v = min(max(v, 0.0), maps.shape[0] - 1.001)
    j, i = int(u), int(v)
    a, b = u - j, v - i
    w00, w01, w10, w11 = (1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b
    for k in range(8):
        out[k] = w00 * maps[i, j, k] + w01 * maps[i, j + 1, k] + w10 * maps[i + 1, j, k] + w11 * maps[i + 1, j + 1, k]
