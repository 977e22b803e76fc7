"""How much light reaches a sample, and what it sends to the camera."""

from __future__ import annotations

import math
from typing import NamedTuple

from facebench.shapes import AnyArray
from facebench.synth.compiled import inlined


class Stage(NamedTuple):
    """Camera, light and eyes of one picture, in the view frame; arrays and numbers only, for the kernels.

    Attributes:
        focal: pixels.
        distance: mm from the camera to the pivot of the head.
        rotation: (3, 3) head to view axes.
        key: (3,) unit vector to the key light.
        key_colour, ambient: (3,) linear RGB.
        eyes: (2, 3) centres of the eyeballs, image left first, mm.
        gaze: (3,) unit direction.
        shadow: (side, side) float32 depth from the light.
        shadow_axes: (3, 3).
        shadow_scale: pixels per mm.
    """

    focal: float
    distance: float
    rotation: AnyArray
    key: AnyArray
    key_colour: AnyArray
    ambient: AnyArray
    eyes: AnyArray
    gaze: AnyArray
    shadow: AnyArray
    shadow_axes: AnyArray
    shadow_scale: float


@inlined
def lit_share(
    x: float, y: float, z: float, facing: float, distance: float, shadow: AnyArray, axes: AnyArray, scale: float
) -> float:
    """Share of the key light that is not cast away, 0.25 to 1: sixteen depth tests, blended (percentage closer)."""
    side = shadow.shape[0]
    z += distance
    u = (axes[0, 0] * x + axes[0, 1] * y + axes[0, 2] * z) * scale + side * 0.5 - 0.5
    v = (axes[1, 0] * x + axes[1, 1] * y + axes[1, 2] * z) * scale + side * 0.5 - 0.5
    depth = 1000.0 - (axes[2, 0] * x + axes[2, 1] * y + axes[2, 2] * z)
    # The bias grows with the slope, or the forehead gets shadow acne.
    depth -= 3.0 + 3.2 * min(4.0, math.sqrt(max(0.0, 1.0 - facing * facing)) / max(facing, 0.12))
    j, i = math.floor(u), math.floor(v)
    if i < 1 or j < 1 or i >= side - 2 or j >= side - 2:
        return 1.0
    a, b = u - j, v - i
    share = 0.0
    for k in range(-1, 3):
        weight = (1.0 - b) if k == -1 else (b if k == 2 else 1.0)
        s = 1.0 - a if depth < shadow[i + k, j - 1] else 0.0
        s += 1.0 if depth < shadow[i + k, j] else 0.0
        s += 1.0 if depth < shadow[i + k, j + 1] else 0.0
        s += a if depth < shadow[i + k, j + 2] else 0.0
        share += weight * s
    return 0.25 + 0.75 * share / 9.0


@inlined
def lighten(
    px: AnyArray, normal: AnyArray, view: AnyArray, lit: float, key: AnyArray, colour: AnyArray, ambient: AnyArray,
    out: AnyArray,
) -> None:  # fmt: skip
    """Wrapped diffuse light with a red terminator on skin, ambient, fill and a Blinn highlight.

    Args:
        px: (8,) the sample, looks.py.
        normal: (3,) unit normal, view frame.
        view: (3,) unit vector to the camera.
        lit: share of the key light that arrives.
        key: (3,) unit vector to the key light.
        colour: (3,) linear RGB of the key light.
        ambient: (3,) linear RGB of the ambient light.
        out: (3,) linear RGB, written.
    """
    facing = normal[0] * key[0] + normal[1] * key[1] + normal[2] * key[2]
    sky = 0.55 + 0.45 * (0.5 + 0.5 * normal[1])
    fill = 0.15 * max(0.0, -0.55 * key[0] * normal[0] + 0.8 * normal[2])
    highlight = 0.0
    if px[3] > 0.0 and facing > 0.0:
        dot, size, towards = 0.0, 1e-9, 0.0
        for k in range(3):
            h = key[k] + view[k]
            dot += normal[k] * h
            size += h * h
            towards += normal[k] * view[k]
        angle = dot / math.sqrt(size)
        # Below this the sharpest skin highlight is under a thousandth.
        if angle > 0.8:
            rim = 1.0 - max(0.0, towards)
            fresnel = 1.0 if px[4] >= 100.0 else 0.35 + 0.65 * rim * rim * rim
            highlight = px[3] * angle ** px[4] * lit * fresnel
    openness = px[6]
    for k in range(3):
        wrap = px[5] * (1.5 if k == 0 else (0.6 if k == 1 else 0.4))
        diffuse = max(0.0, (facing + wrap) / (1.0 + wrap))
        reach = lit * 0.9 + 0.1 if (k == 0 and px[5] > 0.1) else lit
        light = colour[k] * diffuse * reach + (ambient[k] * sky + fill) * openness
        out[k] = px[k] * light * (0.5 + 0.5 * openness) + highlight * colour[k]
