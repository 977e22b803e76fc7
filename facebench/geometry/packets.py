"""Closest triangles of many points at once: points that lie together walk the tree together.

A packet is WIDTH points in a small box. The tree is walked once a packet, with the box; the few triangles that may be
closest to any of its points are then measured against all of them, in loops that the compiler turns into vector
instructions. The result is exact. Where the points hardly move between two calls, the few triangles are kept and the
second call does not walk the tree at all.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from facebench.geometry.surface_tree import DEPTH, split_at_median
from facebench.geometry.triangle_frames import triangle_distance
from facebench.shapes import FloatArray, IntArray

WIDTH = 16  # points; 8 walk the tree twice as often, 32 measure twice as many triangles
KEPT = 128  # triangles that a packet may keep


@numba.njit(cache=True, nogil=True)
def packet_order(points: FloatArray) -> IntArray:
    """Order of `points` (n, 3) in which every WIDTH of them lie together: halved along the longest side of their box.

    Every run of packets is compact too, so that every eighth packet is spread over the whole.
    """
    order, columns = np.arange(len(points)), points.T.copy()
    stack, top = np.empty((DEPTH, 2), np.int64), 1
    stack[0, 0], stack[0, 1] = 0, len(points)
    while top:
        top -= 1
        start, stop = stack[top]
        if stop - start <= WIDTH:
            continue
        widest, axis = -1.0, 0
        for k in range(3):
            low, high = np.inf, -np.inf
            for i in range(start, stop):
                low, high = min(low, columns[k, order[i]]), max(high, columns[k, order[i]])
            if high - low > widest:
                widest, axis = high - low, k
        packets = (stop - start + WIDTH - 1) // WIDTH
        middle = start + packets // 2 * WIDTH
        split_at_median(order, columns[axis], start, stop, middle)
        stack[top, 0], stack[top, 1] = middle, stop
        stack[top + 1, 0], stack[top + 1, 1] = start, middle
        top += 2
    return order


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def box_gap(bounds: FloatArray, k: int, box: FloatArray) -> float:
    """Squared distance between two boxes, 0 where they meet: row k of `bounds`, and `box` (6,)."""
    dx = max(bounds[k, 0] - box[3], 0.0, box[0] - bounds[k, 3])
    dy = max(bounds[k, 1] - box[4], 0.0, box[1] - bounds[k, 4])
    dz = max(bounds[k, 2] - box[5], 0.0, box[2] - bounds[k, 5])
    return float(dx * dx + dy * dy + dz * dz)


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def measure_triangle(frames: FloatArray, j: int, places: FloatArray, best: FloatArray, which: IntArray) -> None:
    """Keep triangle j where it is closer than the best so far to one of `places` (3, WIDTH).

    All parts of the triangle are measured and the smallest taken: without branches the loop is one of vectors.
    """
    ax, ay, az = frames[j, 0], frames[j, 1], frames[j, 2]
    ux, uy, uz = frames[j, 3], frames[j, 4], frames[j, 5]
    vx, vy, vz = frames[j, 6], frames[j, 7], frames[j, 8]
    wx, wy, wz = frames[j, 9], frames[j, 10], frames[j, 11]
    length, foot, height = frames[j, 12], frames[j, 13], frames[j, 14]
    rest, left, right = length - foot, frames[j, 15], frames[j, 16]
    solid = height > 0.0
    for i in range(WIDTH):
        dx, dy, dz = places[0, i] - ax, places[1, i] - ay, places[2, i] - az
        u = dx * ux + dy * uy + dz * uz
        v = dx * vx + dy * vy + dz * vz
        w = dx * wx + dy * wy + dz * wz
        t = u if u > 0.0 else 0.0
        t = t if t < length else length
        flat = (u - t) * (u - t) + v * v
        t = (u * foot + v * height) * left
        t = t if t > 0.0 else 0.0
        t = t if t < 1.0 else 1.0
        edge = (u - t * foot) * (u - t * foot) + (v - t * height) * (v - t * height)
        flat = edge if edge < flat else flat
        back = length - u
        t = (back * rest + v * height) * right
        t = t if t > 0.0 else 0.0
        t = t if t < 1.0 else 1.0
        edge = (back - t * rest) * (back - t * rest) + (v - t * height) * (v - t * height)
        flat = edge if edge < flat else flat
        inside = solid & (v >= 0.0) & (height * u >= foot * v) & (height * back >= rest * v)
        square = w * w + (0.0 if inside else flat)
        better = square < best[i]
        best[i] = square if better else best[i]
        which[i] = j if better else which[i]


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _reach(best: FloatArray, slack: float) -> float:
    """Square of how far a triangle may be that still matters to a packet."""
    worst = best[0]
    for i in range(1, WIDTH):
        worst = max(worst, best[i])
    return (math.sqrt(worst) + slack) ** 2


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _load_packet(points: FloatArray, first: int, motion: FloatArray, places: FloatArray, box: FloatArray) -> None:
    """Moved points of a packet (the last one repeated where it is short), and their box."""
    box[:3], box[3:] = np.inf, -np.inf
    for i in range(WIDTH):
        p = min(first + i, len(points) - 1)
        for k in range(3):
            value = motion[k, 3]
            for m in range(3):
                value += motion[k, m] * points[p, m]
            places[k, i] = value
            box[k], box[3 + k] = min(box[k], value), max(box[3 + k], value)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _walk(
    bounds: FloatArray, nodes: IntArray, boxes: FloatArray, frames: FloatArray,
    places: FloatArray, box: FloatArray, slack: float,
    best: FloatArray, which: IntArray, stack: IntArray, keys: FloatArray, kept: IntArray,
) -> int:  # fmt: skip
    """Closest triangles of one packet; returns how many triangles matter, the first KEPT of them in `kept`."""
    reach, count = _reach(best, slack), 0
    stack[0], keys[0], top = 0, 0.0, 1
    while top:
        top -= 1
        if keys[top] > reach:
            continue
        node = stack[top]
        if nodes[node, 1] >= 0:
            for j in range(nodes[node, 0], nodes[node, 1]):
                if box_gap(boxes, j, box) <= reach:
                    measure_triangle(frames, j, places, best, which)
                    if count < KEPT:
                        kept[count] = j
                    count += 1
            reach = _reach(best, slack)
            continue
        near, far = nodes[node, 0], nodes[node, 0] + 1
        near_key, far_key = box_gap(bounds, near, box), box_gap(bounds, far, box)
        if far_key < near_key:
            near, far, near_key, far_key = far, near, far_key, near_key
        if far_key <= reach:
            stack[top], keys[top], top = far, far_key, top + 1
        if near_key <= reach:
            stack[top], keys[top], top = near, near_key, top + 1
    if count > KEPT:
        return count
    within = 0  # what was measured before the reach fell to its last value may be out of it
    for c in range(count):
        if box_gap(boxes, kept[c], box) <= reach:
            kept[within], within = kept[c], within + 1
    return within


@numba.njit(cache=True, nogil=True, error_model="numpy")
def nearest_triangles(
    bounds: FloatArray, nodes: IntArray, boxes: FloatArray, frames: FloatArray, points: FloatArray, motion: FloatArray,
    every: int, slack: float, kept: IntArray, counts: IntArray, found: IntArray,
) -> None:  # fmt: skip
    """Closest triangle of each point, exact.

    Args:
        bounds: (M, 6) boxes of the tree's nodes.
        nodes: (M, 2) children or triangles of each.
        boxes: (F, 6) of the triangles, in the order of the leaves.
        frames: (F, COLUMNS) of the triangles, in that order.
        points: (n, 3) in the order of `packet_order`.
        motion: (3, 4), applied to the points first.
        every: 1 for all packets, 8 for every eighth.
        slack: how far beyond need triangles are kept: what is kept stays enough while no point moves by more than half
            of it.
        kept: (packets, KEPT) int32, triangles that a packet keeps; read where `counts` is positive, written elsewhere.
        counts: (packets,) int32, how many; 0 has the tree walked; set to -1, which has it walked again and again, where
            there are too many to keep.
        found: (n,) int32, written for the points of the chosen packets: row of `frames`.
    """
    places, box, best = np.empty((3, WIDTH)), np.empty(6), np.empty(WIDTH)
    which, last = np.zeros(WIDTH, np.int64), 0
    stack, keys = np.empty(DEPTH, np.int64), np.empty(DEPTH)
    for g in range(0, len(counts), every):
        _load_packet(points, g * WIDTH, motion, places, box)
        best[:] = np.inf
        if counts[g] > 0:
            for c in range(counts[g]):
                measure_triangle(frames, kept[g, c], places, best, which)
        else:
            measure_triangle(frames, last, places, best, which)
            count = _walk(bounds, nodes, boxes, frames, places, box, slack, best, which, stack, keys, kept[g])
            if counts[g] == 0:
                counts[g] = count if count <= KEPT else -1
        last = which[WIDTH // 2]
        for i in range(min(WIDTH, len(points) - g * WIDTH)):
            found[g * WIDTH + i] = which[i]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def place_points(frames: FloatArray, points: FloatArray, found: IntArray) -> tuple[FloatArray, FloatArray]:
    """Squared distance (n,) of each point to its triangle, row `found` of `frames`, and the closest point (n, 3)."""
    squares, closest = np.empty(len(points)), np.empty((len(points), 3))
    for i in range(len(points)):
        frame = frames[found[i]]
        squares[i], px, py = triangle_distance(frame, points[i, 0], points[i, 1], points[i, 2])
        for k in range(3):
            closest[i, k] = frame[k] + px * frame[3 + k] + py * frame[6 + k]
    return squares, closest


@numba.njit(cache=True, nogil=True)
def triangle_boxes(vertices: FloatArray, faces: IntArray, order: IntArray) -> FloatArray:
    """Boxes (F, 6) of the triangles `faces[order]`, lower corner then upper corner."""
    boxes = np.empty((len(faces), 6))
    for f in range(len(faces)):
        face = faces[order[f]]
        for k in range(3):
            p, q, r = vertices[face[0], k], vertices[face[1], k], vertices[face[2], k]
            boxes[f, k], boxes[f, 3 + k] = min(p, q, r), max(p, q, r)
    return boxes
