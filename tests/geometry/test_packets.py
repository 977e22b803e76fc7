"""Packets against single points and brute force, and what an order of packets must be."""

from __future__ import annotations

import numpy as np
import pytest

from facebench.geometry.motion_sums import add_motion
from facebench.geometry.packets import KEPT, WIDTH, nearest_triangles, packet_order
from facebench.geometry.surface import Surface, closest_together
from facebench.types import Mesh
from tests.geometry.test_surface import (
    brute_force,
    degenerate,
    duplicated,
    far_away,
    random_mesh,
    slivers,
    tiny,
)

STILL = np.eye(3, 4)


def distances(mesh: Mesh, points: np.ndarray, *, motion: np.ndarray = STILL, twice: bool = False) -> np.ndarray:
    tree, order = Surface(mesh).tree, packet_order(points)
    packets = -(-len(points) // WIDTH)
    kept, counts = np.zeros((packets, KEPT), np.int32), np.zeros(packets, np.int32)
    found, squares = np.zeros(len(points), np.int32), np.empty(len(points))
    ordered = np.ascontiguousarray(points[order])
    for _ in range(2 if twice else 1):  # the second time from what was kept
        found[:] = 0
        arguments = (tree.bounds, tree.nodes, tree.boxes, tree.frames, ordered, motion)
        nearest_triangles(*arguments, 1, 0.0, kept, counts, found)
    add_motion(tree.frames, ordered, motion, 1, found, squares)
    result = np.empty(len(points))
    result[order] = np.sqrt(squares)
    return result


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [random_mesh, slivers, duplicated, degenerate, far_away, tiny])
@pytest.mark.parametrize("twice", [False, True])
def test_brute_force_in_extended_precision_agrees(make: object, seed: int, twice: bool) -> None:
    rng = np.random.default_rng(seed)
    vertices, faces = make(rng)  # type: ignore[operator]
    low, high = vertices.min(0), vertices.max(0)
    points = np.concatenate([rng.uniform(low - (high - low), high + (high - low), (150, 3)), vertices[:40],
                             vertices[faces[:40]].mean(axis=1), vertices[faces[:40, :2]].mean(axis=1)])  # fmt: skip
    expected = brute_force(vertices, faces, points)
    np.testing.assert_allclose(distances(Mesh(vertices, faces), points, twice=twice), expected, atol=1e-9, rtol=0)


def test_trimesh_agrees() -> None:
    import trimesh

    sphere = trimesh.creation.icosphere(subdivisions=3, radius=80)
    points = np.random.default_rng(1).normal(size=(400, 3)) * 60
    corners = np.asarray(sphere.triangles)
    pairs = [np.repeat(corners, len(points), axis=0), np.tile(points, (len(corners), 1))]
    peer = np.linalg.norm(trimesh.triangles.closest_point(*pairs).reshape(len(corners), -1, 3) - points, axis=2).min(0)
    np.testing.assert_allclose(distances(Mesh(sphere.vertices, np.array(sphere.faces)), points), peer, atol=1e-9)


def test_points_are_moved_first() -> None:
    rng = np.random.default_rng(2)
    mesh, points = Mesh(*random_mesh(rng)), rng.normal(size=(77, 3))
    motion = np.column_stack([rng.normal(size=(3, 3)), rng.normal(size=3)])
    there = Surface(mesh).closest(points @ motion[:, :3].T + motion[:, 3]).distances
    np.testing.assert_allclose(distances(mesh, points, motion=motion), there, atol=1e-12)


@pytest.mark.parametrize("count", [1, WIDTH, WIDTH + 1, 1000])
def test_an_order_holds_every_point_once_and_neighbours_together(count: int) -> None:
    points = np.random.default_rng(3).uniform(size=(count, 3))
    order = packet_order(points)
    assert sorted(order) == list(range(count))
    if count == 1000:
        sizes = [np.ptp(points[order[i : i + WIDTH]], axis=0).max() for i in range(0, count - WIDTH, WIDTH)]
        assert np.mean(sizes) < 0.45  # 63 packets of a unit cube: sides of a quarter, not of one


def test_equal_points_are_ordered_too() -> None:
    assert sorted(packet_order(np.zeros((100, 3)))) == list(range(100))


def test_points_together_get_what_points_alone_get() -> None:
    rng = np.random.default_rng(4)
    surface, points = Surface(Mesh(*random_mesh(rng))), rng.normal(size=(333, 3))
    points = points[packet_order(points)]
    alone, together = surface.closest(points), closest_together(surface, points)
    np.testing.assert_allclose(together.distances, alone.distances, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(points - together.points, axis=1), alone.distances, atol=1e-12)
    for k in range(0, len(points), 9):  # the named triangle holds the point
        corners = Mesh(*random_mesh(np.random.default_rng(4)))
        assert brute_force(corners.vertices, corners.faces[together.triangles[[k]]], together.points[[k]])[0] < 1e-9
