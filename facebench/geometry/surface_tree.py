"""Kernels of the closest-point query: a bounding-volume tree over triangles, and its descent for single points.

The kernels are serial and release the interpreter lock: callers use threads over images.
"""

from __future__ import annotations

import numba
import numpy as np

from facebench.geometry.triangle_frames import triangle_distance
from facebench.shapes import FloatArray, IntArray

LEAF = 4  # triangles; 2 to 8 differ by less than a tenth in time
DEPTH = 64  # halving, so 2 ** 64 triangles fill it


@numba.njit(cache=True, nogil=True)
def split_at_median(order: IntArray, keys: FloatArray, start: int, stop: int, middle: int) -> None:
    """Reorder `order[start:stop]` so that keys before `middle` are no larger than those from it on (quickselect)."""
    low, high = start, stop - 1
    while low < high:
        pivot = keys[order[(low + high) // 2]]
        i, j = low, high
        while i <= j:
            while keys[order[i]] < pivot:
                i += 1
            while keys[order[j]] > pivot:
                j -= 1
            if i <= j:
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            return


@numba.njit(cache=True, nogil=True)
def build_tree(vertices: FloatArray, faces: IntArray) -> tuple[FloatArray, IntArray, IntArray]:
    """Tree over the triangles, split at the median of the widest axis of their centres.

    Returns:
        bounds: (M, 6) box of each node, lower corner then upper corner.
        nodes: (M, 2); an inner node holds (left child, -1), its right child follows the left; a leaf (start, stop).
        order: (F,) triangle indices; leaves are runs of it.
    """
    count = len(faces)
    lower, upper, centres = np.empty((count, 3)), np.empty((count, 3)), np.empty((3, count))
    for f in range(count):
        for k in range(3):
            p, q, r = vertices[faces[f, 0], k], vertices[faces[f, 1], k], vertices[faces[f, 2], k]
            lower[f, k], upper[f, k], centres[k, f] = min(p, q, r), max(p, q, r), (p + q + r) / 3
    bounds, nodes = np.empty((2 * count, 6)), np.empty((2 * count, 2), np.int64)
    order = np.arange(count)
    nodes[0, 0], nodes[0, 1] = 0, count
    used, node = 1, 0
    while node < used:  # children are appended, so this is breadth first
        start, stop = nodes[node, 0], nodes[node, 1]
        low, high = np.full(3, np.inf), np.full(3, -np.inf)
        bounds[node, :3], bounds[node, 3:] = np.inf, -np.inf
        for i in range(start, stop):
            f = order[i]
            for k in range(3):
                bounds[node, k] = min(bounds[node, k], lower[f, k])
                bounds[node, 3 + k] = max(bounds[node, 3 + k], upper[f, k])
                low[k], high[k] = min(low[k], centres[k, f]), max(high[k], centres[k, f])
        if stop - start > LEAF:
            middle = (start + stop) // 2
            split_at_median(order, centres[np.argmax(high - low)], start, stop, middle)
            nodes[node, 0], nodes[node, 1] = used, -1
            nodes[used, 0], nodes[used, 1] = start, middle
            nodes[used + 1, 0], nodes[used + 1, 1] = middle, stop
            used += 2
        node += 1
    return bounds[:used].copy(), nodes[:used].copy(), order


@numba.njit(cache=True, nogil=True, inline="always")
def box_distance(bounds: FloatArray, node: int, x: float, y: float, z: float) -> float:
    """Squared distance from a point to the box of `node`, 0 inside."""
    dx = max(bounds[node, 0] - x, 0.0, x - bounds[node, 3])
    dy = max(bounds[node, 1] - y, 0.0, y - bounds[node, 4])
    dz = max(bounds[node, 2] - z, 0.0, z - bounds[node, 5])
    return float(dx * dx + dy * dy + dz * dz)


@numba.njit(cache=True, nogil=True)
def query_tree(
    bounds: FloatArray, nodes: IntArray, order: IntArray, frames: FloatArray, points: FloatArray
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Closest triangle of each point: squared distances (n,), closest points (n, 3), triangles (n,).

    `frames` are in the order of the leaves, `flatten_triangles(vertices, faces, order)`.
    """
    squares, closest = np.empty(len(points)), np.empty((len(points), 3))
    triangles = np.empty(len(points), np.int64)
    stack, keys = np.empty(DEPTH, np.int64), np.empty(DEPTH)
    found = 0
    for i in range(len(points)):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        # Neighbours in the list are mostly neighbours in space: the last answer is a good first bound.
        best, px, py = triangle_distance(frames[found], x, y, z)
        stack[0], keys[0], top = 0, box_distance(bounds, 0, x, y, z), 1
        while top:
            top -= 1
            if keys[top] >= best:
                continue
            node = stack[top]
            if nodes[node, 1] >= 0:
                for j in range(nodes[node, 0], nodes[node, 1]):
                    square, qx, qy = triangle_distance(frames[j], x, y, z)
                    if square < best:
                        best, px, py, found = square, qx, qy, j
                continue
            near, far = nodes[node, 0], nodes[node, 0] + 1
            near_key, far_key = box_distance(bounds, near, x, y, z), box_distance(bounds, far, x, y, z)
            if far_key < near_key:
                near, far, near_key, far_key = far, near, far_key, near_key
            if far_key < best:
                stack[top], keys[top], top = far, far_key, top + 1
            if near_key < best:
                stack[top], keys[top], top = near, near_key, top + 1
        frame = frames[found]
        squares[i], triangles[i] = best, order[found]
        for k in range(3):
            closest[i, k] = frame[k] + px * frame[3 + k] + py * frame[6 + k]
    return squares, closest, triangles
