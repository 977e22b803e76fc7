"""The faces of a picture, as sidecars and `--faces` files describe them, and the one that is taken.

    {"faces": [{"box": [x0, y0, x1, y1], "landmarks": [[x, y], ...], "score": 0.98}, ...], "width": 640, "height": 480}

Pixels, 0-based. Five landmarks (image-left eye, image-right eye, nose tip, image-left and image-right corner of the
mouth) or the 68 of iBUG, or none; no score counts as 1. `width` and `height` say which size of the picture the numbers
are for: img2dataset makes pictures smaller after they were described. Other fields are passed over.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facebench.shapes import Box, FloatArray
from pretrain.prepare.items import Reason


@dataclass(frozen=True, eq=False)
class Face:
    """A face in a picture.

    Attributes:
        box: pixels of the picture.
        points: (5, 2) or (68, 2), pixels of the picture; None where it has none.
        score: of the detector.
    """

    box: Box
    points: FloatArray | None
    score: float

    @property
    def area(self) -> float:
        """Square pixels of the box."""
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])

    @property
    def side(self) -> float:
        """Shorter side of the box, pixels."""
        return min(self.box[2] - self.box[0], self.box[3] - self.box[1])


def parse_faces(text: bytes, width: int, height: int) -> tuple[Face, ...]:
    """Faces of a record, in pixels of a picture of `width` x `height`. Raises `ValueError` where it makes no sense."""
    try:
        record = json.loads(text)
    except RecursionError as cause:
        raise ValueError("is nested too deeply") from cause
    if not isinstance(record, dict):
        raise ValueError("is no JSON object")
    faces = record.get("faces") or []
    if not isinstance(faces, list):
        raise ValueError("faces is no list")
    scale = np.array([_ratio(width, record.get("width")), _ratio(height, record.get("height"))])
    return tuple(_face(face, scale) for face in faces)


def _ratio(actual: int, described: Any) -> float:
    return actual / described if isinstance(described, int | float) and described > 0 else 1.0


def _face(face: Any, scale: FloatArray) -> Face:
    if not isinstance(face, dict):
        raise ValueError("a face is no JSON object")
    box = _numbers("box", face.get("box"))
    if box.size != 4 or not (box[2] > box[0] and box[3] > box[1]):
        raise ValueError(f"box {face.get('box')!r:.80} is not x0, y0, x1, y1 with an area")
    box = box * np.tile(scale, 2)
    score = _numbers("score", face.get("score", 1.0))
    if score.size != 1:
        raise ValueError("score is not one number")
    points = None if face.get("landmarks") is None else _points(face["landmarks"]) * scale
    return Face((float(box[0]), float(box[1]), float(box[2]), float(box[3])), points, float(score[0]))


def _points(landmarks: Any) -> FloatArray:
    flat = _numbers("landmarks", landmarks)
    if flat.size not in (10, 136):
        raise ValueError(f"landmarks are {flat.size} numbers; 5 or 68 points are known")
    points = flat.reshape(-1, 2)
    if np.ptp(points, axis=0).max() < 1:
        raise ValueError("landmarks all lie in one place")
    return points


def _numbers(what: str, value: Any) -> FloatArray:
    """`value` as finite numbers, flat."""
    try:
        found = np.asarray(value, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError, OverflowError) as cause:
        raise ValueError(f"{what} {value!r:.80} are not numbers") from cause
    if not np.isfinite(found).all() or np.abs(found).max(initial=0) > 1e7:
        raise ValueError(f"{what} {value!r:.80} are not finite pixels")
    return found


def choose(faces: Sequence[Face], *, min_score: float, min_side: float) -> Face | tuple[Reason, str]:
    """The largest of `faces` that scores above `min_score` and has `min_side` pixels, or why there is none."""
    if not faces:
        return "no-face", "no face is known"
    certain = [face for face in faces if face.score > min_score]
    if not certain:
        return "low-score", f"best score {max(face.score for face in faces):g}, wanted above {min_score:g}"
    largest = max(certain, key=lambda face: face.area)
    if largest.side < min_side:
        return "small", f"largest face has {math.floor(largest.side)} px, wanted {min_side:g}"
    return largest


def whole_picture(faces: Sequence[Face], width: int, height: int) -> Face:
    """The whole picture as a face, from pixel edge to pixel edge, with the landmarks of the largest one it holds."""
    largest = max(faces, key=lambda face: face.area, default=None)
    points = None if largest is None else largest.points
    return Face((-0.5, -0.5, width - 0.5, height - 0.5), points, 1.0)
