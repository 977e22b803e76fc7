"""Exact visibility of landmarks: is the point's own surface the first that the line of sight meets?"""

from __future__ import annotations

import math

import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.compiled import exact
from facebench.synth.head import PART_EAR, PART_FRAME, PART_HAIR, PART_HEAD
from facebench.synth.labels import CLOTH, EYE_L, EYE_R, HAIR
from facebench.synth.landmarks import CONTOUR, PUPIL

VISIBLE, SELF_HIDDEN, COVERED, OUTSIDE, CROSSED = range(5)
_SAME_SURFACE_MM = 0.5
_EDGE_MM = 6.0
_CELL = 16


@exact
def first_hits(
    points: AnyArray, screen: AnyArray, faces: AnyArray, parts: AnyArray, side: int
) -> tuple[AnyArray, AnyArray]:
    """The nearest triangle over each point, found from the triangles themselves, not from samples.

    Args:
        points: (K, 3) float, sample pixels with the corner at 0, and the depth in mm.
        screen: (V, 3) float32, the vertices likewise.
        faces: (F, 3) int32; those of closed parts do not count when they face away.
        parts: (F,) uint8.
        side: H of the picture in samples.

    Returns:
        (K,) depth of the nearest triangle in mm, 1e30 where none is; and its number, -1 where none is.
    """
    cells = side // _CELL + 1
    K = points.shape[0]
    depth, nearest = np.full(K, 1e30), np.full(K, -1)
    # Points sorted into cells of 16 samples, so that a triangle meets few of them.
    start = np.zeros(cells * cells + 1, np.int64)
    cell = np.full(K, -1)
    for k in range(K):
        if 0.0 <= points[k, 0] < side and 0.0 <= points[k, 1] < side:
            cell[k] = int(points[k, 1]) // _CELL * cells + int(points[k, 0]) // _CELL
            start[cell[k] + 1] += 1
    for n in range(cells * cells):
        start[n + 1] += start[n]
    order, filled = np.empty(K, np.int64), start.copy()
    for k in range(K):
        if cell[k] >= 0:
            order[filled[cell[k]]] = k
            filled[cell[k]] += 1
    for t in range(faces.shape[0]):
        ax, ay, az = np.float64(screen[faces[t, 0], 0]), np.float64(screen[faces[t, 0], 1]), screen[faces[t, 0], 2]
        abx, aby, zb = screen[faces[t, 1], 0] - ax, screen[faces[t, 1], 1] - ay, screen[faces[t, 1], 2] - az
        acx, acy, zc = screen[faces[t, 2], 0] - ax, screen[faces[t, 2], 1] - ay, screen[faces[t, 2], 2] - az
        area = abx * acy - aby * acx
        if (area >= 0.0 and parts[t] < PART_HAIR) or abs(area) < 1e-9 or az < 1.0:
            continue
        x0 = max(0, math.floor(ax + min(0.0, min(abx, acx)))) // _CELL
        x1 = min(side - 1, math.floor(ax + max(0.0, max(abx, acx)))) // _CELL
        y0 = max(0, math.floor(ay + min(0.0, min(aby, acy)))) // _CELL
        y1 = min(side - 1, math.floor(ay + max(0.0, max(aby, acy)))) // _CELL
        for i in range(y0, y1 + 1):
            for n in range(start[i * cells + x0], start[i * cells + x1 + 1] if x1 >= x0 else 0):
                k = order[n]
                px, py = points[k, 0] - ax, points[k, 1] - ay
                wb, wc = (px * acy - py * acx) / area, (abx * py - aby * px) / area
                if wb >= -1e-7 and wc >= -1e-7 and wb + wc <= 1.0 + 1e-7:
                    z = az + wb * zb + wc * zc
                    if z < depth[k]:
                        depth[k], nearest[k] = z, t
    return depth, nearest


@exact
def visibility(
    kinds: AnyArray, points: AnyArray, depth: AnyArray, nearest: AnyArray, parts: AnyArray,
    material: AnyArray, glass: AnyArray,
) -> AnyArray:  # fmt: skip
    """State of each landmark.

    Args:
        kinds: (K,) kind of each landmark (landmarks.py).
        points: (K, 3) float, sample pixels with the corner at 0, and the depth in mm.
        depth: (K,) from `first_hits`.
        nearest: (K,) from `first_hits`.
        parts: (F,) uint8, part of each triangle.
        material: (H, W) uint8, labels.py.
        glass: (H, W) uint8, 2 behind a dark lens.

    Returns:
        (K,) int64: VISIBLE, SELF_HIDDEN (behind the face, neck or ears), COVERED (hair, clothes or an occluder),
        OUTSIDE the picture, or CROSSED by the thin frame of clear glasses.
    """
    height, width = material.shape
    out = np.zeros(points.shape[0], np.int64)
    for k in range(points.shape[0]):
        px, py, z = points[k, 0], points[k, 1], points[k, 2]
        if not (0.0 <= px < width and 0.0 <= py < height):
            out[k] = OUTSIDE
            continue
        m, lens = material[int(py), int(px)], glass[int(py), int(px)]
        # Hair, hats and masks are also painted on the head's own triangles; thin shells stand before it.
        part = parts[nearest[k]] if nearest[k] >= 0 else PART_HEAD
        covering = lens == 2 or part >= PART_HAIR or (part < PART_EAR and (m == HAIR or m >= CLOTH))
        if kinds[k] == PUPIL:
            # A pupil lies behind the opening of the lids, which are the head's own triangles.
            open_eye = part == PART_HEAD and m in (EYE_R, EYE_L)
            out[k] = COVERED if covering else (VISIBLE if open_eye else SELF_HIDDEN)
            continue
        # A point of the outline may lie a little behind its own bulging edge.
        reach = _EDGE_MM if (kinds[k] == CONTOUR and part == PART_HEAD) else _SAME_SURFACE_MM
        hidden = depth[k] < z - reach
        painted = part == PART_HEAD and (m == HAIR or m >= CLOTH)
        if lens != 2 and hidden and part == PART_FRAME:
            out[k] = CROSSED
        elif lens == 2 or painted or (hidden and covering):
            out[k] = COVERED
        elif hidden:
            out[k] = SELF_HIDDEN
    return out
