"""Backgrounds: a gradient, clouds, and blurred discs of colour; never a picture."""

from __future__ import annotations

import cv2
import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.noise import textures


def draw_background(rng: np.random.Generator, size: int) -> AnyArray:
    """(size, size, 3) float32 linear RGB; drawn small and enlarged, since it is out of focus anyway."""
    n = 64
    ends = rng.random((2, 3)) * 0.7 + 0.03
    # Mostly grey: saturated backgrounds look made up.
    ends = ends * 0.45 + 0.55 * ends.mean(1, keepdims=True) * rng.uniform(0.5, 1.3, (2, 1))
    t = np.linspace(0, 1, n)
    mix = t[:, None] if rng.random() < 0.5 else np.broadcast_to(t[None], (n, n))
    mix = np.broadcast_to(mix, (n, n))[..., None]
    picture = ends[0] * (1 - mix) + ends[1] * mix
    kind = int(rng.integers(4))
    if kind >= 1:
        top, left = int(rng.integers(192)), int(rng.integers(192))
        picture = picture * (0.6 + 0.8 * textures()[1, top : top + n, left : left + n, None])
    picture = np.ascontiguousarray(picture, np.float32)
    if kind >= 2:
        for _ in range(int(rng.integers(3, 12))):
            colour = rng.random(3) * 0.3 + rng.random() * 0.5
            x, y, r = int(rng.integers(n)), int(rng.integers(n)), int(rng.integers(2, 14))
            if kind == 2:
                cv2.circle(picture, (x, y), r, [float(v) for v in colour], -1)
            else:
                cv2.rectangle(picture, (x, y), (x + r, y + 3 * r), [float(v) for v in colour], -1)
        picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(1.0, 3.0)))
    return np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_CUBIC).clip(0.0, 1.3))
