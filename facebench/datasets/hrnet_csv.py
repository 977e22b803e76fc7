"""Landmark lists in the csv form of HRNet-Facial-Landmark-Detection (also of mmpose, FaRL, PIPNet forks).

Layout: one header line, then one face a line: `image,scale,center_w,center_h,x0,y0,x1,y1,...`. The 300W files name
the same columns `image_name,scale,center_w,center_h,original_0_x,original_0_y,...`, the AFLW ones have `box_size` after
`scale`. Scale and centre come from the landmarks (scale = longer side / 200), so they are no annotated box and are not
kept.

Coordinates: given as the file has them. The offset differs by data set; each loader subtracts its own.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facebench.datasets.listing import image_path, numbers, read_text
from facebench.errors import DataError
from facebench.shapes import FloatArray

_LEADING = {"image", "image_name", "scale", "box_size", "center_w", "center_h"}


@dataclass(frozen=True, eq=False)
class CsvFace:
    """One line of an HRNet-style csv.

    Attributes:
        image: path of the picture as the file spells it.
        points: (K, 2) float64, x and y as the file has them.
        where: `file:line`, for errors.
    """

    image: str
    points: FloatArray
    where: str


def read_hrnet_csv(path: Path, size: int) -> tuple[CsvFace, ...]:
    """Faces of an HRNet-style csv with `size` landmarks each, in file order. Raises `DataError`."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""))
    try:
        header = next(reader, [])
        leading = _leading_columns(header, size, path)
        return tuple(
            _face(row, leading, len(header), f"{path}:{reader.line_num}") for row in reader if any(map(str.strip, row))
        )
    except csv.Error as cause:
        raise DataError(f"{path}:{reader.line_num}: not a csv line: {cause}") from cause


def _leading_columns(header: Sequence[str], size: int, path: Path) -> int:
    """Number of columns before the first coordinate. Raises `DataError` where the header is not HRNet's."""
    leading = len(header) - 2 * size
    names = [name.strip().lower() for name in header]
    if not names or names[0] not in {"image", "image_name"}:
        raise DataError(f"{path}:1: no header line that begins with `image` or `image_name`; found {names[:1]}")
    if leading < 1 or not set(names[:leading]) <= _LEADING or _LEADING & set(names[leading:]):
        expected = f"image, scale, center_w, center_h and {2 * size} coordinates ({size} points)"
        raise DataError(f"{path}:1: header has {len(names)} columns, expected {4 + 2 * size}: {expected}")
    if any(axis not in name for name, axis in zip(names[leading:], "xy" * size, strict=True)):
        raise DataError(f"{path}:1: the coordinate columns do not alternate x and y")
    return leading


def _face(row: Sequence[str], leading: int, columns: int, where: str) -> CsvFace:
    if len(row) != columns:
        raise DataError(f"{where}: {len(row)} columns, expected {columns} as in the header")
    points = numbers(row[leading:], where).reshape(-1, 2)
    return CsvFace(image=image_path(row[0], where), points=points, where=where)
