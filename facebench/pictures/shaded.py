"""Shaded views of meshes: orthographic, lit from the front, by the z-buffer of the synthetic world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facebench.shapes import AnyArray, FloatArray, IntArray
from facebench.types import Mesh

_AHEAD = 10_000.0  # pixels from the eye to the centre of the view, beyond the depth of any head
_AMBIENT = 0.25
BACKGROUND = 250


@dataclass(frozen=True, eq=False)
class View:
    """How a head is looked at.

    Attributes:
        axes: (3, 3) rows right, up and towards the eye, unit vectors in the frame of the mesh.
        centre: (3,) what is shown in the middle, in the unit of the mesh.
        scale: pixels a unit of the mesh.
        size: (width, height) of the picture in pixels.
    """

    axes: FloatArray
    centre: FloatArray
    scale: float
    size: tuple[int, int]

    def turned(self, degrees: float) -> View:
        """The view after the head turned about its up axis, its left side towards the eye."""
        angle = np.deg2rad(degrees)
        right, up, eye = self.axes
        axes = np.stack([np.cos(angle) * right - np.sin(angle) * eye, up, np.sin(angle) * right + np.cos(angle) * eye])
        return View(axes, self.centre, self.scale, self.size)


def face_view(landmarks: FloatArray, *, radius: float, size: tuple[int, int], centre: FloatArray) -> View:
    """A view of a face from the front, by its seven NoW landmarks (7, 3), with `radius` about `centre` filling it."""
    right = landmarks[3] - landmarks[0]
    right = right / np.linalg.norm(right)
    up = landmarks[:4].mean(axis=0) - landmarks[5:].mean(axis=0)
    up = up - (up @ right) * right
    up = up / np.linalg.norm(up)
    return View(np.stack([right, up, np.cross(right, up)]), centre, min(size) / 2 / radius, size)


def draw_mesh(mesh: Mesh, colours: FloatArray, view: View) -> AnyArray:
    """(H, W, 3) uint8 picture of `mesh` with `colours` (V, 3) float, 0 to 1; both sides of every triangle are lit."""
    from facebench.synth.head import PART_HAIR
    from facebench.synth.raster import rasterise, vertex_normals

    width, height = view.size
    seen = (mesh.vertices - view.centre) @ view.axes.T * view.scale
    screen = np.stack([width / 2 + seen[:, 0], height / 2 - seen[:, 1], _AHEAD - seen[:, 2]], axis=1)
    faces: IntArray = mesh.faces.astype(np.int32)
    parts = np.full(len(faces), PART_HAIR, np.uint8)  # the part that is drawn from both sides
    depth, hit = np.empty((height, width), np.float32), np.empty((height, width), np.int32)
    rasterise(screen, faces, parts, depth, hit)
    rows, columns = np.nonzero(hit >= 0)
    corners = faces[hit[rows, columns]]
    weights = _weights(screen[corners, :2], np.stack([columns + 0.5, rows + 0.5], axis=1))
    normals = np.einsum("nk,nkj->nj", weights, vertex_normals(seen, faces)[corners])
    facing = np.abs(normals[:, 2]) / np.maximum(np.linalg.norm(normals, axis=1), 1e-6)
    colour = np.einsum("nk,nkj->nj", weights, colours[corners])
    picture = np.full((height, width, 3), BACKGROUND, np.uint8)
    picture[rows, columns] = np.clip(255 * colour * (_AMBIENT + (1 - _AMBIENT) * facing)[:, None], 0, 255)
    return picture


def _weights(corners: FloatArray, at: FloatArray) -> FloatArray:
    """(n, 3) weights of the `corners` (n, 3, 2) of triangles at points (n, 2)."""
    b, c, p = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], at - corners[:, 0]
    area = b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0]
    second = (p[:, 0] * c[:, 1] - p[:, 1] * c[:, 0]) / area
    third = (b[:, 0] * p[:, 1] - b[:, 1] * p[:, 0]) / area
    return np.stack([1 - second - third, second, third], axis=1)


def error_colours(errors: FloatArray, *, most: float) -> FloatArray:
    """(n, 3) colours of `errors` (n,): white at 0, through yellow and red to dark violet at `most` and beyond."""
    stops = np.linspace(0, 1, 5)
    table = np.array([[1.0, 1.0, 0.95], [1.0, 0.85, 0.4], [0.95, 0.45, 0.2], [0.7, 0.1, 0.3], [0.25, 0.0, 0.35]])
    at = np.clip(errors / most, 0, 1)
    return np.stack([np.interp(at, stops, table[:, k]) for k in range(3)], axis=1)
