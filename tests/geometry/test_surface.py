"""Closest points against the official outputs, brute force in extended precision, and trimesh."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import trimesh

from facebench.errors import DataError
from facebench.geometry.surface import Surface, degenerate_faces
from facebench.types import Mesh

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "protocol_golden.json").read_text("utf-8"))
CASES = {case["id"]: case for case in GOLDEN["cases"]}
STRETCH = np.array([1.05, 0.97, 1.02])


def surface(vertices: object, faces: object) -> Surface:
    return Surface(Mesh(np.array(vertices, dtype=float), np.array(faces, dtype=np.int64)))


def brute_force(vertices: np.ndarray, faces: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Distances (n,) in extended precision: the least over edges, corners and feet of perpendiculars, all pairs."""
    long = np.longdouble
    corners, p = vertices.astype(long)[faces], points.astype(long)[:, None]
    best = np.full((len(points), len(faces)), np.inf, dtype=long)
    for i in range(3):
        a, b = corners[:, i], corners[:, (i + 1) % 3]
        length = ((b - a) ** 2).sum(-1)
        t = ((p - a) * (b - a)).sum(-1) / np.where(length > 0, length, 1)
        best = np.minimum(best, ((p - a - np.clip(t, 0, 1)[..., None] * (b - a)) ** 2).sum(-1))
    a, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normal = np.cross(ab, ac)
    area = (normal**2).sum(-1)
    safe = np.where(area > 0, area, 1)
    v = (np.cross(p - a, ac) * normal).sum(-1) / safe
    w = (np.cross(ab, p - a) * normal).sum(-1) / safe
    inside = (v >= 0) & (w >= 0) & (v + w <= 1) & (area > 0)
    height = ((p - a) * normal).sum(-1) ** 2 / safe
    return np.sqrt(np.where(inside, np.minimum(best, height), best).min(axis=1)).astype(float)


def soup(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(size=(3 * count, 3)), np.arange(3 * count).reshape(-1, 3)


def random_mesh(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(size=(80, 3)), rng.integers(0, 80, (150, 3))


def slivers(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    vertices, faces = soup(rng, 120)
    a, b = vertices[0::3], vertices[1::3]
    widths = 10.0 ** rng.uniform(-14, -2, (120, 1))
    vertices[2::3] = a + rng.uniform(0, 1, (120, 1)) * (b - a) + widths * rng.normal(size=(120, 3))
    return vertices, faces


def duplicated(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    vertices, faces = soup(rng, 6)
    return vertices, np.tile(faces, (30, 1))


def degenerate(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    vertices, faces = soup(rng, 60)
    faces[:20, 2] = faces[:20, 1]  # segments
    faces[20:40] = faces[20:40, :1]  # points
    vertices[faces[40:50, 2]] = (vertices[faces[40:50, 0]] + vertices[faces[40:50, 1]]) / 2  # collinear
    return vertices, faces


def far_away(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    vertices, faces = soup(rng, 60)
    return vertices + np.array([1e3, -2e3, 5e2]), faces


def tiny(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    vertices, faces = soup(rng, 60)
    return vertices * 1e-3, faces


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [random_mesh, slivers, duplicated, degenerate, far_away, tiny])
def test_brute_force_in_extended_precision_agrees(make: object, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vertices, faces = make(rng)  # type: ignore[operator]
    low, high = vertices.min(0), vertices.max(0)
    points = np.concatenate([
        rng.uniform(low - (high - low), high + (high - low), (150, 3)),
        vertices[:40],  # on corners
        vertices[faces[:40]].mean(axis=1),  # in triangles
        vertices[faces[:40, :2]].mean(axis=1),  # on edges
    ])  # fmt: skip
    found = surface(vertices, faces).closest(points)
    np.testing.assert_allclose(found.distances, brute_force(vertices, faces, points), atol=1e-9, rtol=0)
    np.testing.assert_allclose(np.linalg.norm(points - found.points, axis=1), found.distances, atol=1e-9)
    for k in range(0, len(points), 7):  # the named triangle holds the point
        assert brute_force(vertices, faces[found.triangles[[k]]], found.points[[k]])[0] < 1e-9


def test_trimesh_agrees() -> None:
    rng = np.random.default_rng(1)
    mesh = trimesh.creation.icosphere(subdivisions=2, radius=80)
    points = rng.normal(size=(300, 3)) * 60
    found = surface(mesh.vertices, mesh.faces).closest(points)
    pairs = [np.repeat(mesh.triangles, len(points), axis=0), np.tile(points, (len(mesh.faces), 1))]
    on_each = trimesh.triangles.closest_point(*pairs).reshape(len(mesh.faces), len(points), 3)
    peer = np.linalg.norm(on_each - points, axis=2).min(axis=0)
    np.testing.assert_allclose(found.distances, peer, atol=1e-9)


def test_official_two_triangles() -> None:
    case = CASES["now.static.two_triangles"]
    given = case["inputs"]
    found = surface(given["v"], given["f"]).closest(np.array(given["query"]))
    np.testing.assert_allclose(found.distances, case["expected"]["dist"], atol=case["atol"])


def test_official_icosphere_both_ways() -> None:
    sphere, faces = np.array(GOLDEN["shared_inputs"]["ico2_v"]), np.array(GOLDEN["shared_inputs"]["ico2_f"])
    case, reverse = CASES["now.static.icosphere"], CASES["now.static.icosphere.reverse"]
    distances = surface(sphere * STRETCH, faces).closest(sphere).distances
    np.testing.assert_allclose(distances, case["expected"]["dist"], atol=case["atol"])
    back = surface(sphere, faces).closest(sphere * STRETCH).distances
    for name, value in (("median", np.median(back)), ("mean", back.mean()), ("std", back.std()), ("max", back.max())):
        assert value == pytest.approx(reverse["expected"][name], abs=reverse["atol"])


def test_hand_case() -> None:
    # A right triangle in the plane z = 0: above it, beyond a corner, beyond the long edge.
    found = surface([[0, 0, 0], [4, 0, 0], [0, 4, 0]], [[0, 1, 2]]).closest(
        np.array([[1, 1, 5], [7, -4, 0], [4, 4, 0], [1, 1, 0.0]])
    )
    np.testing.assert_allclose(found.distances, [5, 5, np.sqrt(8), 0], atol=1e-12)
    np.testing.assert_allclose(found.points, [[1, 1, 0], [4, 0, 0], [2, 2, 0], [1, 1, 0]], atol=1e-12)


def test_obtuse_apex_takes_the_nearer_edge() -> None:
    # The apex (4, 1) has an obtuse angle: above it both edges face the point, and it lies nearer to the right one.
    vertices, faces = np.array([[0, 0, 0], [10, 0, 0], [4, 1, 0.0]]), np.array([[0, 1, 2]])
    points = np.array([[4.5, 3, 0], [3.7, 3, 0], [4, 1.001, 2]])
    np.testing.assert_allclose(
        surface(vertices, faces).closest(points).distances, brute_force(vertices, faces, points), atol=1e-12
    )


def test_threads_share_a_surface() -> None:
    rng = np.random.default_rng(2)
    shared = surface(*random_mesh(rng))
    points = rng.normal(size=(2000, 3))
    alone = shared.closest(points).distances
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(shared.closest, [points] * 8):
            np.testing.assert_array_equal(result.distances, alone)


def test_degenerate_faces_are_the_ones_that_the_official_code_removes() -> None:
    case = CASES["now.clean_degenerated"]
    faces = np.array(case["inputs"]["f"])
    mesh = Mesh(np.array(case["inputs"]["v"]), faces)
    assert faces[~degenerate_faces(mesh)].tolist() == case["expected"]["faces"]


@pytest.mark.parametrize(
    ("vertices", "faces", "message"),
    [
        (np.zeros((0, 3)), np.zeros((0, 3)), "needs vertices"),
        (np.eye(3), np.zeros((0, 3)), "needs vertices"),
        (np.eye(3)[:, :2], [[0, 1, 2]], "needs vertices"),
        (np.eye(3), [[0, 1]], "needs vertices"),
        (np.eye(3), [[0, 1, 3]], "vertex 3 of a surface with 3"),
        (np.eye(3), [[0, 1, -1]], "names vertex"),
        (np.full((3, 3), np.nan), [[0, 1, 2]], "finite"),
    ],
)
def test_bad_meshes(vertices: object, faces: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        surface(vertices, faces)


@pytest.mark.parametrize("points", [np.zeros(3), np.zeros((2, 2)), np.full((1, 3), np.nan), np.full((1, 3), np.inf)])
def test_bad_points(points: np.ndarray) -> None:
    with pytest.raises(DataError, match="points"):
        surface(np.eye(3), [[0, 1, 2]]).closest(points)
