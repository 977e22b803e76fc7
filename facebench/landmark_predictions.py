"""Predicted landmarks in one file: read without trusting it, written so that it can be trusted.

Layouts: `.npz` with `ids` (N,) str and `points` (N, K, 2) float, or `.json` {id: [[x, y], ...]}; pixels of the stored
picture, 0-based, x right, y down.

Nothing here unpickles. What is wrong with the file (no such arrays, pickled objects, another number of ids than
faces) fails the whole; what is wrong with one face (a NaN, too few points) fails that face when it is read.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from facebench.errors import DataError
from facebench.label_predictions import write_bytes
from facebench.shapes import AnyArray, FloatArray
from facebench.types import Landmarks, Sample

MAX_BYTES = 2**31
"""Most bytes that a prediction file may unpack to: thousands of times what the largest benchmark needs."""

MAX_COORDINATE = 1e6
"""A coordinate beyond this many pixels is a failed prediction: no picture reaches so far, and squares stay finite."""


@dataclass(frozen=True, eq=False)
class LandmarkPredictions:
    """Points by sample id, as they were stored.

    Attributes:
        path: the file, named in errors.
        stored: (id, points) pairs in file order, doubled ids doubled; points as read, not yet checked.
        sha256: of the file.
    """

    path: Path
    stored: Sequence[tuple[str, Any]]
    sha256: str

    def ids(self) -> Sequence[str]:
        """Every id in file order, doubled ones doubled."""
        return [name for name, _ in self.stored]

    def read(self, sample: Sample) -> FloatArray:
        """Points of `sample`, (K, 2) float64, pixels of the stored picture. Raises `DataError` if unusable."""
        if sample.id not in self._by_id:
            raise DataError(f"{self.path} holds no prediction for {sample.id}")
        truth = sample.target if isinstance(sample.target, Landmarks) else None
        return _checked(self._by_id[sample.id], truth, f"{self.path}: prediction for {sample.id}")

    def digest(self) -> str:
        """Hash of the file (sha256, hex)."""
        return self.sha256

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids())

    @cached_property
    def _by_id(self) -> Mapping[str, Any]:
        return dict(self.stored)

    @property
    def sizes(self) -> Sequence[int]:
        """Every number of points a face that occurs, ascending."""
        return sorted({len(points) for _, points in self.stored if isinstance(points, list | np.ndarray)})


def read_landmarks(path: Path) -> LandmarkPredictions:
    """Landmark predictions of a `.npz` or `.json` file. Raises `DataError`."""
    readers = {".npz": _read_npz, ".json": _read_json}
    if path.suffix.lower() not in readers:
        raise DataError(f"{path}: landmark predictions are read from .npz or .json")
    try:
        data = path.read_bytes()
    except OSError as cause:
        raise DataError(f"cannot read predictions {path}: {cause.strerror or cause}") from cause
    stored = readers[path.suffix.lower()](path, data)
    if not stored:
        raise DataError(f"{path} holds no prediction")
    return LandmarkPredictions(path, stored, hashlib.sha256(data).hexdigest())


def write_landmarks(path: Path, ids: Sequence[str], points: AnyArray) -> None:
    """Write `points` (N, K, 2), pixels of the stored pictures, to a `.npz` or `.json` file. Raises `DataError`."""
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 3 or points.shape[2] != 2 or len(points) != len(ids):
        raise DataError(f"cannot write {path}: points are {points.shape}, not ({len(ids)}, K, 2)")
    if len(set(ids)) != len(ids):
        raise DataError(f"cannot write {path}: ids are doubled")
    if path.suffix.lower() == ".json":
        if not np.isfinite(points).all():
            raise DataError(f"cannot write {path}: JSON has no NaN; leave failed samples out, or write .npz")
        write_bytes(path, (json.dumps(dict(zip(ids, points.tolist(), strict=True))) + "\n").encode())
    elif path.suffix.lower() == ".npz":
        buffer = io.BytesIO()
        np.savez_compressed(buffer, ids=np.asarray(ids, dtype=np.str_), points=points)
        write_bytes(path, buffer.getvalue())
    else:
        raise DataError(f"cannot write {path}: landmark predictions are written as .npz or .json")


def _checked(stored: Any, truth: Landmarks | None, where: str) -> FloatArray:
    try:
        points = np.array(stored, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as cause:
        raise DataError(f"{where} is not a list of [x, y]") from cause
    if points.ndim != 2 or points.shape[1] != 2:
        raise DataError(f"{where} has the shape {points.shape}, not (K, 2)")
    if truth is not None and len(points) != len(truth.points):
        raise DataError(f"{where} has {len(points)} points; the set has {len(truth.points)}")
    if truth is not None and truth.located is not None:
        # Points that the truth does not place are never scored; what was predicted for them may be anything.
        points[~truth.located] = 0.0
    bad = ~np.isfinite(points).all(axis=1)
    if bad.any():
        raise DataError(f"{where} is not finite at {int(bad.sum())} points, the first is {int(bad.argmax())}")
    if (np.abs(points) > MAX_COORDINATE).any():
        raise DataError(f"{where} lies more than {MAX_COORDINATE:.0f} pixels away")
    return points


def _read_npz(path: Path, data: bytes) -> Sequence[tuple[str, Any]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_BYTES:
            raise DataError(f"{path} unpacks to {size} bytes; more than {MAX_BYTES} are refused")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            ids, points = arrays["ids"], arrays["points"]
    except (
        OSError,
        ValueError,
        EOFError,
        KeyError,
        RuntimeError,
        MemoryError,
        zipfile.BadZipFile,
        zlib.error,
    ) as cause:
        what = "it needs the arrays `ids` (N,) str and `points` (N, K, 2) float, and no pickled objects"
        raise DataError(f"{path} is not a file of landmark predictions ({_first_line(cause)}); {what}") from cause
    if ids.ndim != 1 or ids.dtype.kind != "U":
        raise DataError(f"{path}: `ids` is {ids.shape} of {ids.dtype}, not (N,) str")
    if points.shape != (len(ids), *points.shape[1:2], 2) or points.dtype.kind not in "fiu":
        raise DataError(f"{path}: `points` is {points.shape} of {points.dtype}, not ({len(ids)}, K, 2) float")
    return list(zip(ids.tolist(), points, strict=True))


def _read_json(path: Path, data: bytes) -> Sequence[tuple[str, Any]]:
    if len(data) > MAX_BYTES:
        raise DataError(f"{path} has {len(data)} bytes; more than {MAX_BYTES} are refused")
    try:
        # A list of pairs keeps doubled ids; a dict would silently keep the last.
        stored = json.loads(data, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as cause:
        raise DataError(f"{path} is not JSON: {_first_line(cause)}") from cause
    if not isinstance(stored, _Pairs):
        raise DataError(f"{path} is not {{id: [[x, y], ...]}}: it does not begin with an object")
    return stored


class _Pairs(list[tuple[str, Any]]):
    """The pairs of a JSON object, in order."""


def _first_line(cause: BaseException) -> str:
    return (str(cause).splitlines() or [type(cause).__name__])[0]
