"""Neck, shoulders and ears."""

from __future__ import annotations

from functools import cache

import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.head import PART_BODY, PART_EAR
from facebench.synth.mesh import Piece, grid_piece

_HEIGHTS = np.array([-40, -60, -90, -115, -135, -148, -158, -170, -190, -225, -270, -330.0])
_WIDTHS = np.array([50, 52, 53, 54, 58, 72, 100, 132, 160, 176, 184, 188.0])
_DEPTHS = np.array([50, 51, 52, 52, 54, 58, 63, 68, 75, 85, 92, 95.0])
_CENTRES = np.array([-28, -28, -26, -27, -29, -32, -35, -37, -38, -38, -38, -38.0])

EAR_HEIGHT = -13.0


@cache
def body(*, female: bool) -> Piece:
    """Neck and shoulders, a stack of superellipses of exponent 0.85."""
    y = np.linspace(-40, -330, 60)

    def smooth(values: AnyArray) -> AnyArray:
        dense = np.interp(-y, -_HEIGHTS, values)
        return np.convolve(np.pad(dense, 2, mode="edge"), np.ones(5) / 5, "valid")

    neck, shoulders = (0.86, 0.92) if female else (1.0, 1.05)
    width = smooth(_WIDTHS * np.where(np.arange(12) < 5, neck, shoulders))
    # The first column lies at the nape, so the seam of the texture is never seen.
    angle = np.linspace(-np.pi, np.pi, 65)
    sin, cos = np.sin(angle), np.cos(angle)
    x = width[:, None] * np.sign(sin) * np.abs(sin) ** 0.85
    z = smooth(_CENTRES)[:, None] + smooth(_DEPTHS)[:, None] * np.sign(cos) * np.abs(cos) ** 0.85
    vertices = np.stack([x, np.broadcast_to(y[:, None], x.shape), z], -1)
    return grid_piece(vertices, PART_BODY, theta=np.degrees(angle)[None])


@cache
def _ear_relief() -> tuple[AnyArray, AnyArray, AnyArray, AnyArray]:
    """Outline and relief of an ear on a polar grid: backwards, up, outwards (mm) and openness to light."""
    u, t = np.meshgrid(np.linspace(0, 1, 15), np.linspace(0, 2 * np.pi, 41), indexing="ij")
    back = 15.5 * (1 + 0.22 * np.sin(t)) * np.cos(t)
    up = 29 * np.sin(t)
    lobe = np.clip(-up / 29, 0, 1)
    a = u * (back - 5.0 * lobe**2) + 3.5
    b = u * up
    rim = np.exp(-(((u - 0.84) / 0.11) ** 2)) * (0.35 + 0.65 * np.clip(np.cos(t - 0.9) + 0.75, 0, 1))
    fold = np.exp(-(((u - 0.52) / 0.13) ** 2)) * np.clip(np.cos(t - 0.35) + 0.3, 0, 1)
    scaphoid = np.exp(-(((u - 0.69) / 0.08) ** 2)) * np.clip(np.cos(t - 0.6) + 0.4, 0, 1)
    bowl = np.exp(-(((a + 1.5) / 6.0) ** 2) - ((b + 2.0) / 8.5) ** 2)
    tragus = np.exp(-(((a + 10.5) / 3.6) ** 2) - ((b + 3.0) / 5.0) ** 2)
    height = 4.8 * rim + 3.2 * fold - 1.6 * scaphoid - 5.0 * bowl + 3.2 * tragus
    height = np.where(u >= 0.999, -7.0, height)
    dark = np.clip(0.62 + 0.075 * height - 0.25 * bowl - 0.18 * scaphoid, 0.08, 1.0)
    return a, b, height, dark


def ear(side: int, attach: AnyArray, *, scale: float) -> Piece:
    """One ear.

    Args:
        side: -1 image left, 1 image right.
        attach: (3,) point of the skull behind the ear, mm.
        scale: size, 1 for an ear 58 mm high.
    """
    a, b, height, dark = _ear_relief()
    flare = np.sin(0.30) * np.maximum(a + 11, 0)
    x = side * (abs(attach[0]) - 3.5 + height * scale + flare)
    vertices = np.stack([x, attach[1] + (b - 0.12 * a) * scale, attach[2] - 5.0 - a * scale * 0.93], -1)
    if side < 0:
        vertices, dark = vertices[:, ::-1], dark[:, ::-1]
    return grid_piece(vertices, PART_EAR, extra=dark)
