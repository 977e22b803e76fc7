"""The short way to the minimum, against the official optimiser made to go on, and what must hold of any descent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from facebench.geometry.packets import WIDTH, packet_order
from facebench.geometry.surface import Surface
from facebench.metrics.scan import aggregate, scan_distances
from facebench.metrics.scan_converge import SLACK, Descent, Motion, Place, Secant, newton_step
from facebench.metrics.scan_fit import OFFICIAL, refine
from facebench.synth.scan import neutral_mesh, neutral_scan
from facebench.types import Mesh, Scan
from tests.metrics.test_scan_fit import bumpy, moved

MINIMUM = replace(OFFICIAL, improvement=1e-13, solve=lambda matrix, right: np.linalg.lstsq(matrix, right)[0])
STILL = Motion(1.0, np.eye(3), np.zeros(3))


def run(scan: np.ndarray, mesh: Mesh, *, free_scale: bool = True) -> tuple[np.ndarray, Motion]:
    """Distances in the order of `scan`, and the motion."""
    order = packet_order(scan)
    descent = Descent(scan[order], Surface(mesh).tree, free_scale=free_scale)
    motion = descent.run()
    distances = np.empty(len(scan))
    distances[order] = np.sqrt(descent.squares) / motion.shrink
    return distances, motion


@pytest.mark.parametrize("free_scale", [True, False])
@pytest.mark.parametrize(("subdivisions", "every"), [(3, 4), (5, 1)])  # the second is large enough to start coarsely
def test_the_minimum_is_the_one_that_the_slow_way_finds(free_scale: bool, subdivisions: int, every: int) -> None:
    mesh, scan = bumpy(3), moved(bumpy(subdivisions).vertices[::every], 1.02 if free_scale else 1.0)
    distances, motion = run(scan, mesh, free_scale=free_scale)
    slow = refine(scan, Surface(mesh), stopping=MINIMUM, free_scale=free_scale)
    # Few points end in one of several minima that differ by as much as a point says.
    alike = 1e-9 if len(scan) > 1000 else 1e-5
    assert (distances**2).sum() <= slow.squares * (1 + alike)
    np.testing.assert_allclose(distances, slow.distances, atol=1e-3 if len(scan) > 1000 else 1e-2)
    for statistic in (np.median, np.mean, np.std):
        assert statistic(distances) == pytest.approx(statistic(slow.distances), abs=1e-3)
    assert 1 / motion.shrink == pytest.approx(slow.scale, abs=1e-4)
    np.testing.assert_allclose(motion.turn.T, slow.rotation, atol=5e-4)
    assert free_scale or motion.shrink == 1


def test_the_distances_are_those_of_the_motion() -> None:
    mesh, scan = bumpy(3), moved(bumpy(5).vertices)
    distances, motion = run(scan, mesh)
    placed = motion.shrink * scan @ motion.turn.T + motion.shift
    np.testing.assert_allclose(distances, Surface(mesh).closest(placed).distances / motion.shrink, atol=1e-9)


def test_slope_and_curvature_are_those_of_finite_differences() -> None:
    mesh = bumpy()
    scan = moved(mesh.vertices[::3])
    descent = Descent(np.ascontiguousarray(scan), Surface(mesh).tree, free_scale=True)
    start = STILL.moved(np.array([0.02, 0.02, -0.03, 0.01, 0.5, -0.3, 0.2]))
    here = descent.look(start, every=1)
    for k, step in enumerate(np.eye(7) * 1e-5):
        up, down = (descent.look(start.moved(sign * step), every=1).objective for sign in (1, -1))
        # Half the slope of a sum of squares, downwards.
        assert here.slope[k] == pytest.approx(-(up - down) / 4e-5, rel=1e-4, abs=1e-3 * np.abs(here.slope).max())
    assert (np.linalg.eigvalsh(here.matrix) >= 0).all()


def test_kept_triangles_are_dropped_before_they_mislead() -> None:
    mesh, scan = bumpy(4), moved(bumpy(5).vertices)
    order = packet_order(scan)
    points, surface = scan[order], Surface(mesh)
    descent = Descent(points, surface.tree, free_scale=True)
    motion = STILL
    for size in (0.0, 0.2, 0.9, 1.1, 8.0, 0.4):  # shifts in units of half the slack
        motion = motion.moved(np.array([0, 0, 0, 0, size * SLACK / 2, 0, 0]))
        descent.look(motion, every=1)
        placed = motion.shrink * points @ motion.turn.T + motion.shift
        np.testing.assert_allclose(np.sqrt(descent.squares), surface.closest(placed).distances, atol=1e-9)


def test_a_motion_and_a_step_compose() -> None:
    points = np.random.default_rng(0).normal(size=(5, 3))
    motion = Motion(1.3, Rotation.from_rotvec([0.1, 0.2, -0.3]).as_matrix(), np.array([1.0, 2, 3]))
    step = np.array([np.log(2), 0, 0, np.pi / 2, 1, 0, 0])  # halve, a quarter turn about z, shift along x
    x, y, z = ((motion.shrink * points @ motion.turn.T + motion.shift) / 2).T
    there = motion.moved(step)
    np.testing.assert_allclose(there.shrink * points @ there.turn.T + there.shift, np.stack([1 - y, x, z], 1))


def test_a_secant_teaches_its_own_direction_only() -> None:
    matrix, step = np.diag(np.arange(1.0, 8.0)), np.eye(7)[2]
    learnt = Secant(step, 4.0 * step).correct(matrix)  # a curvature of 4 where the matrix says 3
    np.testing.assert_allclose(learnt, np.diag([1, 2, 4, 4, 5, 6, 7.0]))
    for absurd in (-1.0, 0.01, 1000.0):
        assert Secant(step, absurd * step).correct(matrix) is matrix


def test_a_quadratic_is_solved_in_one_step_and_a_flat_direction_is_left_alone() -> None:
    matrix = np.diag([0, 2.0, 2, 2, 1, 1, 1])
    slope = np.array([0, 0.2, 0, 0, 0, 0, 3.0])
    step, gain = newton_step(Place(STILL, 22.0, matrix, slope), [], slice(0, 7))
    np.testing.assert_allclose(step, [0, 0.1, 0, 0, 0, 0, 3])
    assert gain == pytest.approx((0.2 * 0.1 + 3 * 3) / 22)


def test_a_turn_of_more_than_half_a_radian_is_shortened() -> None:
    step, _ = newton_step(Place(STILL, 1.0, np.eye(7), np.array([0, 0, 5.0, 0, 3, 0, 0])), [], slice(0, 7))
    np.testing.assert_allclose(step, [0, 0, 0.5, 0, 0.3, 0, 0])


@pytest.mark.parametrize("count", [1, 2, 3, WIDTH + 1])
def test_a_few_vertices_are_met(count: int) -> None:
    mesh = bumpy(2)
    distances, motion = run(mesh.vertices[:count] + 1.0, mesh)
    assert np.isfinite(motion.matrix).all()
    if count <= 3:
        np.testing.assert_allclose(distances, 0, atol=1e-2)


@pytest.mark.parametrize("free_scale", [True, False])
def test_a_surface_on_itself_stays(free_scale: bool) -> None:
    mesh = bumpy(5)
    distances, motion = run(mesh.vertices, mesh, free_scale=free_scale)
    np.testing.assert_allclose(distances, 0, atol=1e-9)
    np.testing.assert_allclose(motion.matrix, np.eye(3, 4), atol=1e-9)


def test_one_triangle() -> None:
    mesh = Mesh(np.array([[0, 0, 0], [50, 0, 0], [0, 50, 0.0]]), np.array([[0, 1, 2]]))
    distances, _ = run(np.random.default_rng(3).normal(size=(300, 3)) * [20, 20, 1], mesh)
    assert np.isfinite(distances).all()


@pytest.mark.slow
@pytest.mark.parametrize("metrical", [None, "m"])
def test_over_a_set_both_modes_agree_to_a_micrometre(metrical: str | None) -> None:
    """Eight made pairs of heads, strangers and good reconstructions alike, as a method's results are."""
    found: dict[str, list[np.ndarray]] = {"reference": [], "converged": []}
    for k in range(4):
        truth, stranger = neutral_mesh(100 + k), neutral_mesh(200 + k)
        made = neutral_scan(100 + k, vertices=20_000)
        scan = Scan(Mesh(made.vertices, made.faces), made.landmarks)
        for share in (0.0, 0.6):
            vertices = share * truth.vertices + (1 - share) * stranger.vertices
            landmarks = share * truth.landmarks + (1 - share) * stranger.landmarks
            prediction = Scan(Mesh(vertices / 1000, stranger.faces), landmarks / 1000)
            for mode, distances in found.items():
                distances.append(scan_distances(scan, prediction, mode=mode, metrical=metrical))  # type: ignore[arg-type]
    official, ours = (aggregate(distances) for distances in found.values())
    for statistic in ("median", "mean", "std"):
        assert getattr(ours, statistic) == pytest.approx(getattr(official, statistic), abs=1e-3)
