"""The refinement: its derivatives, its solver, and its minimum against scipy's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse.linalg
import trimesh
from scipy.spatial.transform import Rotation

from facebench.geometry.surface import Surface
from facebench.metrics.scan_fit import (
    OFFICIAL,
    START,
    Evaluation,
    Stopping,
    conjugate_gradients,
    dogleg_step,
    evaluate,
    normal_equations,
    refine,
)
from facebench.types import Mesh

MINIMUM = replace(OFFICIAL, improvement=1e-13, solve=lambda matrix, right: np.linalg.lstsq(matrix, right)[0])
"""The official optimiser, never stopping early."""


def bumpy(subdivisions: int = 3) -> Mesh:
    """A closed surface of some 80 mm without any symmetry."""
    sphere = trimesh.creation.icosphere(subdivisions=subdivisions)
    x, y, z = sphere.vertices.T
    radius = 80 + 9 * np.sin(3 * x + y) + 7 * np.cos(2 * y - 3 * z) + 5 * x * z
    return Mesh(sphere.vertices * radius[:, None] * [1, 1.3, 0.9], np.array(sphere.faces, dtype=np.int64))


def moved(points: np.ndarray, scale: float = 1.02, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    turn = Rotation.from_rotvec([0.04, -0.03, 0.05]).as_matrix()
    return scale * points @ turn + [1.5, -2.0, 1.0] + rng.normal(size=points.shape) * 0.4


def test_derivatives_are_those_of_finite_differences() -> None:
    mesh = bumpy()
    surface, scan = Surface(mesh), moved(mesh.vertices[::3])
    x = START + np.array([0.01, 0.1, -0.2, 0.15, 0.5, -0.3, 0.2])
    matrix, slope = normal_equations(scan, evaluate(scan, surface, x))
    step = 1e-6
    columns = [
        (evaluate(scan, surface, x + step * e).distances - evaluate(scan, surface, x - step * e).distances) / (2 * step)
        for e in np.eye(7)
    ]
    jacobian, distances = np.array(columns).T, evaluate(scan, surface, x).distances
    np.testing.assert_allclose(matrix, jacobian.T @ jacobian, rtol=1e-4, atol=1e-4 * np.abs(matrix).max())
    np.testing.assert_allclose(slope, -jacobian.T @ distances, rtol=1e-4, atol=1e-4 * np.abs(slope).max())


def test_a_negative_scale_is_punished() -> None:
    mesh = bumpy(2)
    surface, scan = Surface(mesh), moved(mesh.vertices[::3])
    x = START * [-0.5, 0, 0, 0, 0, 0, 0]
    here = evaluate(scan, surface, x)
    assert here.squares == pytest.approx(here.distances @ here.distances + 100.0**2)  # (100 (0.5 + 0.5))²
    up, down = (evaluate(scan, surface, x + step * START).squares for step in (1e-5, -1e-5))
    assert normal_equations(scan, here)[1][0] == pytest.approx(-(up - down) / 2e-5 / 2, rel=1e-4)
    assert evaluate(scan, surface, 0 * START).squares == np.inf


def test_zero_distances_have_no_slope() -> None:
    mesh = bumpy(2)
    here = evaluate(mesh.vertices, Surface(mesh), START)
    np.testing.assert_allclose(here.distances, 0, atol=1e-12)
    exact = Evaluation(START, np.zeros(len(mesh.vertices)), 0.0, mesh.vertices)
    matrix, slope = normal_equations(mesh.vertices, exact)
    np.testing.assert_array_equal(matrix, 0)
    np.testing.assert_array_equal(slope, 0)


@pytest.mark.parametrize("stopping", [OFFICIAL, MINIMUM], ids=["official", "minimum"])
@pytest.mark.parametrize("free_scale", [True, False])
def test_a_surface_on_itself_stays(stopping: Stopping, free_scale: bool) -> None:
    mesh = bumpy(2)
    found = refine(mesh.vertices, Surface(mesh), stopping=stopping, free_scale=free_scale)
    np.testing.assert_allclose(found.distances, 0, atol=1e-9)
    np.testing.assert_allclose(found.parameters, START, atol=1e-9)


@pytest.mark.parametrize("free_scale", [True, False])
def test_converged_is_the_minimum_that_scipy_finds(free_scale: bool) -> None:
    mesh = bumpy()
    scan, surface = moved(mesh.vertices[::4], 1.02 if free_scale else 1.0), Surface(mesh)
    found = refine(scan, surface, stopping=MINIMUM, free_scale=free_scale)
    fixed = START[:0] if free_scale else START[:1]

    def residuals(x: np.ndarray) -> np.ndarray:
        # The prediction is moved, as the protocol has it, and a new tree is built.
        s, r, t = np.split(np.append(fixed, x), [1, 4])
        vertices = s * mesh.vertices @ Rotation.from_rotvec(r).as_matrix().T + t
        return Surface(Mesh(vertices, mesh.faces)).closest(scan).distances

    peer = scipy.optimize.least_squares(residuals, START[len(fixed) :], x_scale="jac", xtol=1e-14, ftol=1e-14)
    assert found.squares == pytest.approx(2 * peer.cost, rel=1e-6)
    assert found.squares <= 2 * peer.cost * (1 + 1e-9)
    np.testing.assert_allclose(found.distances, residuals(peer.x), atol=2e-3)
    assert free_scale or found.parameters[0] == 1


def test_reference_stops_earlier_but_close() -> None:
    mesh = bumpy()
    scan, surface = moved(mesh.vertices[::4]), Surface(mesh)
    early = refine(scan, surface, stopping=OFFICIAL, free_scale=True)
    late = refine(scan, surface, stopping=MINIMUM, free_scale=True)
    start = evaluate(scan, surface, START)
    assert late.squares <= early.squares < start.squares
    assert (early.squares - late.squares) / late.squares < 1e-3


def test_conjugate_gradients_agree_with_scipy() -> None:
    rng = np.random.default_rng(1)
    jacobian = rng.normal(size=(50, 7)) * [100, 90, 80, 70, 1, 1, 1]
    matrix, right = jacobian.T @ jacobian, rng.normal(size=7) * 100
    peer, _ = scipy.sparse.linalg.cg(matrix, right, rtol=1e-5, maxiter=2000)
    found = conjugate_gradients(matrix, right)
    assert np.linalg.norm(matrix @ found - right) <= 1e-5 * np.linalg.norm(right) * (1 + 1e-6)
    np.testing.assert_allclose(found, peer, rtol=1e-3, atol=1e-3 * np.abs(peer).max())


def test_a_few_vertices_do_not_fix_the_place_but_are_met() -> None:
    mesh = bumpy(2)
    for stopping in (OFFICIAL, MINIMUM):
        for count in (1, 2, 3):
            found = refine(mesh.vertices[:count] + 1.0, Surface(mesh), stopping=stopping, free_scale=True)
            assert np.isfinite(found.parameters).all()
            np.testing.assert_allclose(found.distances, 0, atol=1e-2)
    np.testing.assert_array_equal(conjugate_gradients(np.zeros((2, 2)), np.ones(2)), [0, 0])


def test_dogleg_by_hand() -> None:
    cauchy, newton = np.array([3.0, 0.0]), np.array([3.0, 8.0])
    np.testing.assert_allclose(dogleg_step(cauchy, newton, 10.0), newton)
    # On the second leg, 5 away from the start: (3, 4).
    np.testing.assert_allclose(dogleg_step(cauchy, newton, 5.0), [3, 4])
