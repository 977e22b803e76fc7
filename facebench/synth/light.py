"""Light: one key, a hemisphere of ambient light and a soft fill from the other side; the key casts shadows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.raster import rasterise

SHADOW_SIDE = 208
_SHADOW_SPAN = 310.0
"""Millimetres that the shadow map spans."""


@dataclass(frozen=True)
class Light:
    """Light of one picture, in the frame of the camera.

    Attributes:
        azimuth, elevation: degrees of the key light, azimuth positive from the image right.
        strength: key light, linear.
        ambient: ambient light, linear.
        warmth: -0.2 (blue) to 0.2 (orange) tint of the key; the ambient has the opposite one.
        exposure: 1, or less for a picture taken in the dark.
    """

    azimuth: float
    elevation: float
    strength: float
    ambient: float
    warmth: float
    exposure: float = 1.0

    @property
    def direction(self) -> AnyArray:
        """(3,) unit vector towards the key light, view frame."""
        a, e = math.radians(self.azimuth), math.radians(self.elevation)
        return np.array([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])

    @property
    def key_colour(self) -> AnyArray:
        """(3,) linear RGB."""
        return self.strength * np.array([1 + self.warmth, 1.0, 1 - self.warmth])

    @property
    def ambient_colour(self) -> AnyArray:
        """(3,) linear RGB."""
        return self.ambient * np.array([1 - self.warmth, 1.0, 1 + self.warmth])


def draw_light(rng: np.random.Generator, *, harsh: float, dim: float) -> Light:
    """A light at random; `harsh` is the share of strong side or top light, `dim` of pictures in the dark."""
    azimuth, elevation = rng.normal() * 34, rng.uniform(5, 55)
    strength, ambient = rng.uniform(0.75, 1.2), rng.uniform(0.26, 0.55)
    if rng.random() < harsh:
        azimuth = float(rng.choice([-1, 1])) * rng.uniform(55, 95)
        elevation, strength, ambient = rng.uniform(5, 50), rng.uniform(1.1, 1.5), rng.uniform(0.12, 0.25)
    exposure = rng.uniform(0.10, 0.22) if rng.random() < dim else 1.0
    return Light(
        float(azimuth), float(elevation), float(strength), float(ambient), float(rng.normal() * 0.07), exposure
    )


@dataclass(frozen=True, eq=False)
class ShadowMap:
    """Depth of the scene from the key light.

    Attributes:
        axes: (3, 3) float, rows: right, down and towards the light, view frame.
        scale: pixels per mm.
        depth: (SHADOW_SIDE, SHADOW_SIDE) float32, mm along the light.
    """

    axes: AnyArray
    scale: float
    depth: AnyArray


def cast_shadows(view: AnyArray, distance: float, faces: AnyArray, parts: AnyArray, light: Light) -> ShadowMap:
    """Draw the scene from the key light, without perspective.

    Args:
        view: (V, 3) float, view frame, mm.
        distance: mm from the camera to the pivot of the head.
        faces: (F, 3) int32.
        parts: (F,) uint8.
        light: the light.
    """
    key = light.direction
    right = np.cross([0.0, 1.0, 0.0], key)
    right /= np.linalg.norm(right)
    axes = np.stack([right, -np.cross(key, right), key])
    scale = SHADOW_SIDE / _SHADOW_SPAN
    half = SHADOW_SIDE / 2
    signs = np.array([scale, scale, -1.0])
    screen = view @ (axes.T * signs).astype(np.float32)
    screen += (distance * axes[:, 2] * signs + [half, half, 1000.0]).astype(np.float32)
    depth = np.empty((SHADOW_SIDE, SHADOW_SIDE), np.float32)
    rasterise(screen, faces, parts, depth, np.empty((SHADOW_SIDE, SHADOW_SIDE), np.int32))
    return ShadowMap(axes, scale, depth)
