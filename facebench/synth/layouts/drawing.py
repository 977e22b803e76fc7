"""Drawing the face of a job, and the text and bytes that layouts make of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.face import RenderedFace, draw_recipe, render_face
from facebench.synth.layouts.layout import Job, Order

JPEG_QUALITY = 95
"""Of stored pictures; what a bad camera does to a picture is part of the drawing."""

_DECIMALS = 6


def draw(job: Job, order: Order) -> RenderedFace:
    """The face of a job."""
    recipe = draw_recipe(job.identity, job.image, style=job.style)
    return render_face(recipe, size=order.size, supersample=order.supersample)


def jpeg(image: AnyArray) -> bytes:
    """Bytes of a JPEG of `image` (H, W, 3) uint8 RGB."""
    return _encoded(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])


def png(image: AnyArray) -> bytes:
    """Bytes of a PNG of `image`, (H, W, 3) uint8 RGB or (H, W) uint8."""
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    return _encoded(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 3])


def _encoded(suffix: str, pixels: AnyArray, options: list[int]) -> bytes:
    whole, data = cv2.imencode(suffix, pixels, options)
    assert whole, "cv2 encodes every 8-bit picture"
    return bytes(data)


def settled(values: AnyArray) -> list[Any]:
    """`values` (n, 2) or (n,) as nested lists, each number as six decimals read back: text and loader then agree."""
    flat = [float(f"{value:.{_DECIMALS}f}") for value in np.asarray(values, dtype=np.float64).ravel()]
    return [flat[i : i + 2] for i in range(0, len(flat), 2)] if values.ndim == 2 else flat


def decimals(points: Any) -> str:
    """Numbers of a list of points, x and y in turn, with six decimals and spaces between."""
    return " ".join(f"{value:.{_DECIMALS}f}" for point in points for value in point)


def landmark_facts(face: RenderedFace, scheme: str) -> dict[str, Any]:
    """Points (K, 2), visibility (K,), box and slices of one scheme, as JSON can hold them."""
    return {
        "points": settled(face.landmarks[scheme]),
        "visible": [bool(flag) for flag in face.visible[scheme]],
        "box": settled(face.box),
        "slices": slice_columns(face.slices),
    }


def slice_columns(slices: Mapping[str, float | str]) -> dict[str, float | str]:
    """Facts of a picture, and the groups that it belongs to by them (columns ending in `=`, facebench.slices).

    Groups: yaw below 15°, below 40° (beyond which WFLW's attribute pose begins) and above; share of the face's points
    that hair and occluders hide below 2 %, below 20 % and above.
    """
    yaw, share = abs(float(slices["yaw"])), float(slices["occluded_share"])
    return {
        **{name: value if isinstance(value, str) else float(value) for name, value in slices.items()},
        "skin=": str(slices["skin_tone"]),
        "yaw=": "frontal" if yaw < 15 else "turned" if yaw < 40 else "profile",
        "light=": str(slices["light"]),
        "occluded=": "none" if share < 0.02 else "some" if share < 0.2 else "heavy",
    }
