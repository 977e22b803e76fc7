"""A linear model of heads from the user's own file: FLAME, or anything with its three arrays.

    v_template    (V, 3)       the mean head
    shapedirs     (V, 3, R)    directions; of FLAME's 400 the first 300 are identity, the rest expression
    f             (F, 3)       triangles

A `.npz` holds the arrays themselves; a `.pkl` is read by `inert_pickle`, which runs nothing that the file names. FLAME
itself (Li et al., SIGGRAPH Asia 2017) comes from its authors, under their licence, and is not part of facebench.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facebench.errors import DataError
from facebench.geometry.inert_pickle import read_arrays
from facebench.geometry.mesh_io import check_mesh
from facebench.shapes import AnyArray, FloatArray, IntArray
from facebench.types import Mesh

IDENTITY = 300
"""Directions of FLAME that are of identity; the neutral head has no others."""

_KEYS = ("v_template", "shapedirs", "f")


@dataclass(frozen=True, eq=False)
class HeadModel:
    """A mean head and directions in which heads differ.

    Attributes:
        name: of the file.
        sha256: of the arrays, hex: the same model in another kind of file has the same.
        template: (V, 3) float64, in the unit of the file.
        directions: (R, V, 3) float64, in that unit.
        faces: (F, 3) int64.
    """

    name: str
    sha256: str
    template: FloatArray
    directions: FloatArray
    faces: IntArray


def read_head_model(path: Path) -> HeadModel:
    """The model in a `.npz` or `.pkl` file.

    Raises:
        DataError: no such file, damaged, hostile, or not the three arrays of a head model.
    """
    if path.suffix not in (".npz", ".pkl"):
        raise DataError(f"{path}: a head model is read from .npz or .pkl, with {', '.join(_KEYS)}")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"head model {path} does not exist") from None
    except OSError as cause:
        raise DataError(f"head model {path} cannot be read: {cause.strerror}") from cause
    arrays = _read_npz(content, path) if path.suffix == ".npz" else read_arrays(content, str(path))
    template, directions, faces = _checked(arrays, path)
    digest = hashlib.sha256()
    for array in (template, directions, faces):
        digest.update(f"{array.shape}\0".encode() + array.tobytes())
    return HeadModel(path.name, digest.hexdigest(), template, directions, faces)


def _read_npz(content: bytes, path: Path) -> Mapping[str, AnyArray]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return {key: file[key] for key in _KEYS if key in file}
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as cause:
        raise DataError(f"{path} is not an .npz of plain arrays (a pickle in it is never loaded): {cause}") from cause


def _checked(arrays: Mapping[str, AnyArray], path: Path) -> tuple[FloatArray, FloatArray, IntArray]:
    missing = [key for key in _KEYS if key not in arrays]
    if missing:
        raise DataError(f"{path} holds no {' and no '.join(missing)}; a head model has {', '.join(_KEYS)}")
    template, directions, faces = (np.asarray(arrays[key]) for key in _KEYS)
    fits = template.ndim == 2 and directions.ndim == 3 and directions.shape[:2] == template.shape
    if not fits or template.shape[1] != 3 or not directions.shape[2] or faces.ndim != 2 or faces.shape[1] != 3:
        found = f"v_template {template.shape}, shapedirs {directions.shape}, f {faces.shape}"
        raise DataError(f"{path} has {found}; want (V, 3), (V, 3, R) and (F, 3)")
    if any(array.dtype.kind not in "fiu" for array in (template, directions)) or faces.dtype.kind not in "iu":
        found = f"v_template of {template.dtype}, shapedirs of {directions.dtype}, f of {faces.dtype}"
        raise DataError(f"{path} has {found}; want numbers, and whole ones in f")
    template, faces = template.astype(np.float64), faces.astype(np.int64)
    directions = np.moveaxis(directions[..., :IDENTITY], 2, 0).astype(np.float64)
    check_mesh(Mesh(template, faces), str(path))
    if not np.isfinite(directions).all():
        raise DataError(f"{path} has directions that are not finite")
    return template, directions, faces
