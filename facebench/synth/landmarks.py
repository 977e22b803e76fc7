"""Landmark schemes as points of the canonical plane: WFLW-98, iBUG-68, COFW-29, AFLW-19, LaPa-106 and five points.

Orders are those of the data sets (their flip tables, and their annotations drawn over pictures): image left first,
lids and lips clockwise from the image-left corner. Where a scheme puts a point along a curve is the author's reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.compiled import exact
from facebench.synth.curves import face_point
from facebench.synth.head import Head, head

FIXED, LID, BROW, LIP, SEAM, CONTOUR, PUPIL = range(7)


@dataclass(frozen=True)
class Point:
    """One landmark.

    Attributes:
        kind: which curve it lies on.
        side: -1 image left, 1 image right, 0 neither.
        a: t of the lid, p of the brow, x of the lips or of a fixed point, share of the way from ear to chin.
        b: y of a fixed point.
        which: 1 upper, 0 middle, -1 lower curve or copy of the seam.
    """

    kind: int
    side: int = 0
    a: float = 0.0
    b: float = 0.0
    which: int = 0


def _fixed(x: float, y: float) -> Point:
    return Point(FIXED, 0, x, y, -1 if y < -68.0 else 1)


def _contour(count: int) -> list[Point]:
    """Face outline from the image-left ear over the chin to the image-right ear."""
    half = (count - 1) // 2
    left = [Point(CONTOUR, -1, k / half) for k in range(half + 1)]
    return left + [Point(CONTOUR, 1, k / half) for k in range(half - 1, -1, -1)]


def _brow_outline(side: int) -> list[Point]:
    """Nine points round a brow: five on its upper edge, four on its lower, from the image left and back."""
    upper = [Point(BROW, side, p, which=1) for p in (0.02, 0.27, 0.52, 0.77, 0.985)]
    lower = [Point(BROW, side, p, which=-1) for p in (0.08, 0.33, 0.58, 0.83)]
    return upper[::-1] + lower if side < 0 else upper + lower[::-1]


def _brow_line(side: int) -> list[Point]:
    """Five points of iBUG along the upper part of a brow; the edge itself is 1, they lie at 0.6 of it."""
    places = (0.04, 0.28, 0.52, 0.76, 0.97)
    return [Point(BROW, side, p, which=2) for p in (places[::-1] if side < 0 else places)]


def _eye(side: int, places: tuple[float, ...]) -> list[Point]:
    """Points round an eye, clockwise from its image-left corner; `places` are t from the inner to the outer side."""
    upper = [Point(LID, side, t, which=1) for t in places]
    lower = [Point(LID, side, t, which=-1) for t in places]
    inner, outer = Point(LID, side, -1.0, which=1), Point(LID, side, 1.0, which=1)
    if side < 0:
        return [outer, *upper[::-1], inner, *lower]
    return [inner, *upper, outer, *lower[::-1]]


_RIDGE = [_fixed(0, 3), _fixed(0, -10), _fixed(0, -23), _fixed(0, -36)]
_NOSTRILS = [_fixed(x, y) for x, y in ((-14.5, -45.0), (-7.5, -48.0), (0, -49.2), (7.5, -48.0), (14.5, -45.0))]
_LIPS = (
    [Point(SEAM, 0, -25.0, which=1)]
    + [Point(LIP, 0, x, which=1) for x in (-15.5, -5.5, 0.0, 5.5, 15.5)]
    + [Point(SEAM, 0, 25.0, which=1)]
    + [Point(LIP, 0, x, which=-1) for x in (15.5, 7.5, 0.0, -7.5, -15.5)]
    + [Point(SEAM, 0, x, which=1) for x in (-23.5, -13.0, 0.0, 13.0, 23.5)]
    + [Point(SEAM, 0, x, which=-1) for x in (13.0, 0.0, -13.0)]
)
_PUPILS = [Point(PUPIL, -1), Point(PUPIL, 1)]
_BROWS = [*_brow_outline(-1), *_brow_outline(1)]
_QUARTERS, _THIRDS = (-0.5, 0.0, 0.5), (-0.36, 0.36)


def _wflw98() -> list[Point]:
    return [*_contour(33), *_BROWS, *_RIDGE, *_NOSTRILS, *_eye(-1, _QUARTERS), *_eye(1, _QUARTERS), *_LIPS, *_PUPILS]


def _ibug68() -> list[Point]:
    brows = [*_brow_line(-1), *_brow_line(1)]
    return [*_contour(17), *brows, *_RIDGE, *_NOSTRILS, *_eye(-1, _THIRDS), *_eye(1, _THIRDS), *_LIPS]


def _lapa106() -> list[Point]:
    """LaPa: as WFLW, but fifteen points on and round the nose, a pupil after each eye, and both pupils at the end."""
    sides = [(-9.5, -1.0), (-13.5, -31.0), (-18.2, -39.5), (-14.5, -45.4), (-7.0, -48.2)]
    nose = [_fixed(0, 3), _fixed(0, -11), _fixed(0, -24), _fixed(0, -36), *(_fixed(x, y) for x, y in sides)]
    nose += [_fixed(0, -49.2), *(_fixed(-x, y) for x, y in sides[::-1])]
    eyes = [*_eye(-1, _QUARTERS), _PUPILS[0], *_eye(1, _QUARTERS), _PUPILS[1]]
    return [*_contour(33), *_BROWS, *nose, *eyes, *_LIPS, *_PUPILS]


def _aflw19() -> list[Point]:
    brows = [Point(BROW, s, p) for s, p in ((-1, 0.98), (-1, 0.5), (-1, 0.02), (1, 0.02), (1, 0.5), (1, 0.98))]
    left = [Point(LID, -1, 1.0, which=1), _PUPILS[0], Point(LID, -1, -1.0, which=1)]
    right = [Point(LID, 1, -1.0, which=1), _PUPILS[1], Point(LID, 1, 1.0, which=1)]
    nose = [_fixed(-17.6, -40.5), _fixed(0, -36), _fixed(17.6, -40.5)]
    mouth = [Point(SEAM, 0, x, which=1) for x in (-25.0, 0.0, 25.0)]
    return [*brows, *left, *right, *nose, *mouth, Point(CONTOUR, 1, 1.0)]


def _cofw29() -> list[Point]:
    brows = [Point(BROW, s, p) for p in (0.98, 0.02) for s in (-1, 1)]
    brows += [Point(BROW, s, 0.5, which=w) for s in (-1, 1) for w in (1, -1)]
    corners = [Point(LID, s, t, which=1) for t in (1.0, -1.0) for s in (-1, 1)]
    lids = [Point(LID, s, 0.0, which=w) for s in (-1, 1) for w in (1, -1)]
    nose = [_fixed(-17.6, -40.5), _fixed(17.6, -40.5), _fixed(0, -36), _fixed(0, -49.2)]
    mouth = [Point(SEAM, 0, -25.0, which=1), Point(SEAM, 0, 25.0, which=1), Point(LIP, 0, 0.0, which=1)]
    mouth += [Point(SEAM, 0, 0.0, which=1), Point(SEAM, 0, 0.0, which=-1), Point(LIP, 0, 0.0, which=-1)]
    return [*brows, *corners, *lids, *_PUPILS, *nose, *mouth, Point(CONTOUR, 1, 1.0)]


def _five() -> list[Point]:
    """The five points of a face detector: pupils, nose tip, corners of the mouth."""
    return [*_PUPILS, _fixed(0, -36), Point(SEAM, 0, -25.0, which=1), Point(SEAM, 0, 25.0, which=1)]


@dataclass(frozen=True, eq=False)
class PointTable:
    """All schemes in one table.

    Attributes:
        slices: scheme name to its rows.
        rows: (K, 5) float: kind, side, a, b, which.
    """

    slices: dict[str, slice]
    rows: AnyArray


@cache
def point_table() -> PointTable:
    """The table of every landmark of every scheme."""
    schemes = {
        "wflw98": _wflw98(), "ibug68": _ibug68(), "cofw29": _cofw29(),
        "aflw19": _aflw19(), "lapa106": _lapa106(), "five": _five(),
    }  # fmt: skip
    slices: dict[str, slice] = {}
    rows: list[tuple[float, ...]] = []
    for name, points in schemes.items():
        slices[name] = slice(len(rows), len(rows) + len(points))
        rows += [(p.kind, p.side, p.a, p.b, p.which) for p in points]
    return PointTable(slices, np.array(rows, float))


@exact
def canonical_points(
    table: AnyArray, lids: AnyArray, brows: AnyArray, lips: AnyArray, outline: AnyArray, widths: AnyArray
) -> AnyArray:
    """Where each landmark lies on the grid of the head.

    Args:
        table: (K, 5) as in `PointTable`.
        lids: (5,) as in `face_point`.
        brows: (6,) as in `face_point`.
        lips: (3,) as in `face_point`.
        outline: (2, M, 3) float: for image left and right, share of the way from ear to chin, theta (radians), y.
        widths: half width of the loft every 0.1 mm from y = -116.

    Returns:
        (K, 3) float: theta (radians), canonical y (mm), 1 where the point lies under the seam of the lips.
    """
    out = np.zeros((table.shape[0], 3))
    for k in range(table.shape[0]):
        kind, side, a, b, which = int(table[k, 0]), table[k, 1], table[k, 2], table[k, 3], int(table[k, 4])
        if kind == 5:
            s = 0 if side < 0 else 1
            n = 1
            while n < outline.shape[1] - 1 and outline[s, n, 0] < a:
                n += 1
            gap = outline[s, n, 0] - outline[s, n - 1, 0]
            share = min(1.0, max(0.0, (a - outline[s, n - 1, 0]) / gap)) if gap > 0.0 else 1.0
            for axis in range(2):
                low, high = outline[s, n - 1, axis + 1], outline[s, n, axis + 1]
                out[k, axis] = low + (high - low) * share
            out[k, 2] = 1.0 if out[k, 1] < -68.0 else 0.0
            continue
        if kind == 6:
            continue
        if kind == 0:
            x, y = a, b
        elif kind == 2 and which == 2:
            x, y = face_point(2, side, a, 0, lids, brows, lips)
            y += 0.6 * (face_point(2, side, a, 1, lids, brows, lips)[1] - y)
        else:
            x, y = face_point(kind, side, a, which, lids, brows, lips)
        place = (y + 116.0) * 10.0
        cell = min(max(int(place), 0), widths.shape[0] - 2)
        width = widths[cell] + (widths[cell + 1] - widths[cell]) * (place - cell)
        out[k, 0] = np.arcsin(min(1.0, max(-1.0, x / max(width, 1e-6))))
        out[k, 1] = y
        out[k, 2] = 1.0 if (which < 0 and kind != 1 and kind != 2) else 0.0
    return out


@exact
def carry(points: AnyArray, positions: AnyArray, theta: AnyArray, rows: AnyArray, upper: int, lower: int) -> AnyArray:
    """Where canonical points are on the moving head: the barycentric value in the triangle that is drawn there.

    Args:
        points: (K, 3) theta in radians within ±90°, y, 1 under the seam.
        positions: (3, rows, columns) float32, mm.
        theta: (columns,) angles of the grid, radians.
        rows: (rows,) heights of the grid, from high to low.
        upper: row number of the upper copy of the seam.
        lower: row number of the lower copy.

    Returns:
        (K, 3) float, mm.
    """
    out = np.zeros((points.shape[0], 3))
    last = rows.shape[0] - 1
    for k in range(points.shape[0]):
        th, y = points[k, 0], points[k, 1]
        j = 0
        while j < theta.shape[0] - 2 and theta[j + 1] <= th:
            j += 1
        i, end = (lower, last - 1) if points[k, 2] > 0.5 else (0, upper - 1)
        while i < end and rows[i + 1] >= y:
            i += 1
        fx = (th - theta[j]) / (theta[j + 1] - theta[j])
        fy = (y - rows[i]) / (rows[i + 1] - rows[i])
        if 0.5 * (theta[j] + theta[j + 1]) < 0.0:
            # Cut along the other diagonal (head.left_columns).
            if fy >= fx:
                wa, wb, wc, wd = 1.0 - fy, 0.0, fy - fx, fx
            else:
                wa, wb, wc, wd = 1.0 - fx, fx - fy, 0.0, fy
        elif fx + fy <= 1.0:
            wa, wb, wc, wd = 1.0 - fx - fy, fx, fy, 0.0
        else:
            wa, wb, wc, wd = 0.0, 1.0 - fy, 1.0 - fx, fx + fy - 1.0
        for axis in range(3):
            p = positions[axis]
            out[k, axis] = wa * p[i, j] + wb * p[i, j + 1] + wc * p[i + 1, j] + wd * p[i + 1, j + 1]
    return out


def carry_points(points: AnyArray, positions: AnyArray) -> AnyArray:
    """`carry` on the one head."""
    grid: Head = head()
    return np.asarray(carry(points, positions, grid.theta, grid.rows, grid.upper_seam, grid.lower_seam))


def canonical(points: list[tuple[float, float]]) -> AnyArray:
    """(K, 3) grid places of canonical (x, y) points of the face, for `carry_points`."""
    xy = np.array(points, float)
    grid = head()
    width = np.interp(xy[:, 1], np.linspace(-116.0, 116.0, len(grid.width_table)), grid.width_table)
    return np.stack([np.arcsin(np.clip(xy[:, 0] / width, -1, 1)), xy[:, 1], xy[:, 1] < -68.0], 1).astype(float)
