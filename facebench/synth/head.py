"""The fixed-topology head: one grid over (angle, height), its canonical coordinates and its mean shape.

Each vertex has canonical coordinates that never change (cx, cy: its place in the face plane of the mean loft, in mm;
theta: its angle round the vertical axis; depth: 0 to 1 through the inside of the mouth) and a position that identity,
expression and pose move. Regions and landmarks are curves and points of the canonical plane, so picture, label maps
and landmarks agree by construction.

All measures are the author's, in millimetres, after common anthropometry (face width 138, jaw 107, outer eye corners
94, inner 33, mouth 50, nasion to gnathion 120).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.interpolate import PchipInterpolator

from facebench.shapes import AnyArray
from facebench.synth.fields import bump, ramp

SEAM_Y = -68.0
"""Height of the line between the lips."""
MOUTH_HALF = 25.0
EYE_X = 31.8
EYE_HALF = 15.5
EYE_RADIUS = 12.2
EYE_Z = 63.5
NOSE_BASE_Y = -49.2

PART_HEAD, PART_MOUTH, PART_BODY, PART_EAR = 0, 1, 2, 3
# From here on parts are thin shells, drawn from both sides.
PART_HAIR, PART_FRAME, PART_BRIM, PART_EARRING, PART_SCARF, PART_HAND = 4, 5, 6, 7, 8, 9

_FRONT_COLUMNS, _BACK_COLUMNS, _INNER_ROWS = 127, 23, 5

# y, half width, z of the widest line, z of the front midline without nose and lips, z of the back
_PROFILE = np.array(
    [
        [116.0, 0.0, -15.0, -15.0, -15.0],
        [115.5, 13.0, -14.0, 8.0, -36.0],
        [113.0, 29.0, -13.0, 27.0, -56.0],
        [108.0, 43.0, -12.0, 45.0, -70.0],
        [100.0, 55.5, -10.0, 61.0, -82.0],
        [85.0, 66.5, -8.0, 78.0, -93.0],
        [70.0, 71.0, -5.0, 86.0, -98.0],
        [50.0, 72.5, -2.0, 91.0, -101.0],
        [30.0, 72.5, 0.0, 93.0, -101.0],
        [15.0, 72.0, 2.0, 92.5, -99.0],
        [0.0, 71.2, 4.0, 89.5, -95.0],
        [-15.0, 69.5, 5.0, 90.0, -89.0],
        [-35.0, 65.5, 6.0, 91.0, -80.0],
        [-50.0, 62.0, 7.0, 92.0, -70.0],
        [-62.0, 58.5, 9.0, 92.5, -58.0],
        [-75.0, 53.5, 14.0, 91.5, -40.0],
        [-88.0, 46.5, 25.0, 90.0, -18.0],
        [-98.0, 39.5, 37.0, 89.5, 4.0],
        [-106.0, 32.0, 48.0, 86.5, 24.0],
        [-111.5, 23.5, 56.5, 81.5, 38.0],
        [-114.5, 15.5, 62.0, 76.0, 50.0],
        [-116.0, 0.0, 67.0, 67.0, 67.0],
    ]
)[::-1]

# y, height of the nose ridge over the face, half breadth of the ridge
_NOSE = np.array(
    [
        [13.0, 0.0, 11.0],
        [6.0, 1.0, 10.0],
        [0.0, 2.8, 9.2],
        [-8.0, 7.4, 9.4],
        [-17.0, 12.8, 10.2],
        [-26.0, 18.0, 11.5],
        [-32.0, 21.4, 12.4],
        [-36.0, 22.4, 12.5],
        [-39.5, 20.8, 12.2],
        [-43.2, 15.2, 11.6],
        [-46.0, 7.8, 11.0],
        [-49.0, 2.2, 10.0],
        [-53.0, 0.0, 10.0],
    ]
)[::-1]


def loft(y: AnyArray) -> tuple[AnyArray, AnyArray, AnyArray, AnyArray]:
    """Half width, z of the widest line, of the front and of the back of the bare head at each height, in mm."""
    width, middle, fore, back = (table(np.clip(y, -116.0, 116.0)) for table in _loft_tables())
    return width, middle, fore, back


@cache
def _loft_tables() -> tuple[PchipInterpolator, ...]:
    return tuple(PchipInterpolator(_PROFILE[:, 0], _PROFILE[:, k]) for k in range(1, 5))


@dataclass(frozen=True, eq=False)
class Head:
    """The grid of the head and its mean shape; V = rows x columns vertices in row-major order.

    Attributes:
        theta: (columns,) float, radians; 0 faces the camera, -90° is the image left, the last column closes the round.
        rows: (rows,) float, canonical heights from the crown down, mm; the seam of the lips comes twice, with the
            rows of the inner mouth between.
        depth: (rows,) float, 0 at the upper seam to 1 at the lower seam inside the mouth, 0 elsewhere.
        upper_seam, lower_seam: row numbers of the two copies of the seam.
        cx, cy: (rows, columns) float, canonical coordinates, mm.
        front: (rows, columns) float, 1 where facial features act, 0 on the back of the head.
        mean: (3, rows, columns) float32, mm.
        faces: (F, 3) int32, outward anticlockwise.
        parts: (F,) uint8, PART_HEAD or PART_MOUTH.
        width_table: (2321,) float, half width of the loft every 0.1 mm from y = -116 to 116.
    """

    theta: AnyArray
    rows: AnyArray
    depth: AnyArray
    upper_seam: int
    lower_seam: int
    cx: AnyArray
    cy: AnyArray
    front: AnyArray
    mean: AnyArray
    faces: AnyArray
    parts: AnyArray
    width_table: AnyArray

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the grid."""
        return len(self.rows), len(self.theta)


def _columns() -> AnyArray:
    """(columns,) angles: dense over the face, sparse over the back of the head, mirror-symmetric."""
    s = np.linspace(-1.0, 1.0, _FRONT_COLUMNS)
    front = 0.55 * np.arcsin(s) + 0.45 * s * np.pi / 2
    back = np.linspace(np.pi / 2, 1.5 * np.pi, _BACK_COLUMNS + 2)[1:]
    return np.concatenate([front, back])


def _heights() -> tuple[AnyArray, AnyArray]:
    """Row heights above the seam and below it (the seam itself apart), from the crown down."""
    above = [116.0, 115.7, 115.2, 114.2, *np.linspace(112.5, 30.0, 29), *np.linspace(28.3, 13.0, 10)]
    above += list(np.linspace(11.7, SEAM_Y + 0.6, 60))
    below = [*np.linspace(SEAM_Y - 0.7, -92.0, 18), *np.linspace(-93.7, -109.0, 10)]
    below += [-110.8, -112.2, -113.4, -114.4, -115.1, -115.6, -115.9, -116.0]
    return np.array(above), np.array(below)


def grid_faces(rows: int, columns: int, *, mirrored: AnyArray | None = None) -> AnyArray:
    """Triangles of a grid of vertices, outward anticlockwise for rows downwards and columns to the image right.

    Args:
        rows: vertices down the grid.
        columns: vertices across the grid.
        mirrored: (columns - 1,) bool, quads that are cut along the other diagonal, so that a mirrored grid has
            mirrored triangles; None cuts all alike.

    Returns:
        (2 * (rows - 1) * (columns - 1), 3) int32, two triangles a quad, quads in row-major order.
    """
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij")
    a = i * columns + j
    b, c, d = a + 1, a + columns, a + columns + 1
    plain = np.stack([np.stack([a, c, b], -1), np.stack([b, c, d], -1)], 2)
    if mirrored is not None:
        other = np.stack([np.stack([a, c, d], -1), np.stack([a, d, b], -1)], 2)
        plain = np.where(mirrored[None, :, None, None], other, plain)
    return plain.reshape(-1, 3).astype(np.int32)


def left_columns(theta: AnyArray) -> AnyArray:
    """(columns - 1,) bool: the quads of the image-left half, which are cut along the other diagonal."""
    middle = (theta[1:] + theta[:-1]) / 2
    return (middle < 0) | (middle > np.pi)


def nose_field(ax: AnyArray, cy: AnyArray) -> AnyArray:
    """Height of the mean nose over the loft, mm."""
    ridge = np.nan_to_num(PchipInterpolator(_NOSE[:, 0], _NOSE[:, 1], extrapolate=False)(cy))
    breadth = np.interp(cy, _NOSE[:, 0], _NOSE[:, 2])
    z = ridge * np.exp(-((ax / breadth) ** 1.9))
    z = z + 7.4 * bump(ax, cy, 12.0, -40.0, 5.3, 5.6) + 1.6 * bump(ax, cy, 0.0, -37.2, 8.5, 5.6)
    z = z - 4.0 * bump(ax, cy, 6.6, -46.6, 3.6, 2.5)
    return np.asarray(z - 1.8 * bump(ax, cy, 18.3, -40.5, 2.6, 5.6))


def _mouth_field(cx: AnyArray, cy: AnyArray) -> AnyArray:
    """Relief of lips, philtrum and folds of the mean face, mm."""
    ax = np.abs(cx)
    fold = 17.0 - 0.42 * (cy + 41.0)
    d = -1.7 * np.exp(-(((ax - fold) / 3.6) ** 2)) * ramp(-38, -45, cy) * ramp(-76, -62, cy)
    d = d + 2.2 * np.exp(-(((ax - fold - 8) / 7.0) ** 2)) * ramp(-32, -44, cy) * ramp(-80, -62, cy)
    d = d - 1.3 * bump(ax, cy, 0, -54.5, 2.6, 6.0) + 0.8 * bump(ax, cy, 4.6, -55, 2.2, 6.0)
    d = d + 3.0 * bump(ax, cy, 0, -61, 24, 9.5) + 2.4 * bump(ax, cy, 0, -71, 24, 9)
    d = d + 2.4 * bump(ax, cy, 4.5, -63.6, 11, 3.0) + 3.7 * bump(ax, cy, 0, -73.2, 14, 4.0)
    d = d - 2.6 * np.exp(-(((cy - SEAM_Y) / 2.0) ** 2)) * np.sqrt(np.clip(1.15 - (cx / MOUTH_HALF) ** 2, 0, 1))
    d = d - 1.8 * bump(ax, cy, 26.5, -68.5, 3.5, 4)
    d = d - 4.0 * bump(ax, cy, 0, -84.5, 17, 4.8)
    return np.asarray(d + 4.2 * bump(ax, cy, 0, -100, 14, 9) + 0.8 * bump(ax, cy, 7, -100, 6, 7))


def _face_field(cx: AnyArray, cy: AnyArray) -> AnyArray:
    """Forward displacement of the mean face over the loft, mm."""
    ax = np.abs(cx)
    d = -9.5 * bump(ax, cy, 30, 0, 19, 13) - 3.5 * bump(ax, cy, 17, 3, 7, 8)
    d = d + 4.2 * bump(ax, cy, 27, 17, 21, 7.5) + 1.5 * bump(ax, cy, 0, 15, 12, 7)
    d = d + nose_field(ax, cy)
    d = d + 4.5 * bump(ax, cy, 46, -22, 17, 13) + 2.0 * bump(ax, cy, 30, -32, 14, 14)
    d = d - 2.0 * bump(ax, cy, 48, -58, 14, 18) - 2.5 * bump(ax, cy, 70, 32, 16, 22)
    return np.asarray(d + _mouth_field(cx, cy))


def _over_eyeballs(z: AnyArray, ax: AnyArray, cy: AnyArray, cos: AnyArray) -> AnyArray:
    """The lids follow the eyeball: a smooth maximum of the face and a sphere a little larger than the eye."""
    gap = (EYE_RADIUS + 1.3) ** 2 - (ax - EYE_X) ** 2 - cy**2
    sphere = EYE_Z + np.sqrt(np.maximum(gap, 0.0))
    softness = 1.6
    blend = np.maximum(sphere, z) + softness * np.log1p(np.exp(-np.abs(sphere - z) / softness))
    return np.asarray(np.where((gap > 0) & (cos > 0), z + (blend - z) * ramp(0, 40, gap), z))


def lens(cx: AnyArray) -> AnyArray:
    """Opening of the mouth along its width: 1 in the middle, 0 at the corners."""
    return np.asarray(np.clip(1 - (cx / MOUTH_HALF) ** 2, 0, 1) ** 0.55)


@cache
def head() -> Head:
    """The one head that all identities share, built once."""
    above, below = _heights()
    rows = np.concatenate([above, [SEAM_Y] * (_INNER_ROWS + 2), below])
    upper = len(above)
    lower = upper + _INNER_ROWS + 1
    depth = np.zeros(len(rows))
    depth[upper : lower + 1] = np.linspace(0, 1, _INNER_ROWS + 2)
    theta = _columns()
    th = np.broadcast_to(theta, (len(rows), len(theta)))
    cy = np.broadcast_to(rows[:, None], th.shape)
    width, middle, fore, back = loft(cy)
    sin, cos = np.sin(th), np.cos(th)
    cx = width * sin
    z = np.where(cos >= 0, middle + (fore - middle) * np.abs(cos), middle - (middle - back) * np.abs(cos))
    front = ramp(-0.05, 0.35, cos)
    z = _over_eyeballs(z + _face_field(cx, cy) * front, np.abs(cx), cy, cos)
    inside = (depth > 0) & (depth < 1)
    z = z - 3.5 * np.sqrt(4 * depth * (1 - depth))[:, None] * lens(cx) * (cos > 0) * inside[:, None]
    faces, parts = _faces(theta, len(rows), cx, cos, upper, lower)
    return Head(
        theta, rows, depth, upper, lower, cx, np.array(cy), front,
        np.stack([cx, cy, z]).astype(np.float32), faces, parts,
        loft(np.linspace(-116.0, 116.0, 2321))[0],
    )  # fmt: skip


def _faces(
    theta: AnyArray, rows: int, cx: AnyArray, cos: AnyArray, upper: int, lower: int
) -> tuple[AnyArray, AnyArray]:
    """Triangles of the head and their parts; between the seams only the width of the mouth is kept."""
    columns = len(theta)
    faces = grid_faces(rows, columns, mirrored=left_columns(theta))
    row = np.repeat(np.arange(rows - 1), (columns - 1) * 2)
    inner = (row >= upper) & (row < lower)
    in_mouth = (np.abs(cx.reshape(-1)[faces].mean(1)) < MOUTH_HALF) & (cos.reshape(-1)[faces].mean(1) > 0)
    parts = np.where(inner & in_mouth, PART_MOUTH, PART_HEAD).astype(np.uint8)
    keep = ~inner | in_mouth
    return np.ascontiguousarray(faces[keep]), parts[keep]
