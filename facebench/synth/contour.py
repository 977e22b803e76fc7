"""The face outline as annotators draw it: along the jaw on the near side, along the visible edge on the far side.

The line at 82° round the head from the eyes to the chin is the outline of a frontal face. Where a turned head hides
it, each of its points slides forward to the place where the surface turns away from the camera, though not past 24°,
where the outline of a profile is that of nose and lips. The points are then spread evenly along the line in the
picture, as people place them.
"""

from __future__ import annotations

import math

import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.camera import PIVOT, Camera
from facebench.synth.compiled import exact
from facebench.synth.head import head

_TOP_Y, _CAP_Y = 5.0, -62.0
_LIMIT = math.radians(82.0)
_FAR_LIMIT = math.radians(24.0)
_CAP_STEPS = 16


@exact
def _seen(theta: float) -> float:
    """An angle moved 2.5° forward where it slid: just on the camera's side of the edge, 0.1 mm away in the picture."""
    return theta if abs(theta) > _LIMIT - 0.03 else math.copysign(max(0.0, abs(theta) - 0.044), theta)


@exact
def _trace(
    positions: AnyArray, theta: AnyArray, rows: AnyArray, rotation: AnyArray, pivot: AnyArray, shift: AnyArray,
    side: float,
) -> AnyArray:  # fmt: skip
    """(M, 4) float of one side from ear to chin: theta, canonical y, and x, y in the picture plane (y up)."""
    up = math.sqrt(rotation[0, 1] ** 2 + rotation[1, 1] ** 2) + 1e-9
    upx, upy = rotation[0, 1] / up, rotation[1, 1] / up
    outx, outy = side * upy, -side * upx
    rows_used, columns = 0, 0
    for i in range(rows.shape[0]):
        rows_used += 1 if rows[i] <= _TOP_Y else 0
    top = rows.shape[0] - rows_used
    picked = np.empty(theta.shape[0], np.int64)
    for n in range(theta.shape[0]):
        # From the midline outwards on both sides, so that ties fall alike.
        j = n if side > 0 else theta.shape[0] - 1 - n
        if -1e-9 <= side * theta[j] <= _LIMIT + 1e-6 and abs(theta[j]) < 1.6:
            picked[columns] = j
            columns += 1
    flat = np.empty((rows.shape[0], columns, 2))
    for i in range(top, rows.shape[0]):
        for c in range(columns):
            j = picked[c]
            x, y, z = positions[0, i, j] - pivot[0], positions[1, i, j] - pivot[1], positions[2, i, j] - pivot[2]
            depth = -(rotation[2, 0] * x + rotation[2, 1] * y + rotation[2, 2] * z + shift[2])
            flat[i, c, 0] = (rotation[0, 0] * x + rotation[0, 1] * y + rotation[0, 2] * z + shift[0]) / depth
            flat[i, c, 1] = (rotation[1, 0] * x + rotation[1, 1] * y + rotation[1, 2] * z + shift[1]) / depth
    out = np.empty((rows_used + _CAP_STEPS, 4))
    n = 0
    for i in range(top, rows.shape[0]):
        if rows[i] < _CAP_Y:
            break
        best, column = -1e9, 0
        for c in range(columns):
            reach = outx * flat[i, c, 0] + outy * flat[i, c, 1]
            if abs(theta[picked[c]]) >= _FAR_LIMIT and reach > best + 1e-7:
                best, column = reach, c
        out[n, 0], out[n, 1] = _seen(theta[picked[column]]), rows[i]
        out[n, 2], out[n, 3] = flat[i, column, 0], flat[i, column, 1]
        n += 1
    for step in range(1, _CAP_STEPS + 1):
        angle = 0.5 * math.pi * step / _CAP_STEPS
        dx = math.cos(angle) * outx - math.sin(angle) * upx
        dy = math.cos(angle) * outy - math.sin(angle) * upy
        near = _FAR_LIMIT * (1.0 - step / _CAP_STEPS)
        best, column, row = -1e9, 0, rows.shape[0] - 1
        for i in range(top, rows.shape[0]):
            if rows[i] >= _CAP_Y:
                continue
            for c in range(columns):
                # The last step is the chin itself, on the midline for both sides.
                turn = abs(theta[picked[c]])
                if turn < near or (step == _CAP_STEPS and turn > 1e-9):
                    continue
                reach = dx * flat[i, c, 0] + dy * flat[i, c, 1]
                if reach > best + 1e-7:
                    best, column, row = reach, c, i
        # One row up as well: the very edge of the chin is seen at a grazing angle.
        out[n, 0], out[n, 1] = _seen(theta[picked[column]]), rows[row - 1]
        out[n, 2], out[n, 3] = flat[row, column, 0], flat[row, column, 1]
        n += 1
    return out[:n]


def visible_outline(positions: AnyArray, camera: Camera) -> AnyArray:
    """The outline in canonical coordinates.

    Args:
        positions: (3, rows, columns) float32, mm: the face without hair.
        camera: pose and camera.

    Returns:
        (2, M, 3) float, image left and image right: share of the way from ear to chin along the picture, theta
        (radians), canonical y (mm).
    """
    grid = head()
    sides = []
    for side in (-1.0, 1.0):
        path = _trace(positions, grid.theta, grid.rows, camera.rotation, PIVOT, camera.shift, side)
        length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(path[:, 2]), np.diff(path[:, 3])))])
        sides.append(np.stack([length / length[-1], path[:, 0], path[:, 1]], 1))
    return np.stack(sides)
