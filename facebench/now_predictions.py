"""NoW predictions as the challenge wants them submitted: a folder of meshes, each with seven landmarks.

    <folder>/<subject>/<challenge>/<picture>.obj   or .ply; .obj wins where both lie there
    <folder>/<subject>/<challenge>/<picture>.npy   (7, 3) or (1, 7, 3) numbers, in the frame of the mesh; or
    <folder>/<subject>/<challenge>/<picture>.txt   seven lines of three numbers

This is the layout of soubhiksanyal/now_evaluation @7bd1498 (README, `compute_error.py`). An .npy file that holds a
pickle is refused, never loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tokenize import TokenError

import numpy as np

from facebench.errors import DataError
from facebench.geometry.mesh_io import SUFFIXES, read_mesh
from facebench.schemes import NOW_LANDMARKS
from facebench.shapes import FloatArray
from facebench.types import Sample, Scan

_LANDMARK_SUFFIXES = (".npy", ".txt")


@dataclass(frozen=True, eq=False)
class NowFolder:
    """A submission folder.

    Attributes:
        path: the folder.
    """

    path: Path

    def __post_init__(self) -> None:
        if not self.path.is_dir():
            raise DataError(f"{self.path} is not a folder of <subject>/<challenge>/<picture>.obj")

    def ids(self) -> Sequence[str]:
        """Every picture there is a mesh for, as `<subject>/<challenge>/<picture>`, sorted."""
        return list(self._meshes)

    def __iter__(self) -> Iterator[str]:
        return iter(self._meshes)

    def read(self, sample: Sample) -> Scan:
        """Mesh and landmarks predicted for `sample`, in their own unit. Raises `DataError`."""
        return self.read_id(sample.id)

    def mesh(self, name: str) -> Path:
        """File that holds the mesh of an image. Raises `DataError` where there is none."""
        mesh = self._meshes.get(name)
        if mesh is None:
            raise DataError(f"no mesh for {name} below {self.path} ({' or '.join(SUFFIXES)})")
        return mesh

    def read_id(self, name: str) -> Scan:
        """Mesh and landmarks predicted for the image `name`. Raises `DataError`."""
        mesh = self.mesh(name)
        landmarks = _landmark_file(mesh)
        if landmarks is None:
            raise DataError(f"{mesh} has no landmarks beside it: write {mesh.with_suffix('.npy').name}, (7, 3)")
        return Scan(mesh=read_mesh(mesh), landmarks=read_landmarks(landmarks))

    def digest(self) -> str:
        """Hash over the names and bytes of all meshes and landmarks that are read (sha256, hex)."""
        digest = hashlib.sha256()
        for name, mesh in self._meshes.items():
            for path in filter(None, (mesh, _landmark_file(mesh))):
                digest.update(f"{name}{path.suffix}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    @cached_property
    def _meshes(self) -> dict[str, Path]:
        """Id to the mesh that is read for it. Ids come from the folder, so none can lead out of it."""
        found: dict[str, Path] = {}
        for suffix in reversed(SUFFIXES):  # the later, preferred one overwrites
            for path in self.path.glob(f"*/*/*{suffix}"):
                found[path.relative_to(self.path).with_suffix("").as_posix()] = path
        return dict(sorted(found.items()))


def read_landmarks(path: Path) -> FloatArray:
    """The seven landmarks of an .npy or .txt file, (7, 3) float64. Raises `DataError`."""
    values = _read_npy(path) if path.suffix == ".npy" else _read_text(path)
    if values.shape == (1, len(NOW_LANDMARKS), 3):
        values = values[0]
    if values.shape != (len(NOW_LANDMARKS), 3):
        raise DataError(f"{path} has shape {values.shape}, expected (7, 3): {', '.join(NOW_LANDMARKS)}")
    if not np.isfinite(values).all():
        raise DataError(f"{path} holds landmarks that are not finite")
    return values


def _landmark_file(mesh: Path) -> Path | None:
    files = (mesh.with_suffix(suffix) for suffix in _LANDMARK_SUFFIXES)
    return next((file for file in files if file.is_file()), None)


def _read_npy(path: Path) -> FloatArray:
    try:
        # Mapped, so that a header that promises terabytes is found out before anything is allocated.
        values = np.lib.format.open_memmap(path, mode="r")
        if values.dtype.kind not in "fiu":
            raise ValueError(f"it holds {values.dtype}")
        return np.array(values, dtype=np.float64)
    except OSError as cause:
        raise DataError(f"{path} cannot be read: {cause.strerror or cause}") from cause
    except (ValueError, EOFError, OverflowError, SyntaxError, TokenError) as cause:  # numpy parses the header as Python
        raise DataError(f"{path} is not a plain array of numbers (a pickle is never loaded): {cause}") from cause


def _read_text(path: Path) -> FloatArray:
    try:
        rows = [[float(word) for word in line.split()] for line in path.read_text("utf-8").splitlines() if line.strip()]
    except OSError as cause:
        raise DataError(f"{path} cannot be read: {cause.strerror}") from cause
    except ValueError as cause:
        raise DataError(f"{path} is not seven lines of three numbers: {cause}") from cause
    if {len(row) for row in rows} != {3}:
        raise DataError(f"{path} is not seven lines of three numbers: {[len(row) for row in rows][:8]} numbers a line")
    return np.array(rows)
