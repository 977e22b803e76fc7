"""The `.pts` landmark file of iBUG (300W) and MERL-RAV.

Layout: `version: 1`, `n_points: 68`, `{`, one `x y` a line, `}`. Spaces round the numbers, the order of the two header
lines, an absent version line, blank lines and Windows line ends vary between packages and are all read.

Coordinates: given as the file has them; the loaders of 300W and MERL-RAV say what they make of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from facebench.datasets.listing import numbers, read_lines
from facebench.errors import DataError
from facebench.shapes import FloatArray

_HEADER = re.compile(r"(version|n_points)\s*:?\s*(\S+)", re.IGNORECASE)


def read_pts(path: Path, size: int) -> FloatArray:
    """Points of a `.pts` file, (`size`, 2) float64, x and y as the file has them.

    Raises `DataError` with file and line for missing braces, a wrong number of points, and coordinates that are not
    finite numbers.
    """
    lines = [(where, line.strip()) for where, line in read_lines(path)]
    opening = next((i for i, (_, line) in enumerate(lines) if line.startswith("{")), None)
    if opening is None:
        raise DataError(f"{path}: no line with an opening brace; not a .pts file, or cut short")
    closing = next((i for i in range(opening + 1, len(lines)) if lines[i][1] == "}"), None)
    if lines[opening][1] != "{" or closing is None:
        raise DataError(f"{path}: the points are not between a line `{{` and a line `}}`; the file may be cut short")
    if closing + 1 < len(lines):
        raise DataError(f"{lines[closing + 1][0]}: text after the closing brace")
    announced = _announced(lines[:opening])
    body = lines[opening + 1 : closing]
    if len(body) != size or announced not in (None, size):
        said = "" if announced is None else f", n_points says {announced}"
        raise DataError(f"{path}: {len(body)} points{said}, expected {size}")
    return _points(body, path)


def _points(body: Sequence[tuple[str, str]], path: Path) -> FloatArray:
    tokens = [line.split() for _, line in body]
    for (where, _), pair in zip(body, tokens, strict=True):
        if len(pair) != 2:
            raise DataError(f"{where}: {len(pair)} numbers, expected x and y")
    try:
        return numbers([token for pair in tokens for token in pair], str(path)).reshape(-1, 2)
    except DataError:
        # Once more line by line, so that the error names the line; whole files at once are ten times faster.
        for (where, _), pair in zip(body, tokens, strict=True):
            numbers(pair, where)
        raise


def _announced(header: Sequence[tuple[str, str]]) -> int | None:
    """The number of points that the header lines promise, None where they say nothing."""
    announced = None
    for where, line in header:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise DataError(f"{where}: {line[:40]!r} is no header line of a .pts file")
        if match[1].lower() == "n_points":
            if not match[2].isascii() or not match[2].isdigit():
                raise DataError(f"{where}: n_points is {match[2][:20]!r}, not a number")
            announced = int(match[2][:9])
    return announced
