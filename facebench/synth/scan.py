"""The neutral face in millimetres: the model's mesh, and the mesh as a scanner would give it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from facebench.errors import UsageError
from facebench.shapes import AnyArray
from facebench.synth.deform import neutral_positions
from facebench.synth.head import head
from facebench.synth.landmarks import canonical_points, carry_points, point_table
from facebench.synth.person import draw_person

_NOW_OF_68 = (36, 39, 42, 45, 33, 48, 54)
"""NoW's seven landmarks among the 68 points (MICA; now_evaluation issue 5)."""


@dataclass(frozen=True, eq=False)
class Scan:
    """A neutral face.

    Attributes:
        vertices: (V, 3) float64, mm, head frame: x to the person's left, y up, z forward.
        faces: (F, 3) int64.
        landmarks: (7, 3) float64, mm, in NoW's order, on the exact surface.
    """

    vertices: AnyArray
    faces: AnyArray
    landmarks: AnyArray


def _landmarks(identity_seed: int, face: AnyArray) -> AnyArray:
    """(7, 3) NoW landmarks of a neutral face."""
    person, table = draw_person(identity_seed), point_table()
    lids = np.array([person.lids[0], person.lids[1], person.lids[0], person.lids[1], person.lids[2]])
    rows = table.rows[table.slices["ibug68"]][list(_NOW_OF_68)]
    outline = np.zeros((2, 2, 3))
    places = canonical_points(rows, lids, person.brows, person.lips, outline, head().width_table)
    return carry_points(places, face)


@cache
def _weld() -> tuple[AnyArray, AnyArray]:
    """Vertices of the grid that the mesh keeps (V,), and its faces (F, 3).

    Grid vertices at one place of the mean head (seam of the lips, closing column, poles) become one, and what collapses
    is dropped. The mean decides for everybody, so vertex k of every head is the same point of the face.
    """
    grid = head()
    rows = np.arange(grid.shape[0] * grid.shape[1]) // grid.shape[1]
    inside = (rows > grid.upper_seam) & (rows < grid.lower_seam)
    outer = grid.faces[(grid.parts == 0) & ~inside[grid.faces].any(1)].astype(np.int64)
    places = np.round(grid.mean.reshape(3, -1).T.astype(np.float64), 4)
    _, first, inverse = np.unique(places, axis=0, return_index=True, return_inverse=True)
    faces = first[inverse.reshape(-1)][outer]
    whole = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    kept, faces = _compact(np.arange(len(rows)), faces[whole])
    return kept, faces


def _compact(vertices: AnyArray, faces: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Drop vertices that no face uses."""
    used = np.unique(faces)
    index = np.full(len(vertices), -1, np.int64)
    index[used] = np.arange(len(used))
    return vertices[used], index[faces]


def neutral_mesh(identity_seed: int) -> Scan:
    """The whole neutral head of a person, without hair: about 24,000 vertices, closed, mouth shut."""
    face = neutral_positions(draw_person(identity_seed).shape)
    kept, faces = _weld()
    return Scan(face.reshape(3, -1).T[kept].astype(np.float64), faces, _landmarks(identity_seed, face))


def _crop(mesh: Scan) -> tuple[AnyArray, AnyArray]:
    """Keep the front of the head, as a face scanner sees it."""
    kept = (mesh.vertices[:, 2] > -15.0) & (mesh.vertices[:, 1] < 100.0)
    return _compact(mesh.vertices, mesh.faces[kept[mesh.faces].all(1)])


def _subdivide(vertices: AnyArray, faces: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Cut every triangle into four at the middles of its edges."""
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    unique, inverse = np.unique(edges, axis=0, return_inverse=True)
    middle = inverse.reshape(-1, 3) + len(vertices)
    a, b, c = faces.T
    ab, bc, ca = middle.T
    cut = np.concatenate([np.stack(t, 1) for t in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))])
    return np.concatenate([vertices, vertices[unique].mean(1)]), cut


def _split_longest(vertices: AnyArray, faces: AnyArray, wanted: int) -> tuple[AnyArray, AnyArray]:
    """Add vertices at the middles of the largest triangles until about `wanted` are there."""
    missing = max(0, wanted - len(vertices))
    sides = vertices[faces]
    area = np.linalg.norm(np.cross(sides[:, 1] - sides[:, 0], sides[:, 2] - sides[:, 0]), axis=1)
    chosen = np.argsort(-area, kind="stable")[:missing]
    rest = np.delete(faces, chosen, axis=0)
    new = len(vertices) + np.arange(len(chosen))
    a, b, c = faces[chosen].T
    fans = np.concatenate([np.stack([a, b, new], 1), np.stack([b, c, new], 1), np.stack([c, a, new], 1)])
    return np.concatenate([vertices, sides[chosen].mean(1)]), np.concatenate([rest, fans])


def neutral_scan(identity_seed: int, *, vertices: int = 120_000, noise_mm: float = 0.05, holes: int = 3) -> Scan:
    """The neutral face as a scanner gives it.

    Args:
        identity_seed: the person.
        vertices: about how many vertices the scan has, 1,000 to 2,000,000.
        noise_mm: standard deviation of the noise along each axis, mm.
        holes: number of round holes of 3 to 7 mm radius, away from the landmarks.

    Raises:
        UsageError: for a number out of range.
    """
    if not 1_000 <= vertices <= 2_000_000 or noise_mm < 0 or holes < 0:
        raise UsageError(
            "a scan has 1,000 to 2,000,000 vertices and no negative noise or holes, "
            f"found {vertices}, {noise_mm}, {holes}"
        )
    mesh = neutral_mesh(identity_seed)
    points, faces = _crop(mesh)
    while len(points) * 4 <= vertices * 1.1:
        points, faces = _subdivide(points, faces)
    points, faces = _split_longest(points, faces, vertices)
    rng = np.random.default_rng([505, identity_seed])
    away = np.linalg.norm(points[:, None] - mesh.landmarks[None], axis=2).min(1) > 12.0
    front = np.flatnonzero(away & (points[:, 2] > 30.0))
    keep = np.ones(len(points), bool)
    for _ in range(holes):
        centre = points[rng.choice(front)]
        keep &= np.linalg.norm(points - centre, axis=1) > rng.uniform(3.0, 7.0)
    points = points + rng.normal(scale=noise_mm, size=points.shape) if noise_mm > 0 else points
    points, faces = _compact(points, faces[keep[faces].all(1)])
    return Scan(points, faces, mesh.landmarks)
