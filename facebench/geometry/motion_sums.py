"""Normal equations of a rigid or similar motion of points onto a surface, closest triangles known: a kernel.

The residual of a point is not its distance but the vector to its closest point, over the directions in which that
vector can shrink: one where the closest point lies inside a triangle (its normal), two on an edge, three on a corner.
The sum of squares is the same, and so are its slope and its minimum; but the vector has a derivative where the distance
is zero, and Gauss-Newton sees the full curvature at edges and corners, so it needs fewer steps.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from facebench.geometry.packets import WIDTH
from facebench.geometry.triangle_frames import PLANE, closest_in_plane, into_frame
from facebench.shapes import FloatArray, IntArray


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _add_row(
    sums: FloatArray, qx: float, qy: float, qz: float, y: tuple[float, float, float],
    x: tuple[float, float, float], residual: float,
) -> None:  # fmt: skip
    """Add one residual: `q` its direction, `y` the point, `x` the closest point of the surface."""
    row = (
        -(qx * x[0] + qy * x[1] + qz * x[2]),
        y[1] * qz - y[2] * qy,
        y[2] * qx - y[0] * qz,
        y[0] * qy - y[1] * qx,
        qx,
        qy,
        qz,
    )
    for i in range(7):
        for j in range(i, 7):
            sums[i, j] += row[i] * row[j]
        sums[i, 7] += row[i] * residual


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _add_point(sums: FloatArray, frame: FloatArray, y: tuple[float, float, float]) -> float:
    """Add the residual of a point `y`; returns its squared distance."""
    u, v, w = into_frame(frame, y[0], y[1], y[2])
    px, py, part = closest_in_plane(frame, u, v)
    ux, uy, uz, vx, vy, vz = frame[3], frame[4], frame[5], frame[6], frame[7], frame[8]
    x = (frame[0] + px * ux + py * vx, frame[1] + px * uy + py * vy, frame[2] + px * uz + py * vz)
    if part == PLANE:
        _add_row(sums, frame[9], frame[10], frame[11], y, x, w)
        return float(w * w)
    u, v = u - px, v - py
    square = u * u + v * v + w * w
    distance = math.sqrt(square)
    if distance > 0.0:
        u, v, w = u / distance, v / distance, w / distance
        _add_row(
            sums, u * ux + v * vx + w * frame[9], u * uy + v * vy + w * frame[10], u * uz + v * vz + w * frame[11],
            y, x, distance,
        )  # fmt: skip
    return float(square)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def add_motion(
    frames: FloatArray, points: FloatArray, motion: FloatArray, every: int, found: IntArray, squares: FloatArray
) -> FloatArray:
    """Sums over the points of every `every`-th packet.

    Args:
        frames: triangles, in the frame of the surface.
        points: (n, 3) in packets.
        motion: (3, 4) takes the points into the frame of the surface.
        every: 1 for all packets.
        found: (n,) row of `frames` that is closest to each point.
        squares: (n,) written: squared distance of each chosen point, in the unit of the surface.

    Returns:
        (8, 8): rows 0 to 6, upper triangle, hold J'J over (shrink, turn (3), shift (3)); column 7 holds J'r; the last
        entry is the sum of squares.
    """
    sums = np.zeros((8, 8))
    for g in range(0, (len(points) + WIDTH - 1) // WIDTH, every):
        for i in range(g * WIDTH, min((g + 1) * WIDTH, len(points))):
            p = points[i]
            y = (
                motion[0, 0] * p[0] + motion[0, 1] * p[1] + motion[0, 2] * p[2] + motion[0, 3],
                motion[1, 0] * p[0] + motion[1, 1] * p[1] + motion[1, 2] * p[2] + motion[1, 3],
                motion[2, 0] * p[0] + motion[2, 1] * p[1] + motion[2, 2] * p[2] + motion[2, 3],
            )
            squares[i] = _add_point(sums, frames[found[i]], y)
            sums[7, 7] += squares[i]
    return sums
