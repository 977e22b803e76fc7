"""What goes wrong with a NoW prediction before any number is computed: one mesh with its landmarks at a time.

Each check names what it found and what to do. They are what users of the official evaluation lose days to: its issues
2 (degenerate triangles, hours an image), 16, 22 and 26 (vertex colours, landmark order), 10 (expression left on).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import Literal, TypeAlias

import numpy as np

from facebench.errors import DataError
from facebench.geometry.similarity import fit_similarity
from facebench.geometry.surface import Surface, degenerate_faces
from facebench.metrics.scan import MILLIMETRES, Unit
from facebench.schemes import NOW_LANDMARKS
from facebench.shapes import FloatArray
from facebench.types import Mesh, Scan

Severity: TypeAlias = Literal["fault", "hint"]

EYES = (70.0, 125.0)  # mm between the outer corners of the eyes, of children and of adults, with room
FACTORS = (10.0, 100.0, 1000.0, 0.1, 0.01, 0.001)
ALIKE = 0.02  # disparity of seven landmarks of two people; swapped ones have 0.1 and more
NEAR = 0.08  # of the outer-eye distance; landmarks lie on the mesh or some millimetres off it
FEW_TRIANGLES = 500

TYPICAL = np.array(
    [[-44, 30, -20], [-17, 30, -8], [17, 30, -8], [44, 30, -20], [0, -15, 12], [-25, -47, -2], [25, -47, -2]],
    dtype=np.float64,
)
"""Seven landmarks of nobody, mm, rounded: stands in where a subject's scan is not there. x to the person's left."""


@dataclass(frozen=True)
class Remark:
    """One thing that a check found.

    Attributes:
        what: the kind of trouble, the same words for every image that has it.
        severity: a `fault` makes the number wrong, or the image fail; a `hint` may be meant so.
        detail: what was found in this image.
        todo: what to do.
    """

    what: str
    severity: Severity
    detail: str
    todo: str


def check_prediction(prediction: Scan, truth: FloatArray | None, unit: Unit | None) -> Iterator[Remark]:
    """Everything found about one readable prediction.

    Args:
        prediction: the mesh and its landmarks.
        truth: (7, 3) landmarks of the subject's scan, mm; None where there is none.
        unit: what the user says the prediction's unit is (metrical protocol).
    """
    yield from check_triangles(prediction.mesh)
    remarks = list(check_landmarks_on_mesh(prediction))
    # Of landmarks that are wrong, nothing further can be told.
    remarks = remarks or list(check_order(prediction, TYPICAL if truth is None else truth))
    yield from remarks or check_unit(prediction.landmarks, unit)


def check_triangles(mesh: Mesh) -> Iterator[Remark]:
    """Triangles without area, vertices in no triangle, and meshes too coarse for a face."""
    flat = int(degenerate_faces(mesh).sum())
    if flat:
        yield Remark(
            "triangles without area", "hint", f"{flat} of {len(mesh.faces)}",
            "nothing: they are measured as the segments they are; the official code takes hours over them",
        )  # fmt: skip
    loose = len(mesh.vertices) - len(np.unique(mesh.faces))
    if loose:
        yield Remark(
            "vertices in no triangle", "hint", f"{loose} of {len(mesh.vertices)}",
            "nothing, if they are left from cutting the mesh: only triangles count; else see whether faces are missing",
        )  # fmt: skip
    if len(mesh.faces) < FEW_TRIANGLES:
        yield Remark(
            "hardly any triangles", "fault", f"{len(mesh.faces)}", "write the faces of the whole head into the file"
        )


def check_landmarks_on_mesh(prediction: Scan) -> Iterator[Remark]:
    """Landmarks away from the mesh: another unit, another frame, or another mesh."""
    eyes = _eye_distance(prediction.landmarks)
    surface = Surface(prediction.mesh)
    off = float(np.median(surface.closest(prediction.landmarks).distances))
    if off <= NEAR * max(eyes, 1e-300):
        return
    for factor in FACTORS:
        scaled = factor * prediction.landmarks
        if np.median(surface.closest(scaled).distances) <= NEAR * _eye_distance(scaled):
            yield Remark(
                "landmarks and mesh in two units", "fault",
                f"the landmarks lie on the mesh when multiplied by {factor:g}",
                f"multiply the landmarks by {factor:g} before writing them",
            )  # fmt: skip
            return
    yield Remark(
        "landmarks off the mesh", "fault", f"they lie {off:.3g} from it, {off / max(eyes, 1e-300):.1f} eye distances",
        "write landmarks of this very mesh, in its frame: after the same rotation, shift and scale",
    )  # fmt: skip


def check_order(prediction: Scan, truth: FloatArray) -> Iterator[Remark]:
    """Landmarks in another order than NoW's, or a mesh in the mirror."""
    disparity, proper = _disparity(prediction.landmarks, truth)
    if proper and disparity < ALIKE:
        return
    order, best = _best_order(prediction.landmarks, truth)
    if not proper and disparity < ALIKE:
        if _faces_outwards(prediction):
            yield Remark(
                "left and right landmarks exchanged", "fault",
                "they fit a face only in the mirror, its triangles do not",
                f"write them in this order: {', '.join(NOW_LANDMARKS)}; right is the person's right",
            )  # fmt: skip
        else:
            yield Remark(
                "mirrored mesh", "fault",
                "landmarks fit a face only in the mirror, and the triangles face inwards",
                "negate no axis on the way out; where the frame is left-handed, negate x of vertices and landmarks",
            )  # fmt: skip
    elif best < ALIKE:
        found = ", ".join(NOW_LANDMARKS[k] for k in order)
        yield Remark(
            "landmarks in another order", "fault", f"they look like: {found}",
            f"write them in this order: {', '.join(NOW_LANDMARKS)}",
        )  # fmt: skip
    else:
        yield Remark(
            "landmarks not of a face", "fault", f"in no order do they fit a face (disparity {best:.2f})",
            f"look at them on the mesh; wanted are {', '.join(NOW_LANDMARKS)}",
        )  # fmt: skip


def check_unit(landmarks: FloatArray, unit: Unit | None) -> Iterator[Remark]:
    """The size of the face in the unit that was named; a hint of the unit where none was."""
    eyes = _eye_distance(landmarks)
    likely = [name for name, factor in MILLIMETRES.items() if EYES[0] <= factor * eyes <= EYES[1]]
    if unit is None:
        if likely != ["mm"]:
            looks, name = (f"looks like {likely[0]}", likely[0]) if likely else ("has no usual unit", "mm|cm|m")
            yield Remark(
                "not in millimetres", "hint", f"{eyes:.3g} between the outer eye corners, {looks}",
                f"nothing: the usual protocol fits the scale; --metrical needs --unit {name}",
            )  # fmt: skip
        return
    size = MILLIMETRES[unit] * eyes
    if not EYES[0] <= size <= EYES[1]:
        wanted = f"name --unit {likely[0]}" if likely else "scale the prediction to millimetres, and name --unit mm"
        factor = size / float(np.mean(EYES))
        times = f"{factor:.2g} times too large" if factor > 1 else f"{1 / factor:.2g} times too small"
        yield Remark(
            "wrong unit", "fault", f"{size:.4g} mm between the outer eye corners if the unit is {unit}, {times}", wanted
        )


def _eye_distance(landmarks: FloatArray) -> float:
    return float(np.linalg.norm(landmarks[0] - landmarks[3]))


def _disparity(landmarks: FloatArray, truth: FloatArray) -> tuple[float, bool]:
    """How ill the landmarks fit, and whether the fit is a rotation and not a reflection."""
    try:
        fit = fit_similarity(landmarks, truth)
    except DataError:  # all in one place
        return 1.0, True
    return fit.disparity, bool(np.linalg.det(fit.rotation) > 0)


def _best_order(landmarks: FloatArray, truth: FloatArray) -> tuple[tuple[int, ...], float]:
    """The order in which the landmarks fit best without a mirror: which point each of them is, and the disparity."""
    orders = np.array(list(permutations(range(len(truth)))))
    source, target = landmarks - landmarks.mean(axis=0), truth - truth.mean(axis=0)
    source = source / max(float(np.linalg.norm(source)), 1e-300)
    target = target / float(np.linalg.norm(target))
    left, singular, right = np.linalg.svd(np.einsum("pki,kj->pij", target[orders], source))
    signs = np.sign(np.linalg.det(left) * np.linalg.det(right))
    overlap = singular[:, 0] + singular[:, 1] + signs * singular[:, 2]
    best = int(np.argmax(overlap))
    return tuple(orders[best].tolist()), float(1 - overlap[best] ** 2)


def _faces_outwards(prediction: Scan) -> bool:
    """Whether the triangles about the nose face the way it points."""
    landmarks, mesh = prediction.landmarks, prediction.mesh
    eyes, mouth = landmarks[:4].mean(axis=0), landmarks[5:].mean(axis=0)
    nose = landmarks[4]
    along = (mouth - eyes) / max(float(np.linalg.norm(mouth - eyes)), 1e-300)
    forward = (nose - eyes) - ((nose - eyes) @ along) * along
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    near = np.linalg.norm((a + b + c) / 3 - nose, axis=1) < 0.5 * _eye_distance(landmarks)
    return float((np.cross(b - a, c - a)[near] @ forward).sum()) >= 0
