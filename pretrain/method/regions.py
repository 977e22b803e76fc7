"""Which region of the face each patch shows: the anatomy that structured masks follow.

Every pixel belongs to the first of `REGIONS` that holds it; a patch takes the first region that covers at least a
quarter of it. So small regions win over the skin around them, and the boundary is a line of patches. INFERRED: groups
as in FSFM's CRFR-P (`util/datasets.py`); OURS: their order, and the boxes about five points, in the canvas of FaRL's
face template.

The boxes have room about eyes and brows; outlines and label maps have none, and a brow seldom fills a quarter of a
patch. So of their parts, eyes to mouth, a patch takes the first that it shows at all (FSFM takes the maximum too).

Sources: `five` points (any detector), `sixty-eight` points, `parsing` (a label map of LaPa's classes, which is
supervision), `template` (the five points of an aligned crop, where a picture has none).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from facebench.geometry.similarity import fit_similarity
from facebench.shapes import AnyArray, BoolArray, ByteArray, FloatArray, IntArray

Source = Literal["five", "sixty-eight", "parsing", "template"]

REGIONS = ("eyes", "brows", "nose", "mouth", "boundary", "skin", "hair", "background")
"""By index, the first wins."""

CANVAS = 512
TEMPLATE = np.array([[196.0, 226.0], [316.0, 226.0], [256.0, 286.0], [220.0, 360.4], [292.0, 360.4]])
"""Eyes, nose and corners of the mouth in FaRL's canvas (py-blueprint `_standard_face_pts`), image left first."""

COVERAGE = 0.25
FINE = 8
"""Samples along each side of a patch."""

_BOXES = {  # centre and half size, canvas pixels
    "eyes": (((196, 226), (42, 26)), ((316, 226), (42, 26))),
    "brows": (((196, 186), (48, 18)), ((316, 186), (48, 18))),
    "nose": (((256, 262), (36, 52)),),
    "mouth": (((256, 360), (62, 34)),),
}
_FACE_CENTRE, _FACE_RADII = np.array([256.0, 286.0]), np.array([132.0, 170.0])
_BAND = 24.0 / 132.0  # width of the boundary, in radii of the face
_HAIR_BELOW, _HAIR_SCALE = 150.0, 1.35

_FIVE_OF_68 = ((36, 37, 38, 39, 40, 41), (42, 43, 44, 45, 46, 47), (30,), (48,), (54,))
_LAPA = {"skin": (1,), "brows": (2, 3), "eyes": (4, 5), "nose": (6,), "mouth": (7, 8, 9), "hair": (10,)}


def region_map(
    points: AnyArray | None, *, source: Source, size: int, grid: int, labels: ByteArray | None = None
) -> IntArray:
    """Region of each patch, (L,) indices into `REGIONS`, row by row.

    Args:
        points: (5, 2) or (68, 2), pixels of the picture; None where it has none: then the template stands in, as it
            does for points that are not finite or all lie in one place.
        source: what to go by. Sixty-eight points serve `five` as well; five cannot serve `sixty-eight`.
        size: S, side of the picture, pixels.
        grid: G, patches along each side.
        labels: (S, S) LaPa classes; needed for `parsing`, which falls back to the points where there are none.
    """
    points = points if points is not None and usable(points) else None
    if source == "parsing" and labels is not None:
        return _by_coverage(_from_labels(labels, grid), grid, parts=1 / FINE**2)
    if source == "sixty-eight" and points is not None and len(points) == 68:
        return _by_coverage(_from_contours(np.asarray(points, dtype=np.float64), size, grid), grid, parts=1 / FINE**2)
    known = None if source == "template" or points is None else five_points(points)
    fine = _from_five((TEMPLATE + 0.5) * size / CANVAS - 0.5 if known is None else known, size, grid)
    return _by_coverage(fine, grid)


def usable(points: AnyArray) -> bool:
    """Whether `points` (n, 2) are those of a face at all: finite, and not all in one place."""
    return bool(np.isfinite(points).all() and np.ptp(points, axis=0).max() > 0)


def five_points(points: AnyArray) -> FloatArray:
    """Eyes, nose tip and corners of the mouth (5, 2) of five or of 68 points."""
    points = np.asarray(points, dtype=np.float64)
    if len(points) == 5:
        return points
    return np.stack([points[list(group)].mean(axis=0) for group in _FIVE_OF_68])


def _by_coverage(fine: IntArray, grid: int, *, parts: float = COVERAGE) -> IntArray:
    """Region of each patch from that of each sample (G FINE, G FINE); `parts` is the share that eyes to mouth need."""
    patch = np.arange(grid * FINE) // FINE
    cell = (patch[:, None] * grid + patch) * len(REGIONS) + fine
    counts = np.bincount(cell.ravel(), minlength=grid * grid * len(REGIONS))
    shares = counts.reshape(grid * grid, len(REGIONS)) / FINE**2
    enough = shares >= np.array([parts if name in _BOXES else COVERAGE for name in REGIONS])
    return np.asarray(np.where(enough.any(axis=1), enough.argmax(axis=1), shares.argmax(axis=1)), dtype=np.int64)


def _samples(size: int, grid: int) -> FloatArray:
    """Places (G FINE, G FINE, 2) of the samples, pixels of the picture."""
    at = (np.arange(grid * FINE) + 0.5) * size / (grid * FINE) - 0.5
    return np.stack(np.meshgrid(at, at), axis=-1)


def _from_five(points: FloatArray, size: int, grid: int) -> IntArray:
    """Region of each sample, by boxes in the canvas that the five points are laid onto."""
    places = _samples(size, grid)
    canvas = fit_similarity(points, TEMPLATE).apply(places.reshape(-1, 2)).reshape(places.shape)
    inside = {
        name: np.logical_or.reduce([_in_box(canvas, centre, half) for centre, half in boxes])
        for name, boxes in _BOXES.items()
    }
    return _painted(inside | _face_masks(canvas), places.shape[:2])


def _in_box(places: FloatArray, centre: tuple[float, float], half: tuple[float, float]) -> BoolArray:
    # One axis at a time: a reduction over a last axis of two is many times slower.
    x, y = np.abs(places[..., 0] - centre[0]), np.abs(places[..., 1] - centre[1])
    return np.asarray((x <= half[0]) & (y <= half[1]))


def _face_masks(canvas: FloatArray) -> dict[str, BoolArray]:
    """Boundary, skin and hair by the ellipse of the face."""
    radius = np.hypot(
        (canvas[..., 0] - _FACE_CENTRE[0]) / _FACE_RADII[0], (canvas[..., 1] - _FACE_CENTRE[1]) / _FACE_RADII[1]
    )
    return {
        "boundary": np.abs(radius - 1) <= _BAND / 2,
        "skin": radius <= 1,
        "hair": (canvas[..., 1] <= _HAIR_BELOW) & (radius <= _HAIR_SCALE),
    }


def _from_contours(points: FloatArray, size: int, grid: int) -> IntArray:
    """Region of each sample, by the outlines of 68 points; hair lies where the five-point canvas has it."""
    places = _samples(size, grid)
    canvas = fit_similarity(five_points(points), TEMPLATE).apply(places.reshape(-1, 2)).reshape(places.shape)
    drawn = _Drawing(points, size, grid)
    inside = {
        "eyes": drawn.filled(range(36, 42), range(42, 48)),
        "brows": drawn.filled(range(17, 22), range(22, 27)),
        "nose": drawn.filled(range(27, 36)),
        "mouth": drawn.filled(range(48, 60)),
        "boundary": drawn.line(range(17), width=0.2),
        "skin": drawn.filled(range(68)),
        "hair": _face_masks(canvas)["hair"],
    }
    return _painted(inside, places.shape[:2])


class _Drawing:
    """Outlines of one face on the grid of samples; lengths are parts of the distance between the eyes' centres."""

    def __init__(self, points: FloatArray, size: int, grid: int) -> None:
        eyes = five_points(points)[:2]
        self._side = grid * FINE
        # Centre of a sample to centre of a pixel of the drawing.
        self._points = (points + 0.5) * self._side / size - 0.5
        self._unit = float(np.linalg.norm(eyes[1] - eyes[0])) * self._side / size

    def filled(self, *groups: range) -> BoolArray:
        """Convex hulls of groups of points; a sample that an edge touches is inside."""
        import cv2

        canvas = np.zeros((self._side, self._side), np.uint8)
        for group in groups:
            hull = cv2.convexHull(np.round(self._points[list(group)]).astype(np.int32))
            cv2.fillConvexPoly(canvas, hull, 1)
        return canvas.astype(bool)

    def line(self, group: range, *, width: float) -> BoolArray:
        """The line through points, `width` wide."""
        import cv2

        canvas = np.zeros((self._side, self._side), np.uint8)
        path = np.round(self._points[list(group)]).astype(np.int32)
        thickness = min(max(1, round(width * self._unit)), self._side)  # OpenCV has a largest one
        cv2.polylines(canvas, [path], False, 1, thickness=thickness)
        return canvas.astype(bool)


def _from_labels(labels: ByteArray, grid: int) -> IntArray:
    """Region of each sample, by a label map of LaPa's classes; the boundary is where face and rest meet."""
    import cv2

    side = grid * FINE
    small = cv2.resize(np.asarray(labels, np.uint8), (side, side), interpolation=cv2.INTER_NEAREST)
    inside = {name: np.isin(small, classes) for name, classes in _LAPA.items()}
    face = np.isin(small, range(1, 10)).astype(np.uint8)
    edge = cv2.morphologyEx(face, cv2.MORPH_GRADIENT, np.ones((FINE // 2 + 1, FINE // 2 + 1), np.uint8))
    return _painted(inside | {"boundary": edge.astype(bool)}, small.shape)


def _painted(inside: dict[str, BoolArray], shape: tuple[int, ...]) -> IntArray:
    """Index of the first region that holds each sample."""
    fine = np.full(shape, REGIONS.index("background"), dtype=np.int64)
    for index in reversed(range(len(REGIONS))):
        if REGIONS[index] in inside:
            fine[inside[REGIONS[index]]] = index
    return fine
