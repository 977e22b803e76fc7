"""The basis of heads from a model of the user's (FLAME) instead of a PCA of the training heads.

The training heads must have the model's topology, as registrations to it have (MICA's training set). They tell what
the model's file does not: its unit, where the seven landmarks lie on it, and which of its heads is their mean, the
floor. The directions are made orthonormal over vertices and landmarks together, so the squared error of coefficients is
the squared error of vertices, as with the other basis.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from facebench.errors import DataError
from facebench.geometry.head_model import HeadModel
from facebench.geometry.similarity import fit_similarity
from facebench.geometry.surface import Surface
from facebench.heads.shape import BASIS_HEADS, MeshBasis
from facebench.shapes import FloatArray, IntArray
from facebench.types import Mesh, Scan

UNITS = (1.0, 10.0, 1000.0)
"""Millimetres a unit of the model: mm, cm or m (FLAME)."""

SAME_SIZE = 1.25
"""Most that the mean training head and the model's may differ in size by, as a factor: people do not differ by more."""

PLACINGS = 10
"""Times that a head is put on what the model makes of it; each leaves a tenth or so of what was off before."""


def model_basis(model: HeadModel, heads: Iterable[tuple[str, Scan]]) -> MeshBasis:
    """The basis of `model`, in millimetres, about the mean of named training heads (mm).

    Raises:
        DataError: no head, one of another topology than the model, or of no usual unit.
    """
    mean = _mean_head(model, heads)
    vertices, landmarks = mean[:-7], mean[-7:]
    unit = _unit(model, vertices)
    corners, weights = _embed(landmarks, Mesh(vertices, model.faces))
    template = _with_landmarks(unit * model.template, corners, weights)
    directions = np.stack([_with_landmarks(unit * d, corners, weights).ravel() for d in model.directions])
    _, singular, axes = np.linalg.svd(directions, full_matrices=False)
    components = axes[singular > singular[0] * 1e-6]
    about = MeshBasis(template, components, model.faces, PLACINGS)
    centre = about.scan(about.coefficients(Scan(Mesh(vertices, model.faces), landmarks), "mean"))
    points = np.concatenate([centre.mesh.vertices, centre.landmarks])
    return MeshBasis(points, components, model.faces, PLACINGS)


def _mean_head(model: HeadModel, heads: Iterable[tuple[str, Scan]]) -> FloatArray:
    """Vertices and landmarks (V + 7, 3) of the mean of the heads, each put on the first by a rigid motion, mm."""
    placed: list[FloatArray] = []
    for name, scan in heads:
        if len(scan.mesh.vertices) != len(model.template) or not np.array_equal(scan.mesh.faces, model.faces):
            found = f"{len(scan.mesh.vertices)} vertices and {len(scan.mesh.faces)} triangles"
            wanted = f"{len(model.template)} and {len(model.faces)}, in this order"
            raise DataError(f"training head {name} has {found}, and {model.name} {wanted}; register one to the other")
        points = np.concatenate([scan.mesh.vertices, scan.landmarks])
        placed.append(fit_similarity(points, placed[0], scale=False).apply(points) if placed else points)
        if len(placed) == BASIS_HEADS:
            break
    if not placed:
        raise DataError("a basis of heads needs the mesh of at least one subject in the training split")
    return np.asarray(np.mean(placed, axis=0))


def _unit(model: HeadModel, vertices: FloatArray) -> float:
    """Millimetres a unit of the model, by the size of the training heads."""
    size = fit_similarity(model.template, vertices).scale
    unit = min(UNITS, key=lambda u: abs(np.log(size / u)))
    if not 1 / SAME_SIZE < size / unit < SAME_SIZE:
        raise DataError(f"{model.name} must be scaled by {size:.4g} to the training heads (mm); it is in no usual unit")
    return unit


def _embed(points: FloatArray, mesh: Mesh) -> tuple[IntArray, FloatArray]:
    """Corners (n, 3) of the triangles that `points` (n, 3) lie on or next to, and their weights (n, 3)."""
    found = Surface(mesh).closest(points)
    corners = mesh.faces[found.triangles]
    weights = [
        np.linalg.lstsq(np.vstack([mesh.vertices[k].T, np.ones(3)]), np.append(p, 1.0), rcond=None)[0]
        for k, p in zip(corners, found.points, strict=True)
    ]
    return corners, np.array(weights)


def _with_landmarks(vertices: FloatArray, corners: IntArray, weights: FloatArray) -> FloatArray:
    """`vertices` (V, 3), which may be a direction too, and below them the landmarks that they carry, (V + 7, 3)."""
    return np.concatenate([vertices, np.einsum("nk,nkd->nd", weights, vertices[corners])])
