"""Matlab files up to version 7, read with scipy: named numeric variables, or a clear reason why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from facebench.errors import DataError
from facebench.shapes import AnyArray, FloatArray


def read_mat(path: Path, names: Sequence[str], *, optional: Sequence[str] = ()) -> Mapping[str, AnyArray]:
    """Variables `names` of a Matlab file, and those of `optional` that are there. Raises `DataError`."""
    from scipy.io import loadmat

    if not path.is_file():
        raise DataError(f"{path} does not exist")
    try:
        content = loadmat(path, variable_names=[*names, *optional])
    except Exception as cause:
        # scipy raises whatever the damaged bytes lead to: ValueError, TypeError, zlib.error, struct.error, MemoryError.
        raise DataError(f"{path} is not a Matlab file that can be read: {type(cause).__name__}: {cause}") from cause
    missing = [name for name in names if name not in content]
    if missing:
        raise DataError(f"{path}: no variable {', '.join(missing)}; a Matlab file of another data set?")
    return {name: np.asarray(content[name]) for name in (*names, *optional) if name in content}


def matrix(value: AnyArray, shape: tuple[int | None, ...], where: str) -> FloatArray:
    """`value` as float64 of `shape` (None: any length), every number finite. Raises `DataError`."""
    fits = value.ndim == len(shape) and all(n in (None, m) for n, m in zip(shape, value.shape, strict=True))
    if not fits or value.dtype.kind not in "fiub":
        wanted = " x ".join("N" if n is None else str(n) for n in shape)
        raise DataError(f"{where} is {value.dtype} {' x '.join(map(str, value.shape))}, expected numbers {wanted}")
    numbers = value.astype(np.float64)
    bad = np.argwhere(~np.isfinite(numbers))
    if len(bad):
        raise DataError(f"{where}: the number at {tuple(int(i) for i in bad[0])} is not finite")
    return numbers
