"""Rigid refinement of a prediction on a scan: the third step of the NoW protocol.

The objective is that of soubhiksanyal/now_evaluation @7bd1498 (`rigid_scan_2_mesh_alignment`): over a scale s, a
rotation vector r and a translation t that move the *prediction*, the sum of squares of the unsigned distances from
every cropped scan vertex to the moved surface, and of 100 (|s| - s), which keeps s positive. Correspondences are looked
up anew at every evaluation. There is no outlier rejection and no robust loss.

The optimiser is Powell's dogleg as in chumpy 0.70 (`optimization_internal.py`, after Lourakis and Argyros, ICCV 2005).
Its normal equations are 7 x 7, so a conjugate-gradient solve and a dense one differ by less than 2e-7 mm in the result.

The official code moves the mesh and builds its search tree again for every trial; here the scan's vertices are taken
into the prediction's frame instead and the tree is built once. The distances are the same but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from facebench.geometry.rotation import right_jacobian, rotation_matrix
from facebench.geometry.surface import Surface, closest_together
from facebench.shapes import FloatArray

START = np.array([1.0, 0, 0, 0, 0, 0, 0])  # s, r, t
SCALE_PENALTY = 100.0


@dataclass(frozen=True)
class Stopping:
    """When the optimiser stops, and how it solves for a Gauss-Newton step.

    Attributes:
        gradient: stop below this largest gradient entry (e_1).
        step: stop below this step, relative to the parameters (e_2).
        improvement: stop once an accepted step improves the sum of squares by less than this fraction (e_3).
        radius: first radius of the trust region (delta_0).
        iterations: the most steps.
        solve: (A, g) to x with A x = g.
    """

    gradient: float
    step: float
    improvement: float
    radius: float
    iterations: int
    solve: Callable[[FloatArray, FloatArray], FloatArray]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The objective at one place.

    Attributes:
        parameters: (7,) s, r, t.
        distances: (n,) mm, unsigned.
        squares: sum of squares of all residuals.
        closest: (n, 3) closest points, in the frame of the unmoved prediction.
    """

    parameters: FloatArray
    distances: FloatArray
    squares: float
    closest: FloatArray

    @property
    def scale(self) -> float:
        """Of the prediction."""
        return float(self.parameters[0])

    @property
    def rotation(self) -> FloatArray:
        """(3, 3) of the prediction, applied from the left."""
        return rotation_matrix(self.parameters[1:4])

    @property
    def translation(self) -> FloatArray:
        """(3,) mm, of the prediction."""
        return self.parameters[4:]


def refine(scan: FloatArray, surface: Surface, *, stopping: Stopping, free_scale: bool) -> Evaluation:
    """Move `surface` onto the vertices `scan` (n, 3), mm.

    Args:
        scan: cropped scan vertices.
        surface: the prediction, already roughly aligned.
        stopping: `OFFICIAL` stops where the official code stops.
        free_scale: False keeps s at 1 (the metrical protocol).
    """
    free = slice(0 if free_scale else 1, 7)
    here = evaluate(scan, surface, START)
    radius = stopping.radius
    for _ in range(stopping.iterations):
        matrix, slope = (a[..., free] for a in normal_equations(scan, here))
        matrix = matrix[free]
        if np.abs(slope).max() < stopping.gradient:
            break
        trial, radius = _advance(scan, surface, here, _Quadratic(matrix, slope, free), radius, stopping)
        if trial is None:
            break
        gain, here = (here.squares - trial.squares) / here.squares, trial
        if gain < stopping.improvement:
            break
    return here


def evaluate(scan: FloatArray, surface: Surface, parameters: FloatArray) -> Evaluation:
    """The objective at `parameters` (7,)."""
    s, t = float(parameters[0]), parameters[4:]
    if s == 0:  # all of the surface in one place: never better than where the search came from
        return Evaluation(parameters, np.full(len(scan), np.inf), np.inf, np.zeros_like(scan))
    found = closest_together(surface, (scan - t) @ rotation_matrix(parameters[1:4]) / s)
    distances = abs(s) * found.distances
    squares = float(distances @ distances) + (SCALE_PENALTY * (abs(s) - s)) ** 2
    return Evaluation(parameters, distances, squares, found.points)


def normal_equations(scan: FloatArray, here: Evaluation) -> tuple[FloatArray, FloatArray]:
    """J'J (7, 7) and -J'd (7,) of the residuals at `here`.

    With the correspondences held, distance k changes by -u_k . [R x_k, s dR/dr x_k, I], u_k the unit vector from the
    surface to the scan. A distance of exactly zero has no such direction: its row is zero. (The official code divides
    by it there, and ends in a failed assertion.)
    """
    s, r, t = float(here.parameters[0]), here.parameters[1:4], here.parameters[4:]
    rotation = rotation_matrix(r)
    turned = here.closest @ rotation.T
    away = scan - (s * turned + t)
    norms = np.linalg.norm(away, axis=1)
    unit = away / np.where(norms > 0, norms, 1)[:, None]
    jacobian = np.empty((len(scan), 7))
    jacobian[:, 0] = -(unit * turned).sum(axis=1)
    jacobian[:, 1:4] = s * np.cross(unit @ rotation, here.closest) @ right_jacobian(r)
    jacobian[:, 4:] = -unit
    matrix, slope = jacobian.T @ jacobian, -jacobian.T @ here.distances
    if s < 0:
        matrix[0, 0] += (2 * SCALE_PENALTY) ** 2
        slope[0] -= (2 * SCALE_PENALTY) ** 2 * s
    return matrix, slope


def conjugate_gradients(matrix: FloatArray, right: FloatArray) -> FloatArray:
    """Solve by conjugate gradients from 0 to a relative residual of 1e-5, in at most 2,000 steps.

    These are the default of `scipy.sparse.linalg.cg` and the limit that the official code sets.
    """
    x, residual = np.zeros_like(right), right.copy()
    direction, square = residual.copy(), float(residual @ residual)
    goal = 1e-10 * square
    for _ in range(2000):
        if square <= goal:
            break
        image = matrix @ direction
        curvature = float(direction @ image)
        if curvature <= 0:  # rounding: nothing is left that the matrix can see
            break
        step = square / curvature
        x, residual = x + step * direction, residual - step * image
        last, square = square, float(residual @ residual)
        direction = residual + square / last * direction
    return x


OFFICIAL = Stopping(1e-15, 1e-15, 1e-4, 0.1, 200, conjugate_gradients)
"""now_evaluation @7bd1498, chumpy 0.70."""


@dataclass(frozen=True, eq=False)
class _Quadratic:
    """The model of the objective about a point: matrix J'J and slope -J'd over the free parameters."""

    matrix: FloatArray
    slope: FloatArray
    free: slice

    def predicted_gain(self, step: FloatArray) -> float:
        """How much the model says the sum of squares falls."""
        return float(2 * self.slope @ step - step @ self.matrix @ step)

    def cauchy_step(self) -> FloatArray:
        """Minimum of the model along the steepest descent."""
        return np.asarray(self.slope @ self.slope / (self.slope @ self.matrix @ self.slope) * self.slope)


def _advance(
    scan: FloatArray, surface: Surface, here: Evaluation, model: _Quadratic, radius: float, stopping: Stopping
) -> tuple[Evaluation | None, float]:
    """Shrink the trust region until a step improves: that evaluation (None where no step does) and the new radius."""
    newton: FloatArray | None = None
    cauchy = model.cauchy_step()
    size = float(np.linalg.norm(here.parameters[model.free]))
    while radius > stopping.step * size:
        if np.linalg.norm(cauchy) >= radius:
            step = radius / np.linalg.norm(cauchy) * cauchy
        else:
            newton = stopping.solve(model.matrix, model.slope) if newton is None else newton
            step = dogleg_step(cauchy, newton, radius)
        length = float(np.linalg.norm(step))
        if length <= stopping.step * size:
            break
        parameters = here.parameters.copy()
        parameters[model.free] += step
        trial = evaluate(scan, surface, parameters)
        predicted = model.predicted_gain(step)
        ratio = (here.squares - trial.squares) / predicted if predicted > 0 else -np.inf  # rounding, at the minimum
        if ratio > 0.9:
            radius = max(radius, 2.5 * length)
        elif ratio < 0.05:
            radius *= 0.25
        if ratio > 0:
            return trial, radius
    return None, radius


def dogleg_step(cauchy: FloatArray, newton: FloatArray, radius: float) -> FloatArray:
    """Gauss-Newton step if it fits in `radius`, else where the path from the Cauchy point to it leaves the region."""
    if np.linalg.norm(newton) <= radius:
        return newton
    leg = newton - cauchy
    a, b, c = float(leg @ leg), float(cauchy @ leg), float(cauchy @ cauchy) - radius**2
    return np.asarray(cauchy + (-b + np.sqrt(b * b - a * c)) / a * leg)
