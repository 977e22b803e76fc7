"""Triangle meshes from .obj and .ply files; a mesh that cannot be measured against is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from facebench.errors import DataError
from facebench.geometry.obj_text import parse_obj
from facebench.types import Mesh

SUFFIXES = (".obj", ".ply")
"""What `read_mesh` reads, in the order in which the official NoW code looks for them."""


def read_mesh(path: Path) -> Mesh:
    """Mesh of an .obj or .ply file, every vertex in its place in the file.

    Args:
        path: the file. Vertex colours, normals and texture coordinates are ignored; polygons are triangulated.

    Raises:
        DataError: no such file, cut short or damaged, no vertices or no faces, a vertex that is not finite, or a face
            that names a vertex there is not.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{path}: meshes are read from {' or '.join(SUFFIXES)}")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"mesh {path} does not exist") from None
    except OSError as cause:
        raise DataError(f"mesh {path} cannot be read: {cause.strerror}") from cause
    mesh = parse_obj(content, path) if suffix == ".obj" else _parse_ply(content, path)
    check_mesh(mesh, str(path))
    return mesh


def check_mesh(mesh: Mesh, name: str) -> None:
    """Raise `DataError`, naming the mesh by `name`, where `mesh` has no surface to measure against."""
    if not len(mesh.vertices) or not len(mesh.faces):
        raise DataError(f"{name} is empty: {len(mesh.vertices)} vertices and {len(mesh.faces)} faces")
    bad = np.flatnonzero(~np.isfinite(mesh.vertices).all(axis=1))
    if len(bad):
        raise DataError(f"{name} has {len(bad)} vertices that are not finite, the first is number {bad[0] + 1}")
    low, high = int(mesh.faces.min()), int(mesh.faces.max())
    if low < 0 or high >= len(mesh.vertices):
        found = low if low < 0 else high
        raise DataError(
            f"{name}: a face names vertex {found + 1} of {len(mesh.vertices)}; the file is cut short or damaged"
        )


def _parse_ply(content: bytes, path: Path) -> Mesh:
    import io

    import trimesh

    try:
        loaded = trimesh.load(io.BytesIO(content), file_type="ply", process=False)
    except Exception as cause:  # trimesh raises whatever the damage leads to
        raise DataError(f"{path} is not a readable PLY file: {cause!r}") from cause
    if not isinstance(loaded, trimesh.Trimesh):
        raise DataError(f"{path} is empty: it holds no faces")
    return Mesh(vertices=np.array(loaded.vertices, dtype=np.float64), faces=np.array(loaded.faces, dtype=np.int64))
