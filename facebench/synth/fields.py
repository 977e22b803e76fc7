"""Two shape functions that every field of the head is made of."""

from __future__ import annotations

import numpy as np

from facebench.shapes import AnyArray


def bump(x: AnyArray, y: AnyArray, cx: float, cy: float, sx: float, sy: float) -> AnyArray:
    """Gaussian hill of height 1 at (cx, cy); sx and sy are the distances where it falls to 1/e (no factor 1/2)."""
    return np.asarray(np.exp(-(((x - cx) / sx) ** 2) - ((y - cy) / sy) ** 2))


def ramp(start: float, end: float, x: AnyArray) -> AnyArray:
    """Smoothstep that is 0 at `start` and 1 at `end`; with start > end it falls."""
    t = np.clip((x - start) / (end - start), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))
