"""Reconstruction error on real scans: the protocol of the NoW challenge, in millimetres.

Sanyal et al., "Learning to Regress 3D Face Shape and Expression from an Image without 3D Supervision", CVPR 2019; the
constants and the order of the steps are those of the official soubhiksanyal/now_evaluation @7bd1498
(`scan2mesh_computations.py`, `scan2mesh_computations_metrical.py`, `cumulative_errors.py`).

Conventions:
    - A scan is in millimetres. A prediction is in any unit and frame (non-metrical), or in a named unit (metrical).
    - Both carry the seven landmarks `schemes.NOW_LANDMARKS`, each in the frame of its own mesh.
    - The subject's scan is neutral: every challenge is scored against it, so the neutral shape is what to predict.

Metrics:
    1. The scan is cropped to a sphere about the face; faces need all three corners, loose vertices stay.
    2. The prediction is put on the scan by its landmarks (similarity, reflection allowed), and then refined on all
       cropped vertices (`scan_fit`). The metrical protocol fixes the scale to the unit.
    3. The error of a vertex is its unsigned distance to the closest point of the prediction's surface: scan to mesh,
       not symmetric.
    4. `median`, `mean` and `std` (ddof 0) are over all vertices of all pictures together, so a large scan weighs more.
       A mean of per-picture means is another number.

Modes: `reference` stops the refinement where the official optimiser stops, a little before its minimum
(`scan_fit`), and is the default; `converged` goes on to the minimum (`scan_converge`), in a third of the time. Over
sets of made heads median, mean and standard deviation differ by 2e-4 to 1.5e-3 mm, the more the less the heads are
alike. A prediction that touches a scan vertex exactly makes the official code fail; here its distance is zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from facebench.errors import DataError
from facebench.geometry.similarity import Similarity, fit_similarity
from facebench.geometry.surface import Surface
from facebench.metrics.scan_converge import Descent
from facebench.metrics.scan_face import Crop, FaceScan, Sphere, check_landmarks, crop_scan, face_scan, face_sphere
from facebench.metrics.scan_fit import OFFICIAL, refine
from facebench.shapes import FloatArray
from facebench.types import Mesh, Scan

__all__ = [
    "Crop", "CumulativeError", "ErrorSummary", "FaceScan", "Mode", "ScanFit", "Sphere", "Unit",
    "aggregate", "crop_scan", "cumulative", "face_scan", "face_sphere", "fit_prediction", "scan_distances",
]  # fmt: skip

Mode: TypeAlias = Literal["reference", "converged"]
Unit: TypeAlias = Literal["mm", "cm", "m"]

MILLIMETRES: dict[Unit, float] = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
MODES: tuple[Mode, ...] = get_args(Mode)

BINS = 100_000  # cumulative_errors.py
FARTHEST = 1e9  # mm; nothing that far is a head, and squares of much more would overflow


@dataclass(frozen=True, eq=False)
class ScanFit:
    """A prediction on a scan.

    Attributes:
        distances: (n,) mm, of each cropped scan vertex, in the order of the scan.
        scale: of the prediction, mm a unit of it.
        rotation: (3, 3) orthogonal, applied from the right; its determinant is -1 where the prediction was mirrored.
        translation: (3,) mm.
    """

    distances: FloatArray
    scale: float
    rotation: FloatArray
    translation: FloatArray

    def apply(self, points: FloatArray) -> FloatArray:
        """`points` (n, 3) of the prediction, mm, in the frame of the scan."""
        return np.asarray(self.scale * np.asarray(points, dtype=np.float64) @ self.rotation + self.translation)


@dataclass(frozen=True)
class ErrorSummary:
    """Statistics over all distances of all pictures, mm."""

    median: float
    mean: float
    std: float
    count: int


@dataclass(frozen=True, eq=False)
class CumulativeError:
    """The cumulative error curve: `percent` (bins,) of the distances lie in the bins up to the one from `errors` on.

    `errors` are the *left* edges of the bins, mm, as the official plot draws them.
    """

    errors: FloatArray
    percent: FloatArray


def scan_distances(
    scan: Scan, prediction: Scan, *, mode: Mode = "reference", metrical: Unit | None = None
) -> FloatArray:
    """Distance of each cropped scan vertex to the aligned prediction, (n,) mm; see `fit_prediction`."""
    return fit_prediction(scan, prediction, mode=mode, metrical=metrical).distances


def fit_prediction(scan: Scan, prediction: Scan, *, mode: Mode = "reference", metrical: Unit | None = None) -> ScanFit:
    """Align a prediction with a scan and measure it.

    Args:
        scan: the truth, mm. Crop and order of one object are made once, however many predictions are measured on it.
        prediction: the reconstruction.
        mode: where the refinement stops.
        metrical: the unit of the prediction, to keep its size; None for a free scale. As in the official code the
            first translation is still the one that goes with the free scale.

    Raises:
        DataError: landmarks or meshes that cannot be aligned or measured.
    """
    source, face = check_landmarks(prediction.landmarks, "prediction"), face_scan(scan)
    start = fit_similarity(source, face.landmarks)
    scale = start.scale if metrical is None else MILLIMETRES[metrical]
    centre = face.sphere.centre if mode == "converged" else np.zeros(3)  # the origin of the refinement
    first = Similarity(scale, start.rotation, start.translation - centre, start.disparity)
    with np.errstate(over="ignore", invalid="ignore"):
        vertices = first.apply(np.asarray(prediction.mesh.vertices, dtype=np.float64))
    if (np.abs(vertices) > FARTHEST).any():
        raise DataError(f"the aligned prediction reaches {np.abs(vertices).max():.3g} mm from the scan's origin")
    surface = Surface(Mesh(vertices=vertices, faces=prediction.mesh.faces))
    if mode == "reference":
        found = refine(face.crop.mesh.vertices[face.order], surface, stopping=OFFICIAL, free_scale=metrical is None)
        distances = np.empty(len(face.order))
        distances[face.order] = found.distances
        return _compose(first, distances, found.scale, found.rotation.T, found.translation)
    descent = Descent(face.packets, surface.tree, free_scale=metrical is None)
    motion = descent.run()
    distances = np.empty(len(face.order))
    distances[face.order] = np.sqrt(descent.squares) / motion.shrink
    # The motion takes the scan to the prediction: y = shrink * turn @ p + shift.
    back = -motion.shift @ motion.turn / motion.shrink + centre
    return _compose(first, distances, 1 / motion.shrink, motion.turn, back)


def _compose(
    first: Similarity, distances: FloatArray, scale: float, rotation: FloatArray, translation: FloatArray
) -> ScanFit:
    """The start and then the refinement, which moves row vectors by `scale * p @ rotation + translation`."""
    return ScanFit(
        distances=distances,
        scale=first.scale * scale,
        rotation=first.rotation @ rotation,
        translation=scale * first.translation @ rotation + translation,
    )


def aggregate(distances: Sequence[FloatArray]) -> ErrorSummary:
    """Statistics over `distances`, one array a picture, mm. Raises `DataError` where there is none."""
    pooled = _pool(distances)
    return ErrorSummary(float(np.median(pooled)), float(pooled.mean()), float(pooled.std()), len(pooled))


def cumulative(distances: Sequence[FloatArray], *, bins: int = BINS) -> CumulativeError:
    """Cumulative error curve over `distances`, one array a picture, mm. Raises `DataError` where there is none."""
    pooled = _pool(distances)
    counts, edges = np.histogram(pooled, bins=bins)
    return CumulativeError(errors=edges[:-1], percent=100 * np.cumsum(counts) / len(pooled))


def _pool(distances: Sequence[FloatArray]) -> FloatArray:
    if not any(map(len, distances)):
        raise DataError("no distances to summarise")
    return np.concatenate(distances)
