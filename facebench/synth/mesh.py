"""Pieces of a scene and how they are put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.head import grid_faces


@dataclass(frozen=True, eq=False)
class Piece:
    """A mesh of one part.

    Attributes:
        vertices: (V, 3) float, head frame, mm.
        faces: (F, 3) int32.
        part: part number (head.py), or one for each face, (F,) uint8.
        canon: (V, 4) float: surface coordinates that the shader reads: x, y (mm), theta (degrees), one more value.
    """

    vertices: AnyArray
    faces: AnyArray
    part: int | AnyArray
    canon: AnyArray


@dataclass(frozen=True, eq=False)
class Mesh:
    """All pieces in one list of triangles; the head's vertices come first.

    Attributes:
        vertices: (V, 3) float32, head frame, mm.
        faces: (F, 3) int32.
        parts: (F,) uint8.
        canon: (V, 4) float32.
    """

    vertices: AnyArray
    faces: AnyArray
    parts: AnyArray
    canon: AnyArray


def join(pieces: Sequence[Piece]) -> Mesh:
    """Put pieces into one mesh."""
    V, F = sum(len(p.vertices) for p in pieces), sum(len(p.faces) for p in pieces)
    mesh = Mesh(
        np.empty((V, 3), np.float32), np.empty((F, 3), np.int32), np.empty(F, np.uint8), np.empty((V, 4), np.float32)
    )
    v = f = 0
    for piece in pieces:
        v_end, f_end = v + len(piece.vertices), f + len(piece.faces)
        mesh.vertices[v:v_end], mesh.canon[v:v_end] = piece.vertices, piece.canon
        np.add(piece.faces, np.int32(v), out=mesh.faces[f:f_end])
        mesh.parts[f:f_end] = piece.part
        v, f = v_end, f_end
    return mesh


def grid_piece(vertices: AnyArray, part: int, *, theta: AnyArray | float = 0.0, extra: AnyArray | float = 0.0) -> Piece:
    """A piece from a grid of vertices (rows, columns, 3); its canonical x and y are its own."""
    rows, columns = vertices.shape[:2]
    canon = np.zeros((rows, columns, 4))
    canon[..., :2] = vertices[..., :2]
    canon[..., 2], canon[..., 3] = theta, extra
    return Piece(vertices.reshape(-1, 3), grid_faces(rows, columns), part, canon.reshape(-1, 4))


def tube(path: AnyArray, radius: AnyArray | float, part: int, *, sides: int = 7) -> Piece:
    """A round tube along a path.

    Args:
        path: (n, 3) float, mm.
        radius: mm, one number or one for each place.
        part: part number.
        sides: corners of the cross-section.

    Returns:
        Its piece; canon holds x and y of the surface, the angle round the tube in degrees, and 1 at mid-tube.
    """
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    helper = np.where(np.abs(along[:, 1:2]) < 0.9, np.array([[0.0, 1.0, 0.0]]), np.array([[1.0, 0.0, 0.0]]))
    u = np.cross(along, helper)
    u /= np.linalg.norm(u, axis=1, keepdims=True) + 1e-9
    v = np.cross(along, u)
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    ring = np.cos(angle)[None, :, None] * u[:, None] + np.sin(angle)[None, :, None] * v[:, None]
    thick = np.broadcast_to(np.asarray(radius, float), (len(path),))
    vertices = path[:, None] + ring * thick[:, None, None]
    return grid_piece(vertices, part, theta=np.degrees(angle)[None], extra=1.0)
