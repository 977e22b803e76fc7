"""Rotations against scipy and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from facebench.geometry.rotation import cross_matrix, right_jacobian, rotation_matrix

VECTORS = [np.zeros(3), np.array([1e-9, 0, 0]), np.array([3e-5, -2e-5, 1e-5]), np.array([0.3, -0.2, 0.5]),
           np.array([np.pi, 0, 0]), np.array([4.0, 3.0, -2.0])]  # fmt: skip


@pytest.mark.parametrize("r", VECTORS)
def test_agrees_with_scipy(r: np.ndarray) -> None:
    np.testing.assert_allclose(rotation_matrix(r), Rotation.from_rotvec(r).as_matrix(), atol=1e-14)


@pytest.mark.parametrize("r", VECTORS)
def test_derivative_is_that_of_finite_differences(r: np.ndarray) -> None:
    x, step = np.array([3.0, -1.0, 2.0]), 1e-5
    numeric = [(rotation_matrix(r + step * e) - rotation_matrix(r - step * e)) @ x / (2 * step) for e in np.eye(3)]
    exact = -rotation_matrix(r) @ cross_matrix(x) @ right_jacobian(r)
    np.testing.assert_allclose(exact, np.array(numeric).T, atol=1e-8)


def test_cross_matrix_is_the_cross_product() -> None:
    np.testing.assert_array_equal(cross_matrix(np.array([1, 2, 3])) @ [4, 5, 6], np.cross([1, 2, 3], [4, 5, 6]))
