"""Faces and 68 landmarks by the library face-alignment (Bulat and Tzimiropoulos): SFD boxes, 2D-FAN points.

The library fetches its weights by itself when they are missing. That is not wanted here: the files are looked for
first, where the library keeps them, and nothing of it is begun without them.
"""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

from facebench.errors import DataError, UsageError
from facebench.shapes import ByteArray
from pretrain.prepare.faces import Face

WEIGHTS = ("s3fd-619a316812.pth", "2DFAN4-11f355bf06.pth.tar")
"""Files that the library (1.4 and 1.5) asks for: the detector's and the landmarks'."""


class Detector:
    """Finds faces, one picture at a time, in whichever thread asks."""

    def __init__(self, device: str = "cpu") -> None:
        """Load the networks.

        Raises:
            UsageError: the library is not installed.
            DataError: its weights are not on this machine.
        """
        try:
            import face_alignment
        except ImportError as cause:
            raise UsageError("--detect needs the library face-alignment: pip install 'facebench[detect]'") from cause
        check_weights()
        kind = face_alignment.LandmarksType.TWO_D
        self._network: Any = face_alignment.FaceAlignment(kind, device=device, compile=False)
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


def weights_folder() -> Path:
    """Where the library keeps its weights: the checkpoints of torch.hub (TORCH_HOME)."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


def check_weights() -> None:
    """Raise `DataError` where a file of weights is missing, with its name and place."""
    folder = weights_folder()
    missing = [name for name in WEIGHTS if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"--detect needs the weights of face-alignment, and {' and '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not in {folder}; copy them there (nothing is downloaded), or give "
            "faces in sidecars or with --faces"
        )
