"""The perspective camera and the pose of the head before it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.compiled import exact

PIVOT = np.array([0.0, -18.0, 20.0])
"""The point of the head that the camera looks at and the head turns about, mm."""


@dataclass(frozen=True)
class Camera:
    """Pose and picture frame.

    Attributes:
        yaw: degrees, positive turns the face to the image right.
        pitch: degrees, positive looks up.
        roll: degrees, positive tilts the top of the head to the image left.
        distance: mm from the pivot to the camera.
        fill: share of the picture height that 190 mm at the pivot take.
        offset: (x, y) shift of the head in the picture, mm at the pivot, x right, y up.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    distance: float = 900.0
    fill: float = 0.64
    offset: tuple[float, float] = (0.0, 0.0)

    @property
    def rotation(self) -> AnyArray:
        """(3, 3) float: head to view axes, roll after pitch after yaw."""
        y, p, r = np.radians([self.yaw, -self.pitch, self.roll])
        cos, sin = math.cos, math.sin
        roll = np.array([[cos(r), -sin(r), 0], [sin(r), cos(r), 0], [0, 0, 1]])
        pitch = np.array([[1, 0, 0], [0, cos(p), -sin(p)], [0, sin(p), cos(p)]])
        yaw = np.array([[cos(y), 0, sin(y)], [0, 1, 0], [-sin(y), 0, cos(y)]])
        return np.asarray(roll @ pitch @ yaw)

    def focal(self, side: int) -> float:
        """Focal length in pixels of a picture of that side."""
        return self.fill * side * self.distance / 190.0

    @property
    def shift(self) -> AnyArray:
        """(3,) float: where the pivot lies in the view frame, mm."""
        return np.array([self.offset[0], self.offset[1], -self.distance])

    def to_view(self, points: AnyArray) -> AnyArray:
        """(N, 3) head frame to (N, 3) view frame, mm: the camera at the origin looks along -z."""
        return np.asarray(_turn(points, self.rotation, PIVOT, self.shift))

    def to_screen(self, view: AnyArray, side: int) -> AnyArray:
        """(N, 3) view frame to (N, 3): x, y in pixels with the corner of the picture at 0, and the depth in mm."""
        return np.asarray(_project(view, self.focal(side), 0.5 * side))


@exact
def _turn(points: AnyArray, rotation: AnyArray, pivot: AnyArray, shift: AnyArray) -> AnyArray:
    """Turn about the pivot, then move."""
    out = np.empty((points.shape[0], 3), points.dtype)
    for n in range(points.shape[0]):
        x, y, z = points[n, 0] - pivot[0], points[n, 1] - pivot[1], points[n, 2] - pivot[2]
        for k in range(3):
            out[n, k] = rotation[k, 0] * x + rotation[k, 1] * y + rotation[k, 2] * z + shift[k]
    return out


@exact
def _project(view: AnyArray, focal: float, half: float) -> AnyArray:
    """Perspective division; in single precision for speed where the points are."""
    out = np.empty((view.shape[0], 3), view.dtype)
    for n in range(view.shape[0]):
        depth = -view[n, 2]
        out[n, 0] = half + focal * view[n, 0] / depth
        out[n, 1] = half - focal * view[n, 1] / depth
        out[n, 2] = depth
    return out
