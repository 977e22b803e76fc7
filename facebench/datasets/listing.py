"""Annotation lists as text: lines with their place, numbers that are numbers, image paths that stay inside the folder.

Everything here raises `DataError` with the file and the line, so that a damaged or hostile list is found where it is
damaged. Nothing is repaired.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from facebench.errors import DataError
from facebench.shapes import FloatArray
from facebench.types import Sample

# A cell that begins so is a formula to a spreadsheet; no data set names a picture like that.
_FORMULA = ("=", "+", "@", "\t", "|")


def read_text(path: Path) -> str:
    """Text of `path` (UTF-8, a leading byte order mark dropped). Raises `DataError`."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except OSError as cause:
        raise DataError(f"{path} cannot be read: {cause.strerror}") from cause
    except UnicodeDecodeError as cause:
        raise DataError(f"{path} is not a text file: byte {cause.start} is not UTF-8") from cause


def read_lines(path: Path) -> list[tuple[str, str]]:
    """Lines of `path` that are not blank, each with its place `file:line`. Raises `DataError`."""
    # Split at newlines alone: str.splitlines would also cut at form feeds, and the line numbers would be wrong.
    lines = read_text(path).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [(f"{path}:{number}", line) for number, line in enumerate(lines, start=1) if line.strip()]


def numbers(tokens: Sequence[str], where: str) -> FloatArray:
    """Finite numbers spelt by `tokens`, as float64. Raises `DataError` that names the first bad one."""
    try:
        values = np.array([float(token) for token in tokens])
    except ValueError:
        values = np.array([_number(token, where) for token in tokens])
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise DataError(f"{where}: number {bad[0] + 1} is {tokens[bad[0]]!r}, not a finite number")
    return values


def _number(token: str, where: str) -> float:
    try:
        return float(token)
    except ValueError:
        raise DataError(f"{where}: {token[:40]!r} is not a number") from None


def image_path(text: str, where: str) -> str:
    """The relative path of a picture as a list spells it, once it is known to stay below the image folder.

    Raises `DataError` for an absolute path, a `..`, a drive letter, a control character or a spreadsheet formula.
    """
    path = text.strip()
    parts = PurePosixPath(path.replace("\\", "/"))
    hostile = parts.is_absolute() or ".." in parts.parts or path[1:2] == ":" or path.startswith(_FORMULA)
    if not path or hostile or any(ord(c) < 32 for c in path):
        raise DataError(f"{where}: image path {text[:80]!r} is not a path below the image folder")
    return path


def require_unique(samples: Iterable[Sample], source: object) -> None:
    """Raise `DataError` naming the first id that two samples share and how many ids are doubled."""
    counts = Counter(sample.id for sample in samples)
    doubled = [name for name, times in counts.items() if times > 1]
    if doubled:
        raise DataError(f"{source}: {len(doubled)} doubled id(s), first {doubled[0]!r}; each face may be listed once")
