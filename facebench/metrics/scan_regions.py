"""Regions of a scanned face, from its seven landmarks alone: where an error lies.

They are this project's own, not NoW's: boxes in the frame of the face, which any scan with landmarks has. The origin is
midway between the eyes, x runs from the right eye to the left one in units of the outer-eye distance, y from the mouth
up in units of the height from mouth to eyes. A vertex belongs to the first region that holds it, or to none.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from facebench.metrics.scan_face import check_landmarks
from facebench.shapes import BoolArray, FloatArray

REGIONS = ("nose", "mouth", "forehead", "cheeks")

_FOREHEAD_FROM = 0.35  # above the eyebrows
_NOSE_WIDTH = 0.24  # half, at the wings
_BRIDGE_WIDTH = 0.12  # half, between the eyes
_NOSE_TOP = 0.05
_MOUTH_MARGIN = 0.12  # beyond the corners
_CHIN_FROM = -1.45
_CHEEK_INNER = 0.24


def face_regions(points: FloatArray, landmarks: FloatArray) -> Mapping[str, BoolArray]:
    """Region name to (n,) bool for scan vertices `points` (n, 3), given the scan's `landmarks` (7, 3); mm."""
    x, y, nose, corner = _face_frame(points, check_landmarks(landmarks, "scan"))
    wide = _BRIDGE_WIDTH + (_NOSE_WIDTH - _BRIDGE_WIDTH) * np.clip(y / nose, 0, 1)
    is_nose = (np.abs(x) < wide) & (y > nose) & (y < _NOSE_TOP)
    is_mouth = (np.abs(x) < corner + _MOUTH_MARGIN) & (y <= nose) & (y > _CHIN_FROM) & ~is_nose
    is_forehead = y > _FOREHEAD_FROM
    is_cheek = (np.abs(x) > _CHEEK_INNER) & (y < -0.15) & (y > _CHIN_FROM) & ~is_nose & ~is_mouth
    return dict(zip(REGIONS, (is_nose, is_mouth, is_forehead, is_cheek), strict=True))


def _face_frame(points: FloatArray, landmarks: FloatArray) -> tuple[FloatArray, FloatArray, float, float]:
    """Place of each point across and up the face; height of the nose's bottom and half width of the mouth."""
    eyes, mouth = landmarks[:4].mean(axis=0), landmarks[5:].mean(axis=0)
    across = landmarks[3] - landmarks[0]
    width = float(np.linalg.norm(across)) or 1.0
    across = across / width
    up = eyes - mouth
    up = up - (up @ across) * across
    height = float(np.linalg.norm(up)) or 1.0
    up = up / height
    nose = min(float((landmarks[4] - eyes) @ up) / height, -1e-3)  # below the eyes, whatever the landmarks are
    corner = float(np.abs((landmarks[5:] - eyes) @ across).max()) / width
    moved = points - eyes
    return moved @ across / width, moved @ up / height, nose, corner
