"""The linear reconstruction head: features to coefficients of a mesh basis, as a residual from the mean head.

The basis is a PCA of the training heads, vertex k the same point of every head, together with their seven landmarks, so
both come out of the same coefficients. Heads are put on each other by a rigid motion first (their size is kept): where
a head stood in its file is nothing a picture could show. The coefficients are regressed on the summary of the whole map
or on the pooled features, whichever val prefers, at the shrinkage that val prefers; the squared error of coefficients
is the squared error of vertices. With infinite shrinkage the head predicts the mean head: the floor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from facebench.errors import DataError
from facebench.geometry.similarity import fit_similarity
from facebench.heads.ridge import SHRINKAGES, Wide
from facebench.heads.summary import Collector, Summary
from facebench.shapes import FloatArray, IntArray
from facebench.types import Mesh, Scan

if TYPE_CHECKING:
    from torch import Tensor

BASIS_HEADS = 512
"""Heads, the first of train, that the basis is taken from; 512 of 33,000 vertices are 0.4 GB."""

COMPONENTS = 40
"""Most components of the basis; FLAME evaluations on NoW use 100 to 300, from thousands of scans."""

Triples = Iterable[tuple["Tensor", "Tensor", "Tensor"]]
"""Shards: tokens (n, D, h, w), pooled features (n, D) and coefficients (n, R)."""


@dataclass(frozen=True, eq=False)
class MeshBasis:
    """Heads as a mean and a few components.

    Attributes:
        mean: (V + 7, 3) float64, vertices and landmarks of the mean head, in the unit of the training heads.
        components: (R, (V + 7) * 3) float64, orthonormal.
        faces: (F, 3) int64.
        placings: times that a head is put on what the basis makes of it. A PCA of heads that were put on each other
            holds what is left of their motion, and one is enough; a model from elsewhere does not.
    """

    mean: FloatArray
    components: FloatArray
    faces: IntArray
    placings: int = 1

    def coefficients(self, scan: Scan, name: str) -> FloatArray:
        """Coefficients (R,) of a head, put on the mean by a rigid motion. Raises `DataError` for another topology."""
        points = _points(scan, self.mean.shape[0], self.faces, name)
        found = np.zeros(len(self.components))
        for _ in range(self.placings):
            placed = fit_similarity(points, self._points(found), scale=False).apply(points)
            found = self.components @ (placed - self.mean).ravel()
        return found

    def scan(self, coefficients: FloatArray) -> Scan:
        """The head of `coefficients` (R,)."""
        points = self._points(coefficients)
        return Scan(Mesh(points[:-7], self.faces), points[-7:])

    def _points(self, coefficients: FloatArray) -> FloatArray:
        return np.asarray(self.mean + (coefficients @ self.components).reshape(self.mean.shape))


def fit_basis(heads: Iterable[tuple[str, Scan]]) -> MeshBasis:
    """The basis of named heads of one topology. Raises `DataError` where there are fewer than two or they differ."""
    placed: list[FloatArray] = []
    faces: IntArray | None = None
    for name, scan in heads:
        faces = scan.mesh.faces if faces is None else faces
        points = _points(scan, len(placed[0]) if placed else None, faces, name)
        placed.append(fit_similarity(points, placed[0], scale=False).apply(points) if placed else points)
        if len(placed) == BASIS_HEADS:
            break
    if len(placed) < 2 or faces is None:
        raise DataError("a basis of heads needs the meshes of at least two subjects in the training split")
    stacked = np.stack(placed)
    mean = stacked.mean(axis=0)
    flat = (stacked - mean).reshape(len(stacked), -1)
    _, singular, axes = np.linalg.svd(flat, full_matrices=False)
    kept = min(COMPONENTS, len(placed) - 1, int((singular > singular[0] * 1e-6).sum()))
    return MeshBasis(mean, axes[:kept], faces)


def _points(scan: Scan, count: int | None, faces: IntArray, name: str) -> FloatArray:
    """Vertices and landmarks (V + 7, 3) of a head that must have the topology of the others."""
    points = np.concatenate([scan.mesh.vertices, scan.landmarks])
    if count not in (None, len(points)) or not np.array_equal(scan.mesh.faces, faces):
        found = f"{len(scan.mesh.vertices)} vertices and {len(scan.mesh.faces)} triangles"
        raise DataError(f"training head {name} has {found}, of another topology than those before it")
    return points


@dataclass(frozen=True, eq=False)
class ShapeHead:
    """A fitted head.

    Attributes:
        summary: the way from a map to a vector.
        regression: vectors to coefficients.
        inputs: `map` (the summary) or `pooled`.
        shrinkage: of the regression.
    """

    summary: Summary
    regression: Wide
    inputs: str
    shrinkage: float

    @property
    def chosen(self) -> Mapping[str, str]:
        """What val chose, for the record."""
        return {"inputs": self.inputs, "shrinkage": f"{self.shrinkage:g}"}

    def predict(self, tokens: Tensor, pooled: Tensor) -> Tensor:
        """Coefficients (n, R) float64."""
        x = self.summary(tokens) if self.inputs == "map" else pooled
        return self.regression.predict(x, [self.shrinkage])[0]


def fit_shape(train: Callable[[], Triples], val: Callable[[], Triples]) -> ShapeHead:
    """Fit the head on `train`, choose its inputs and shrinkage on `val`; each is read once."""
    import torch

    collector, pooled, targets = Collector(), [], []
    for tokens, vector, truth in train():
        collector.add(tokens)
        pooled.append(vector.double())
        targets.append(truth.double())
    summary, rows = collector.finish()
    truths = torch.cat(targets)
    fits = {"map": Wide.fit(rows, truths), "pooled": Wide.fit(torch.cat(pooled), truths)}
    errors = {(name, a): 0.0 for a in SHRINKAGES for name in fits}
    for tokens, vector, truth in val():
        for name, x in (("map", summary(tokens)), ("pooled", vector)):
            for a, found in zip(SHRINKAGES, fits[name].predict(x, SHRINKAGES), strict=True):
                errors[name, a] += float((found - truth.double()).square().sum())
    name, shrinkage = _least(errors)
    return ShapeHead(summary, fits[name], name, shrinkage)


def _least(errors: Mapping[tuple[str, float], float]) -> tuple[str, float]:
    """The choice with the least error; of equal ones that which shrinks most."""
    ranked: Sequence[tuple[str, float]] = sorted(errors, key=lambda choice: (errors[choice], -choice[1], choice[0]))
    assert not math.isnan(errors[ranked[0]])
    return ranked[0]
