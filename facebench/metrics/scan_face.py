"""The part of a scan that NoW counts, and what every picture of its subject can share of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from facebench.errors import DataError
from facebench.schemes import NOW_LANDMARKS
from facebench.shapes import FloatArray, IntArray
from facebench.types import Mesh, Scan

SPHERE_FACTOR = 1.4  # of half the outer-eye distance plus half the nose length; 1.2 in the FG 2018 challenge
NOSE_SHIFT = 0.3  # of the way from the nose's bottom to its bridge


@dataclass(frozen=True, eq=False)
class Sphere:
    """The part of a scan that counts: centre (3,) and radius, mm."""

    centre: FloatArray
    radius: float


@dataclass(frozen=True, eq=False)
class Crop:
    """A cropped mesh, and the indices (n,) of its vertices in the whole one, increasing."""

    mesh: Mesh
    kept: IntArray


@dataclass(frozen=True, eq=False)
class FaceScan:
    """A scan made ready: cropped once, its vertices put in an order in which neighbours lie together.

    Attributes:
        landmarks: (7, 3) mm.
        sphere: what was kept.
        crop: the cropped mesh.
        order: (n,) indices into the cropped vertices, in packets of neighbours.
        packets: (n, 3) the vertices in that order, mm, the sphere's centre at 0.
    """

    landmarks: FloatArray
    sphere: Sphere
    crop: Crop
    order: IntArray
    packets: FloatArray


def face_sphere(landmarks: FloatArray) -> Sphere:
    """Sphere about the face of a scan, from its `landmarks` (7, 3), mm.

    The official reader holds landmarks in single precision, and so does this sum: which vertices lie on the edge
    depends on it.
    """
    points = check_landmarks(landmarks, "scan").astype(np.float32)
    right_outer, right_inner, left_inner, left_outer, nose = points[:5]
    bridge = (right_inner + left_inner) / 2
    size = np.linalg.norm(right_outer - left_outer) + np.linalg.norm(bridge - nose)
    return Sphere(
        centre=np.asarray(nose + np.float32(NOSE_SHIFT) * (bridge - nose), dtype=np.float64),
        radius=SPHERE_FACTOR * float(size) / 2,
    )


def crop_scan(mesh: Mesh, sphere: Sphere) -> Crop:
    """The part of `mesh` within `sphere`: its vertices in their order, and the faces whose corners are all kept."""
    inside = np.linalg.norm(mesh.vertices - sphere.centre, axis=1) <= sphere.radius
    kept = np.flatnonzero(inside)
    renumbered = np.cumsum(inside) - 1
    faces = renumbered[mesh.faces[inside[mesh.faces].all(axis=1)]]
    return Crop(mesh=Mesh(vertices=mesh.vertices[kept], faces=faces), kept=kept)


_READY: WeakKeyDictionary[Scan, FaceScan] = WeakKeyDictionary()
_LOCK = threading.Lock()


def face_scan(scan: Scan) -> FaceScan:
    """`scan` (mm) made ready; the same object is made ready once. Raises `DataError` where no vertex is kept."""
    with _LOCK:  # one thread a subject makes it ready, the others wait for it
        found = _READY.get(scan)
        if found is None:
            found = _READY[scan] = _make_ready(scan)
    return found


def _make_ready(scan: Scan) -> FaceScan:
    from facebench.geometry.packets import packet_order  # numba takes a moment that listing names must not pay

    landmarks = check_landmarks(scan.landmarks, "scan")
    sphere = face_sphere(landmarks)
    crop = crop_scan(scan.mesh, sphere)
    if not len(crop.kept):
        raise DataError("no scan vertex lies within the face sphere: are landmarks and scan in one frame, in mm?")
    if not np.isfinite(crop.mesh.vertices).all():
        raise DataError("the scan has vertices that are not finite")
    points = np.ascontiguousarray(crop.mesh.vertices - sphere.centre, dtype=np.float64)
    order = packet_order(points)
    return FaceScan(landmarks=landmarks, sphere=sphere, crop=crop, order=order, packets=points[order])


def check_landmarks(landmarks: FloatArray, owner: str) -> FloatArray:
    """The seven landmarks as (7, 3) float64. Raises `DataError`, naming them the `owner`'s."""
    landmarks = np.asarray(landmarks, dtype=np.float64)
    if landmarks.shape != (len(NOW_LANDMARKS), 3):
        raise DataError(f"{owner} landmarks have shape {landmarks.shape}; want (7, 3): {', '.join(NOW_LANDMARKS)}")
    if not np.isfinite(landmarks).all():
        raise DataError(f"{owner} landmarks are not finite")
    return landmarks
