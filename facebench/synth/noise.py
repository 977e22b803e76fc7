"""Three tileable noise textures that give skin, hair and cloth their grain, and a pool of sensor noise."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.compiled import inlined, leaf

SIDE = 256


def _texture(seed: int, slope: float, stretch: float) -> AnyArray:
    """(256, 256) float32 in [0, 1], uniform values, power spectrum 1/f^(2 slope), frequencies along y divided."""
    rng = np.random.default_rng(seed)
    fx = np.fft.fftfreq(SIDE)[None] * SIDE
    fy = np.fft.fftfreq(SIDE)[:, None] * SIDE * stretch
    spectrum = np.fft.fft2(rng.standard_normal((SIDE, SIDE))) / (np.hypot(fx, fy) + 1.5) ** slope
    ranks = np.argsort(np.argsort(np.real(np.fft.ifft2(spectrum)).ravel())).reshape(SIDE, SIDE)
    return np.asarray(ranks / (SIDE * SIDE - 1.0), np.float32)


@cache
def textures() -> AnyArray:
    """(3, 256, 256) float32: fine grain, soft clouds, streaks along y."""
    return np.stack([_texture(1, 0.9, 1.0), _texture(2, 1.7, 1.0), _texture(3, 1.1, 14.0)])


@cache
def grain_pool() -> AnyArray:
    """(1024, 1024) float32 standard normal noise; a picture takes a window of it."""
    return np.random.default_rng(4).standard_normal((1024, 1024), np.float32)


@leaf
def look_up(textures: AnyArray, k: int, u: float, v: float) -> float:
    """Bilinear value of texture k of `textures()` at column u, row v."""
    fu, fv = math.floor(u), math.floor(v)
    a, b = u - fu, v - fv
    i, j = int(fu) & 255, int(fv) & 255
    i1, j1 = (i + 1) & 255, (j + 1) & 255
    top = textures[k, j, i] * (1.0 - a) + textures[k, j, i1] * a
    low = textures[k, j1, i] * (1.0 - a) + textures[k, j1, i1] * a
    return float(top * (1.0 - b) + low * b)


@inlined
def step(a: float, b: float, x: float) -> float:
    """Smoothstep from 0 at a to 1 at b; falls when a > b."""
    t = (x - a) / (b - a)
    t = 0.0 if t < 0.0 else (1.0 if t > 1.0 else t)
    return t * t * (3.0 - 2.0 * t)
