"""Landmarks picked in MeshLab (.pp), as NoW ships them with its scans.

The official reader (now_evaluation @7bd1498, `compute_error.py: load_pp`) takes file lines 9 to 15 whatever they are,
finds `x="…"`, `y="…"` and `z="…"` in any order, and rounds to single precision. In every file that is what it should
be, those lines are the seven points in order, so reading the document gives the same numbers; a file with another
header or with points left out is read right or refused, instead of shifted by a line.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from facebench.errors import DataError
from facebench.schemes import NOW_LANDMARKS
from facebench.shapes import FloatArray


def read_picked_points(path: Path) -> FloatArray:
    """The seven landmarks of a .pp file, (7, 3), in the frame and unit of its mesh, rounded to single precision.

    Raises:
        DataError: no such file, not well-formed, hostile (an entity declaration), or not seven finite points.
    """
    from defusedxml.ElementTree import fromstring

    try:
        root = fromstring(path.read_bytes())  # a plain <!DOCTYPE PickedPoints> is part of the format
    except FileNotFoundError:
        raise DataError(f"landmark file {path} does not exist") from None
    except OSError as cause:
        raise DataError(f"landmark file {path} cannot be read: {cause.strerror}") from cause
    except (SyntaxError, ValueError) as cause:  # ParseError is a SyntaxError, what defusedxml forbids a ValueError
        raise DataError(f"{path} is not a MeshLab .pp file: {type(cause).__name__}: {cause}") from cause
    points = [_point(element.attrib, path) for element in root.iter("point")]
    if len(points) != len(NOW_LANDMARKS):
        raise DataError(f"{path} holds {len(points)} points, expected the 7 NoW landmarks: {', '.join(NOW_LANDMARKS)}")
    return np.array(points, dtype=np.float32).astype(np.float64)


def _point(attributes: dict[str, str], path: Path) -> list[float]:
    try:
        point = [float(attributes[axis]) for axis in "xyz"]
    except (KeyError, ValueError) as cause:
        raise DataError(f"{path}: point {attributes.get('name', '?')!r} lacks a number x, y or z") from cause
    if not np.isfinite(point).all():
        raise DataError(f"{path}: point {attributes.get('name', '?')!r} is not finite")
    return point
