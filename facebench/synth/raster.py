"""The z-buffer: triangles to visible pixels, and the surface that each pixel shows."""

from __future__ import annotations

import math

import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.compiled import exact, inlined
from facebench.synth.head import PART_HAIR

FAR = 1e30


@exact
def rasterise(screen: AnyArray, faces: AnyArray, parts: AnyArray, depth: AnyArray, hit: AnyArray) -> None:
    """Draw triangles into a depth buffer and a buffer of triangle numbers.

    Args:
        screen: (V, 3) float, x and y in pixels with the corner of the picture at 0, and the depth.
        faces: (F, 3) int32; those of closed parts are culled when they face away.
        parts: (F,) uint8.
        depth: (H, W) float32, written; FAR where nothing is.
        hit: (H, W) int32, written; -1 where nothing is.
    """
    height, width = depth.shape
    depth[:] = FAR
    hit[:] = -1
    for t in range(faces.shape[0]):
        a, b, c = faces[t, 0], faces[t, 1], faces[t, 2]
        az, bz, cz = screen[a, 2], screen[b, 2], screen[c, 2]
        if az < 1.0 or bz < 1.0 or cz < 1.0:
            continue
        ax, ay = screen[a, 0], screen[a, 1]
        abx, aby = screen[b, 0] - ax, screen[b, 1] - ay
        acx, acy = screen[c, 0] - ax, screen[c, 1] - ay
        area = abx * acy - aby * acx
        # y runs down, so a triangle that faces the camera has a negative area.
        if (area >= 0.0 and parts[t] < PART_HAIR) or abs(area) < 1e-9:
            continue
        x0 = max(0, math.ceil(ax + min(0.0, min(abx, acx)) - 0.5))
        x1 = min(width - 1, math.floor(ax + max(0.0, max(abx, acx)) - 0.5))
        y0 = max(0, math.ceil(ay + min(0.0, min(aby, acy)) - 0.5))
        y1 = min(height - 1, math.floor(ay + max(0.0, max(aby, acy)) - 0.5))
        if x0 > x1 or y0 > y1:
            continue
        inverse = 1.0 / area
        step_b, step_c = acy * inverse, -aby * inverse
        zb, zc = bz - az, cz - az
        for y in range(y0, y1 + 1):
            px, py = x0 + 0.5 - ax, y + 0.5 - ay
            wb = (px * acy - py * acx) * inverse
            wc = (abx * py - aby * px) * inverse
            for x in range(x0, x1 + 1):
                if wb >= -1e-7 and wc >= -1e-7 and wb + wc <= 1.0 + 1e-7:
                    z = az + wb * zb + wc * zc
                    if z < depth[y, x]:
                        depth[y, x] = z
                        hit[y, x] = t
                wb += step_b
                wc += step_c


@inlined
def barycentric(screen: AnyArray, faces: AnyArray, t: int, px: float, py: float) -> tuple[float, float, float]:
    """Weights of the three corners of triangle t at a point of the screen."""
    a, b, c = faces[t, 0], faces[t, 1], faces[t, 2]
    ax, ay = screen[a, 0], screen[a, 1]
    abx, aby = screen[b, 0] - ax, screen[b, 1] - ay
    acx, acy = screen[c, 0] - ax, screen[c, 1] - ay
    inverse = 1.0 / (abx * acy - aby * acx)
    wb = ((px - ax) * acy - (py - ay) * acx) * inverse
    wc = (abx * (py - ay) - aby * (px - ax)) * inverse
    return 1.0 - wb - wc, wb, wc


@exact
def vertex_normals(positions: AnyArray, faces: AnyArray) -> AnyArray:
    """(V, 3) float32 unit normals, area-weighted means of the faces round each vertex."""
    out = np.zeros((positions.shape[0], 3), np.float32)
    for t in range(faces.shape[0]):
        a, b, c = faces[t, 0], faces[t, 1], faces[t, 2]
        ux, uy, uz = (
            positions[b, 0] - positions[a, 0],
            positions[b, 1] - positions[a, 1],
            positions[b, 2] - positions[a, 2],
        )
        vx, vy, vz = (
            positions[c, 0] - positions[a, 0],
            positions[c, 1] - positions[a, 1],
            positions[c, 2] - positions[a, 2],
        )
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for k in (a, b, c):
            out[k, 0] += nx
            out[k, 1] += ny
            out[k, 2] += nz
    for k in range(out.shape[0]):
        length = math.sqrt(out[k, 0] ** 2 + out[k, 1] ** 2 + out[k, 2] ** 2) + 1e-12
        out[k, 0] /= length
        out[k, 1] /= length
        out[k, 2] /= length
    return out


@exact
def surface(
    screen: AnyArray, faces: AnyArray, parts: AnyArray, canon: AnyArray, normals: AnyArray,
    hit: AnyArray, canon_out: AnyArray, normal_out: AnyArray, part_out: AnyArray, spans: AnyArray,
) -> None:  # fmt: skip
    """Interpolate canonical coordinates and normals over the visible triangles.

    Args:
        screen: (V, 3) as in `rasterise`.
        faces: (F, 3) int32.
        parts: (F,) uint8.
        canon: (V, 4) float32: canonical x, y (mm), theta (degrees), depth into the mouth or another surface value.
        normals: (V, 3) float32, view frame.
        hit: (H, W) int32 triangle numbers.
        canon_out: (H, W, 4) float32, written where a triangle is.
        normal_out: (H, W, 3) float32, written, not of unit length.
        part_out: (H, W) uint8, written; 255 where nothing is.
        spans: (H, 2) int32, written: first column of each row where something is, and one past the last.
    """
    height, width = hit.shape
    for y in range(height):
        spans[y, 0], spans[y, 1] = width, 0
        for x in range(width):
            t = hit[y, x]
            if t >= 0:
                spans[y, 0], spans[y, 1] = min(spans[y, 0], x), x + 1
            else:
                part_out[y, x] = 255
                continue
            wa, wb, wc = barycentric(screen, faces, t, x + 0.5, y + 0.5)
            a, b, c = faces[t, 0], faces[t, 1], faces[t, 2]
            part_out[y, x] = parts[t]
            for k in range(4):
                canon_out[y, x, k] = wa * canon[a, k] + wb * canon[b, k] + wc * canon[c, k]
            for k in range(3):
                normal_out[y, x, k] = wa * normals[a, k] + wb * normals[b, k] + wc * normals[c, k]
