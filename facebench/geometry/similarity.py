"""Similarity between two point sets by orthogonal Procrustes: the rigid start of NoW, and of faces laid upright.

The definition is MATLAB's `procrustes(..., 'reflection', 'best')`, which soubhiksanyal/now_evaluation @7bd1498 ports in
`scan2mesh_computations.py`: the determinant of the rotation is *not* forced to +1, so landmarks whose left and right
are swapped mirror the mesh. `trimesh.registration.procrustes(scale=True)` is another thing: its scale is the ratio of
the two norms, which is not the least-squares one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facebench.errors import DataError
from facebench.shapes import FloatArray


@dataclass(frozen=True, eq=False)
class Similarity:
    """The map `aligned = scale * source @ rotation + translation`.

    Attributes:
        scale: positive factor, target units a source unit.
        rotation: (d, d) orthogonal, applied from the right; its determinant may be -1.
        translation: (d,) in target units.
        disparity: what is left of the target's centred sum of squares, 0 (perfect) to 1.
    """

    scale: float
    rotation: FloatArray
    translation: FloatArray
    disparity: float

    def apply(self, points: FloatArray) -> FloatArray:
        """`points` (n, d) of the source's frame, in the target's frame."""
        return np.asarray(self.scale * points @ self.rotation + self.translation)


def fit_similarity(source: FloatArray, target: FloatArray, *, scale: bool = True) -> Similarity:
    """Least-squares similarity that takes `source` to `target`.

    Args:
        source: (n, d) points in their own unit and frame, d = 2 or 3.
        target: (n, d) points they correspond to, row by row.
        scale: False fixes the scale at 1.

    Raises:
        DataError: the shapes differ, a number is not finite, or one set is a single point repeated.
    """
    source, target = np.asarray(source, dtype=np.float64), np.asarray(target, dtype=np.float64)
    _check(source, target)
    with np.errstate(over="ignore", invalid="ignore"):
        source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
        source_size = float(np.linalg.norm(source - source_mean))
        target_size = float(np.linalg.norm(target - target_mean))
    if source_size == 0 or target_size == 0:
        raise DataError("cannot align points that all lie in one place")
    if not np.isfinite([source_size, target_size]).all():
        raise DataError("cannot align points whose squared distances overflow")
    left, singular, right = np.linalg.svd(
        ((target - target_mean) / target_size).T @ ((source - source_mean) / source_size)
    )
    rotation = right.T @ left.T
    overlap, ratio = float(singular.sum()), source_size / target_size
    factor = overlap / ratio if scale else 1.0
    return Similarity(
        scale=factor,
        rotation=rotation,
        translation=target_mean - factor * source_mean @ rotation,
        disparity=1 - overlap**2 if scale else 1 + ratio**2 - 2 * overlap * ratio,
    )


def _check(source: FloatArray, target: FloatArray) -> None:
    flat_or_solid = source.ndim == 2 and source.shape[1] in (2, 3)
    if not flat_or_solid or source.shape != target.shape or not len(source):
        found = f"points of shape {source.shape} with points of shape {target.shape}"
        raise DataError(f"cannot align {found}; want (n, 2) or (n, 3)")
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise DataError("cannot align points that are not finite")
