"""Rotations by a rotation vector, and how they change with it."""

from __future__ import annotations

import numpy as np

from facebench.shapes import FloatArray


def rotation_matrix(r: FloatArray) -> FloatArray:
    """Rotation (3, 3) by |r| radians about r (3,), applied from the left: Rodrigues' formula."""
    angle = float(np.linalg.norm(r))
    cross = cross_matrix(r)
    return np.asarray(np.eye(3) + np.sinc(angle / np.pi) * cross + _versine_ratio(angle) * cross @ cross)


def right_jacobian(r: FloatArray) -> FloatArray:
    """(3, 3) matrix J with d(R x)/dr = -R [x] J, R the rotation by r (3,).

    Gallego and Yezzi, "A compact formula for the derivative of a 3-D rotation in exponential coordinates", JMIV 2015.
    """
    angle = float(np.linalg.norm(r))
    cross = cross_matrix(r)
    third = (1 - np.sinc(angle / np.pi)) / angle**2 if angle > 1e-4 else 1 / 6
    return np.asarray(np.eye(3) - _versine_ratio(angle) * cross + third * cross @ cross)


def cross_matrix(x: FloatArray) -> FloatArray:
    """(3, 3) matrix [x] with [x] y = x × y, for x (3,)."""
    return np.array([[0, -x[2], x[1]], [x[2], 0, -x[0]], [-x[1], x[0], 0]])


def _versine_ratio(angle: float) -> float:
    """(1 - cos angle) / angle², 1/2 at 0, without cancellation."""
    return float(0.5 * np.sinc(angle / (2 * np.pi)) ** 2)
