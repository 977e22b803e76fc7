"""Meshes whose distance is known: a scan moved and scaled as a whole, and scans at a fixed distance from a surface.

moved       a scan of a made face against itself, turned, moved and scaled: every distance is 0
box         two vertices at every place of five sides of a box, h outside and h inside: however the box is moved,
            turned or scaled, the sum of squares is least where it was, and there every distance is h
two boxes   pictures with h = 1 and h = 3 mm and as many vertices: median 2, mean 2, standard deviation 1
face        two vertices at the middle of every triangle of a made face, h before and h behind it: h, but for what
            the curve of the face does within h
metrical    the scan in centimetres, with its size kept: 0; and the box in metres: h
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from facebench.evaluators.reconstruction import EVALUATOR
from facebench.sample_table import collect
from facebench.selftest.check import Observation
from facebench.shapes import FloatArray
from facebench.types import Dataset, Mesh, Sample, Scan, ScanFiles

_HEIGHTS = (1.0, 3.0)
_HALVES, _INNER = (45.0, 65.0, 22.0), 0.8
"""Half the edges of the box, mm, so that all of it lies within the sphere that a scan is cropped to; and how far out on
each side, as a share of it, there are scan vertices."""
_SMALL = 0.05
"""Offset of vertices from a curved face, mm."""


def observe(dataset: Dataset, samples: Sequence[Sample]) -> Iterator[Observation]:
    """Every case, on the scans of `samples` and on boxes."""
    scans = [_scan(sample) for sample in samples]
    moved = [_moved(scan, scale=1.7) for scan in scans]
    yield from _observed(dataset, "scan", "now, moved and scaled", scans, moved, (0.0, 0.0, 0.0))
    metric = [_moved(scan, scale=0.1) for scan in scans]
    yield from _observed(dataset, "scan", "now, in centimetres", scans, metric, (0.0, 0.0, 0.0), unit="cm")
    low, high = (_box_scan(height) for height in _HEIGHTS)
    moved_box = _moved(_box(), scale=0.4)
    yield from _observed(dataset, "scan", "a box", [low], [moved_box], (1.0, 1.0, 0.0))
    yield from _observed(dataset, "scan", "two boxes", [low, high], [moved_box, moved_box], (2.0, 2.0, 1.0))
    metres = _moved(_box(), scale=0.001)
    yield from _observed(dataset, "scan", "a box in metres", [high], [metres], (3.0, 3.0, 0.0), unit="m")
    thick = [_thickened(scan) for scan in scans[:1]]
    yield from _observed(dataset, "scan-face", "a face", thick, moved[:1], (_SMALL, _SMALL, 0.0))


def _observed(
    dataset: Dataset,
    kind: str,
    case: str,
    truths: Sequence[Scan],
    predictions: Sequence[Scan],
    expected: tuple[float, float, float],
    *,
    unit: str = "",
) -> Iterator[Observation]:
    """Median, mean and standard deviation of a few scans against their predictions; a region has the mean of all."""
    samples = [_sample(scan, i) for i, scan in enumerate(truths)]
    settings = {"unit": unit} if unit else {}
    rows = [EVALUATOR.measure(dataset, s, p, settings) for s, p in zip(samples, predictions, strict=True)]
    columns = collect(samples, rows).columns
    known = dict(zip(("median", "mean", "std"), expected, strict=True))
    for metric in EVALUATOR.metrics(dataset):
        label = case if metric.slice is None else f"{case}, {metric.slice}"
        yield Observation(f"{kind}-{metric.name}", kind, label, known[metric.name], metric.value(columns))


def _sample(scan: Scan, number: int) -> Sample:
    return Sample(id=f"scan/{number}", image=Path("none"), box=None, target=ScanFiles(files=(), read=lambda: scan))


def _scan(sample: Sample) -> Scan:
    assert isinstance(sample.target, ScanFiles)
    return sample.target.read()


def _moved(scan: Scan, *, scale: float) -> Scan:
    """The scan turned about two axes, moved and scaled."""
    a, b = 0.4, -0.9
    about_y = [[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]]
    about_x = [[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]]
    turn, shift = np.array(about_y) @ np.array(about_x), np.array([31.0, -7.0, 120.0])

    def move(points: FloatArray) -> FloatArray:
        return np.asarray(scale * (points @ turn.T) + shift)

    return Scan(Mesh(move(scan.mesh.vertices), scan.mesh.faces), move(scan.landmarks))


def _box_landmarks() -> FloatArray:
    """Seven points as far apart as a face's; where they lie on the box does not matter, they move with it."""
    places = [(-45, 30), (-15, 30), (15, 30), (45, 30), (0, -25), (-25, -55), (25, -55)]
    return np.array([(*place, 0.0) for place in places])


def _sides() -> list[FloatArray]:
    """Centre, two half edges and outward normal of each side of the box, (4, 3): the front and the four about it."""
    x, y, z = _HALVES
    front = [(0, 0, 0), (x, 0, 0), (0, y, 0), (0, 0, 1)]
    beside = [[(sign * x, 0, -z), (0, 0, z), (0, y, 0), (sign, 0, 0)] for sign in (-1, 1)]
    above = [[(0, sign * y, -z), (0, 0, z), (x, 0, 0), (0, sign, 0)] for sign in (-1, 1)]
    return [np.array(side, dtype=np.float64) for side in (front, *beside, *above)]


def _box() -> Scan:
    """A box that is open behind, its front on z = 0: two triangles a side."""
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    vertices = [centre + u * along + v * up for centre, along, up, _ in _sides() for u, v in corners]
    faces = [[4 * k, 4 * k + i, 4 * k + i + 1] for k in range(len(_sides())) for i in (1, 2)]
    return Scan(Mesh(np.array(vertices), np.array(faces, dtype=np.int64)), _box_landmarks())


def _box_scan(height: float) -> Scan:
    """Vertices `height` outside and inside of the box, far enough from its edges that no other side is nearer."""
    steps = np.linspace(-_INNER, _INNER, 16)
    places = [centre + u * along + v * up for centre, along, up, _ in _sides() for u in steps for v in steps]
    normals = [side[3] for side in _sides() for _ in range(len(steps) ** 2)]
    surface, away = np.array(places), height * np.array(normals)
    return Scan(_loose(np.concatenate([surface + away, surface - away])), _box_landmarks())


def _loose(vertices: FloatArray) -> Mesh:
    """A mesh whose vertices are all that matters."""
    return Mesh(vertices, np.arange(len(vertices) // 3 * 3, dtype=np.int64).reshape(-1, 3))


def _thickened(scan: Scan) -> Scan:
    """Vertices a small way before and behind the middle of every triangle of a scan."""
    corners = scan.mesh.vertices[scan.mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    sizes = np.linalg.norm(normals, axis=1, keepdims=True)
    whole = sizes[:, 0] > 1e-9
    middles, steps = corners[whole].mean(axis=1), _SMALL * normals[whole] / sizes[whole]
    return Scan(_loose(np.concatenate([middles + steps, middles - steps])), scan.landmarks)
