"""Triangles in their own flat frames, and a point's place beside one: kernels.

`a` is one end of the longest edge, `e1` the unit vector along that edge, `e2` the one across it in the plane and `e3`
the normal, so that the corners are (0, 0), (length, 0) and (foot, height). Two things follow, both needed for meshes as
they come: slivers lose no digits, because the small height is never the difference of large numbers; and a triangle
without area is a segment or a point without any special case (its height and, for a point, its length are zero).

The kernels are serial and release the interpreter lock: callers use threads over images.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from facebench.shapes import FloatArray, IntArray

COLUMNS = 17
"""a (3), e1 (3), e2 (3), e3 (3), length, foot, height, and one over the squares of the two shorter edges."""

PLANE, BASE, LEFT, RIGHT, CORNER = range(5)
"""What part of a triangle is closest: its inside, one of its edges, or a corner."""


@numba.njit(cache=True, nogil=True, error_model="numpy")
def flatten_triangles(vertices: FloatArray, faces: IntArray, order: IntArray) -> FloatArray:
    """Frames (F, COLUMNS) of the triangles `faces[order]`, in the unit of the mesh."""
    frames = np.zeros((len(faces), COLUMNS))
    for f in range(len(faces)):
        face = faces[order[f]]
        longest, first = -1.0, 0
        for k in range(3):
            p, q = face[k], face[(k + 1) % 3]
            square = 0.0
            for m in range(3):
                square += (vertices[q, m] - vertices[p, m]) ** 2
            if square > longest:
                longest, first = square, k
        a, b, c = face[first], face[(first + 1) % 3], face[(first + 2) % 3]
        _flatten(frames[f], vertices[a], vertices[b], vertices[c], math.sqrt(longest))
    return frames


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _flatten(frame: FloatArray, a: FloatArray, b: FloatArray, c: FloatArray, length: float) -> None:
    ux, uy, uz = 1.0, 0.0, 0.0
    if length > 0.0:
        ux, uy, uz = (b[0] - a[0]) / length, (b[1] - a[1]) / length, (b[2] - a[2]) / length
    cx, cy, cz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    foot = cx * ux + cy * uy + cz * uz
    vx, vy, vz = cx - foot * ux, cy - foot * uy, cz - foot * uz
    height = math.sqrt(vx * vx + vy * vy + vz * vz)
    if not height > 1e-15 * length:  # the direction across is rounding noise: any will do
        height, norm = 0.0, 1.0
        if abs(ux) < 0.7:
            vx, vy, vz, norm = 1.0 - ux * ux, -ux * uy, -ux * uz, math.sqrt(1.0 - ux * ux)
        else:
            vx, vy, vz, norm = -uy * ux, 1.0 - uy * uy, -uy * uz, math.sqrt(1.0 - uy * uy)
        vx, vy, vz = vx / norm, vy / norm, vz / norm
    else:
        vx, vy, vz = vx / height, vy / height, vz / height
        # Slivers: what rounding left of e1 in a short e2 would be seen as depth.
        along = vx * ux + vy * uy + vz * uz
        vx, vy, vz = vx - along * ux, vy - along * uy, vz - along * uz
        norm = math.sqrt(vx * vx + vy * vy + vz * vz)
        vx, vy, vz = vx / norm, vy / norm, vz / norm
    foot = min(max(foot, 0.0), length)
    rest = length - foot
    left, right = foot * foot + height * height, rest * rest + height * height
    frame[0], frame[1], frame[2] = a[0], a[1], a[2]
    frame[3], frame[4], frame[5] = ux, uy, uz
    frame[6], frame[7], frame[8] = vx, vy, vz
    frame[9], frame[10], frame[11] = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    frame[12], frame[13], frame[14] = length, foot, height
    frame[15] = 1.0 / left if left > 0.0 else 0.0
    frame[16] = 1.0 / right if right > 0.0 else 0.0


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def into_frame(frame: FloatArray, x: float, y: float, z: float) -> tuple[float, float, float]:
    """A point along e1, e2 and e3."""
    dx, dy, dz = x - frame[0], y - frame[1], z - frame[2]
    return (
        dx * frame[3] + dy * frame[4] + dz * frame[5],
        dx * frame[6] + dy * frame[7] + dz * frame[8],
        dx * frame[9] + dy * frame[10] + dz * frame[11],
    )


@numba.njit(cache=True, nogil=True, error_model="numpy")
def closest_in_plane(frame: FloatArray, u: float, v: float) -> tuple[float, float, int]:
    """Closest point of the flat triangle to (u, v), and the part it lies on.

    The base is the longest edge, so both angles on it are acute: below the base, the base is closest.
    """
    length, foot, height = frame[12], frame[13], frame[14]
    rest, back = length - foot, length - u
    beyond_left, beyond_right = height * u < foot * v, height * back < rest * v
    if v >= 0.0 and height > 0.0 and not beyond_left and not beyond_right:
        return u, v, PLANE
    t = min(max(u, 0.0), length)
    best, px, py = (u - t) ** 2 + v * v, t, 0.0
    part = BASE if 0.0 < t < length else CORNER
    if v <= 0.0:
        return px, py, part
    t = min(max((u * foot + v * height) * frame[15], 0.0), 1.0)
    square = (u - t * foot) ** 2 + (v - t * height) ** 2
    if square < best:
        best, px, py = square, t * foot, t * height
        part = LEFT if 0.0 < t < 1.0 else CORNER
    t = min(max((back * rest + v * height) * frame[16], 0.0), 1.0)
    square = (back - t * rest) ** 2 + (v - t * height) ** 2
    if square < best:
        best, px, py = square, length - t * rest, t * height
        part = RIGHT if 0.0 < t < 1.0 else CORNER
    return px, py, part


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def triangle_distance(frame: FloatArray, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Squared distance from a point to a triangle, and the closest point's place (along e1, along e2)."""
    u, v, w = into_frame(frame, x, y, z)
    px, py, _ = closest_in_plane(frame, u, v)
    return w * w + (u - px) ** 2 + (v - py) ** 2, px, py
