"""Samples that are made up for a check: a truth, its perfect prediction, a worse one, and ones that must be refused.

They have the shape of their task and nothing of a face; no file is read or written.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from facebench.schemes import LabelScheme, LandmarkScheme
from facebench.shapes import ByteArray, FloatArray
from facebench.types import Dataset, LabelMap, Landmarks, Mesh, Prediction, Sample, Scan, ScanFiles

COUNT = 4
SIDE = 200.0
"""Side of the made picture, pixels."""


def made_samples(dataset: Dataset, *, seed: int = 0) -> tuple[Sample, ...]:
    """A few samples of the task of `dataset`."""
    rng = np.random.default_rng(seed)
    return tuple(_sample(dataset, index, rng) for index in range(COUNT))


def _sample(dataset: Dataset, index: int, rng: np.random.Generator) -> Sample:
    target: Landmarks | LabelMap | ScanFiles
    if isinstance(dataset.scheme, LandmarkScheme):
        points = rng.uniform(0.2 * SIDE, 0.8 * SIDE, (dataset.scheme.size, 2))
        visible = rng.random(dataset.scheme.size) < 0.7
        visible[0] = True
        target = Landmarks(points, visible=visible)
    elif isinstance(dataset.scheme, LabelScheme):
        labels = (np.arange(40 * 30) % dataset.scheme.size).astype(np.uint8)
        rng.shuffle(labels)
        target = LabelMap(files=(), read=partial(np.copy, labels.reshape(40, 30)))
    else:
        target = ScanFiles(files=(), read=partial(_scan, float(rng.uniform(0.9, 1.1))))
    box = (0.1 * SIDE, 0.1 * SIDE, 0.9 * SIDE, 0.9 * SIDE)
    return Sample(id=f"made/{index}", image=Path(f"made/{index}.png"), box=box, target=target)


def _scan(depth: float) -> Scan:
    """A shield with a nose, in mm: 41 × 41 vertices, and the seven NoW landmarks on it."""
    x, y = np.meshgrid(np.linspace(-80, 80, 41), np.linspace(-100, 100, 41))
    vertices = np.stack([x.ravel(), y.ravel(), _depth(x, y, depth).ravel()], axis=1)
    corner = (np.arange(40)[:, None] * 41 + np.arange(40)).ravel()
    lower = np.stack([corner, corner + 1, corner + 41], axis=1)
    upper = np.stack([corner + 1, corner + 42, corner + 41], axis=1)
    # Eye corners from right to left, bottom of the nose, corners of the mouth: the order of schemes.NOW_LANDMARKS.
    places = np.array([(-45, 30), (-15, 30), (15, 30), (45, 30), (0, -25), (-25, -55), (25, -55)], dtype=np.float64)
    landmarks = np.column_stack([places, _depth(places[:, 0], places[:, 1], depth)])
    return Scan(Mesh(vertices, np.concatenate([lower, upper]).astype(np.int64)), landmarks)


def _depth(x: FloatArray, y: FloatArray, depth: float) -> FloatArray:
    shield = 60 * depth * np.sqrt(np.maximum(0.0, 1 - (x / 130) ** 2 - (y / 160) ** 2))
    return np.asarray(shield + 20 * np.exp(-((x / 12) ** 2) - ((y + 10) / 18) ** 2))


def perfect(sample: Sample) -> Prediction:
    """The prediction that is the truth."""
    target = sample.target
    return target.points.copy() if isinstance(target, Landmarks) else target.read()


def perturbed(sample: Sample, *, seed: int) -> Prediction:
    """A prediction that is worse: points some pixels off, every fifth label wrong, a bumpy mesh."""
    rng = np.random.default_rng(seed)
    truth = perfect(sample)
    if isinstance(truth, Scan):
        bumps = 3 * np.sin(truth.mesh.vertices[:, :1] / 9) * np.array([0.0, 0.0, 1.0])
        return Scan(Mesh(truth.mesh.vertices + bumps, truth.mesh.faces), truth.landmarks)
    if isinstance(sample.target, Landmarks):
        return np.asarray(truth + rng.normal(0, 0.03 * SIDE, truth.shape))
    wrong: ByteArray = np.roll(truth, 1)
    return np.where(rng.random(truth.shape) < 0.2, wrong, truth).astype(np.uint8)


def unusable(sample: Sample) -> Mapping[str, Prediction]:
    """Predictions that must be refused, by what is wrong with them."""
    truth = perfect(sample)
    if isinstance(truth, Scan):
        nan, empty = truth.mesh.vertices.copy(), np.zeros((0, 3), dtype=np.int64)
        nan[0, 0] = np.nan
        return {
            "a NaN vertex": Scan(Mesh(nan, truth.mesh.faces), truth.landmarks),
            "no triangles": Scan(Mesh(truth.mesh.vertices, empty), truth.landmarks),
            "six landmarks": Scan(truth.mesh, truth.landmarks[:6]),
        }
    if isinstance(sample.target, Landmarks):
        nan_point = truth.astype(np.float64)
        nan_point[0, 0] = np.nan
        return {
            "a NaN coordinate": nan_point,
            "one point too few": truth[:-1],
            "one point too many": truth[[0, *range(len(truth))]],
        }
    return {
        "one row too few": truth[:-1],
        "class 255": np.full_like(truth, 255),
        "another axis": truth[..., None],
    }
