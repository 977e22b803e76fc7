"""Faces and 68 landmarks by the library face-alignment (Bulat and Tzimiropoulos): SFD boxes, 2D-FAN points."""

from __future__ import annotations

import threading
import warnings
from typing import Any

from facebench.fan import open_library
from facebench.shapes import ByteArray
from pretrain.prepare.faces import Face


class Detector:
    """Finds faces, one picture at a time, in whichever thread asks."""

    def __init__(self, device: str = "cpu") -> None:
        """Load the networks.

        Raises:
            UsageError: the library is not installed.
            DataError: its weights are not on this machine.
        """
        self._network: Any = open_library(device, "--detect", "give faces in sidecars or with --faces")
        self._lock = threading.Lock()

    def faces(self, image: ByteArray) -> tuple[Face, ...]:
        """Faces of `image` (H, W, 3), each with 68 landmarks."""
        with self._lock, warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="No faces were detected")
            points, _, boxes = self._network.get_landmarks_from_image(image, return_bboxes=True)
        return tuple(
            Face((float(x0), float(y0), float(x1), float(y1)), known.astype("float64"), float(score))
            for known, (x0, y0, x1, y1, score) in zip(points or (), boxes if points else (), strict=True)
        )
