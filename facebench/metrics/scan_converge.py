"""The NoW refinement driven to its minimum: the same objective as `scan_fit`, reached by the shortest way.

Gauss-Newton on the vertices of the scan, taken into the frame of the prediction, so that one tree serves every step: a
similarity keeps closest points, and its scale multiplies distances. The first steps see every eighth packet of
vertices, the last ones all of them; a step that does not lower the sum of squares is shortened until it does. The end
is reached when all vertices together say that a further step cannot lower the sum of squares by more than `CLOSE` of
it, which leaves vertices within some 1e-5 of their mean distance of where they would come to rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facebench.geometry.rotation import rotation_matrix
from facebench.geometry.surface import Tree
from facebench.shapes import FloatArray, IntArray

COARSE_EVERY = 8  # packets
COARSE_CLOSE = 1e-3  # of the sum of squares; the vertices left out will move the end by as much
CLOSE = 1e-10  # of the sum of squares
COARSE_LEAST = 64 * COARSE_EVERY  # packets; a small scan is measured whole from the start
STEPS = 100
LARGEST = 0.5  # radians of a turn, and the same part of the size; beyond, no model of the objective holds
SHORTEST = 1e-3  # of a step; a smaller part lowers the sum by nothing that counts
REMEMBERED = 4  # steps whose secants are used
TRUSTED = 0.2  # a curvature more than this factor off J'J is no secant but a jump between closest points
SLACK = 0.2  # mm; the first steps on all vertices move them by less than half of it


@dataclass(frozen=True, eq=False)
class Motion:
    """Takes scan points into the frame of the prediction: `shrink * turn @ point + shift`.

    Attributes:
        shrink: one over the scale of the prediction.
        turn: (3, 3) rotation, applied from the left.
        shift: (3,) mm.
    """

    shrink: float
    turn: FloatArray
    shift: FloatArray

    @property
    def matrix(self) -> FloatArray:
        """(3, 4), for points with a 1 below them."""
        return np.column_stack([self.shrink * self.turn, self.shift])

    def moved(self, step: FloatArray) -> Motion:
        """This motion and then `step` (7,): shrink (its logarithm), turn (rotation vector), shift."""
        factor, turn = float(np.exp(-step[0])), rotation_matrix(step[1:4])
        return Motion(self.shrink * factor, turn @ self.turn, factor * turn @ self.shift + step[4:])


@dataclass(frozen=True, eq=False)
class Place:
    """The objective at a motion, in mm² of the scan.

    Attributes:
        motion: where.
        objective: sum of the squared distances.
        matrix: (7, 7) J'J over a step (shrink, turn, shift).
        slope: (7,) -J'd.
    """

    motion: Motion
    objective: float
    matrix: FloatArray
    slope: FloatArray


@dataclass(frozen=True, eq=False)
class Secant:
    """What a step taught about the curvature: the step (7,), and by how much the slope fell over it (7,)."""

    step: FloatArray
    fall: FloatArray

    def correct(self, matrix: FloatArray) -> FloatArray:
        """The matrix that maps the step to its fall and is otherwise as `matrix` (Broyden, Fletcher, Goldfarb, Shanno).

        J'J leaves out how the closest points slide over the surface; a step has seen it.
        """
        seen, image = float(self.fall @ self.step), matrix @ self.step
        expected = float(self.step @ image)
        if not (expected > 0 and TRUSTED * expected < seen < expected / TRUSTED):
            return matrix
        return matrix + np.outer(self.fall, self.fall) / seen - np.outer(image, image) / expected


def newton_step(here: Place, secants: Sequence[Secant], free: slice) -> tuple[FloatArray, float]:
    """Step (7,), the shortest where there are many, and the part of the objective that it promises to take away."""
    matrix = here.matrix
    for secant in secants:
        matrix = secant.correct(matrix)
    matrix, slope, step = matrix[free, free], here.slope[free], np.zeros(7)
    weights = np.sqrt(np.diag(matrix))
    weights[weights == 0] = 1
    step[free] = np.linalg.lstsq(matrix / np.outer(weights, weights), slope / weights, rcond=1e-12)[0] / weights
    step *= min(1.0, LARGEST / max(float(np.abs(step[:4]).max()), 1e-300))
    return step, float(here.slope @ step) / here.objective if here.objective > 0 else 0.0


class Descent:
    """The search for the minimum of one scan on one surface.

    Attributes:
        squares: (n,) squared distances at the place that was looked at last, in the frame of the surface.
    """

    def __init__(self, points: FloatArray, tree: Tree, *, free_scale: bool) -> None:
        """Search with `points` (n, 3), mm, in packets; the mean of points and surface should lie near 0."""
        from facebench.geometry.packets import KEPT, WIDTH

        packets = -(-len(points) // WIDTH)
        self.squares = np.empty(len(points))
        self._points, self._tree = points, tree
        self._free = slice(0 if free_scale else 1, 7)
        self._found: IntArray = np.zeros(len(points), np.int32)
        self._kept: IntArray = np.zeros((packets, KEPT), np.int32)
        self._counts: IntArray = np.zeros(packets, np.int32)
        self._listed: FloatArray | None = None
        self._secants: list[Secant] = []
        corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        self._corners = np.column_stack([np.abs(points).max() * corners, np.ones(8)])

    def run(self) -> Motion:
        """The motion at the minimum; `squares` are those of that motion."""
        motion = Motion(1.0, np.eye(3), np.zeros(3))
        if len(self._counts) >= COARSE_LEAST:
            motion = self._descend(motion, every=COARSE_EVERY, close=COARSE_CLOSE).motion
            self._secants = [Secant(known.step, COARSE_EVERY * known.fall) for known in self._secants]
        return self._descend(motion, every=1, close=CLOSE).motion

    def _descend(self, motion: Motion, *, every: int, close: float) -> Place:
        here = self.look(motion, every=every)
        for _ in range(STEPS):
            step, gain = newton_step(here, self._secants, self._free)
            if not gain > close:
                break
            trial = self._shortened(here, step, every)
            if trial is None:
                return self.look(here.motion, every=every)
            here = trial
        return here

    def _shortened(self, here: Place, step: FloatArray, every: int) -> Place | None:
        """The place after the largest part of the step that lowers the objective; None where none does."""
        part = 1.0
        while part > SHORTEST:
            trial = self.look(here.motion.moved(part * step), every=every)
            if trial.objective < here.objective:
                self._secants = [*self._secants[1 - REMEMBERED :], Secant(part * step, here.slope - trial.slope)]
                return trial
            part /= 4
        return None

    def look(self, motion: Motion, *, every: int) -> Place:
        """The objective at `motion` over every `every`-th packet."""
        from facebench.geometry.motion_sums import add_motion
        from facebench.geometry.packets import nearest_triangles

        tree, matrix = self._tree, motion.matrix
        self._forget(matrix, every)
        nearest_triangles(
            tree.bounds, tree.nodes, tree.boxes, tree.frames, self._points, matrix,
            every, SLACK if every == 1 else 0.0, self._kept, self._counts, self._found,
        )  # fmt: skip
        sums = add_motion(tree.frames, self._points, matrix, every, self._found, self.squares)
        upper = np.triu(sums[:7, :7])
        unit = motion.shrink**2
        return Place(
            motion=motion,
            objective=float(sums[7, 7]) / unit,
            matrix=(upper + np.triu(upper, 1).T) / unit,
            slope=-sums[:7, 7] / unit,
        )

    def _forget(self, matrix: FloatArray, every: int) -> None:
        """Drop the kept triangles unless every point is within half the slack of where it was when they were kept."""
        if every == 1 and self._listed is not None:
            # An affine map moves no point of a box further than some corner.
            moved = float(np.linalg.norm(self._corners @ (matrix - self._listed).T, axis=1).max())
            if moved < SLACK / 2:
                return
        self._counts[:] = 0
        self._listed = matrix if every == 1 else None
