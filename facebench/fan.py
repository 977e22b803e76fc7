"""2D-FAN as a landmark method (Bulat and Tzimiropoulos, ICCV 2017): the library face-alignment, called as its users do.

It is not a backbone: it goes in by its predictions, 68 points in the order of iBUG, so it stands on every set of that
order. A face is found by its box: the benchmark's own (`annotated`, or `gt` around the true points, which is what
papers do), or by the library's detector (`detected`), which takes the found face that overlaps most with the
benchmark's.

The library fetches its weights by itself when they are missing. That is not wanted here: the files are looked for
first, where the library keeps them, and nothing of it is begun without them.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from facebench.errors import DataError, UsageError
from facebench.shapes import Box, ByteArray, FloatArray

if TYPE_CHECKING:
    from facebench.types import Dataset, Sample

WEIGHTS = ("s3fd-619a316812.pth", "2DFAN4-11f355bf06.pth.tar")
"""Files that the library (1.4 and 1.5) asks for: the detector's and the landmarks'."""

BoxKind = Literal["gt", "annotated", "detected"]
OVERLAP = 0.3
"""Least intersection over union of a detected box and the benchmark's (OURS); below it the face counts as not found."""


class Fan:
    """The network, loaded."""

    def __init__(self, device: str = "cpu") -> None:
        """Load it.

        Raises:
            UsageError: the library is not installed.
            DataError: its weights are not on this machine.
        """
        self._network: Any = open_library(device, "fan", "score predictions that were made elsewhere")

    def points(self, image: ByteArray, box: Box) -> FloatArray:
        """(68, 2) pixels of `image` (H, W, 3), of the face in `box`."""
        found = self._network.get_landmarks_from_image(image, detected_faces=[[*box, 1.0]])
        return np.asarray(found[0], dtype=np.float64)

    def detect(self, image: ByteArray, near: Box) -> Box | None:
        """The detected box that overlaps most with `near`; None where none does enough."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="No faces were detected")
            boxes = self._network.face_detector.detect_from_image(image)
        best = max(boxes, key=lambda box: overlap(box[:4], near), default=None)
        if best is None or overlap(best[:4], near) < OVERLAP:
            return None
        x0, y0, x1, y1 = (float(v) for v in best[:4])
        return x0, y0, x1, y1


def predict(fan: Fan, dataset: Dataset, sample: Sample, image: ByteArray, box: BoxKind) -> FloatArray:
    """Points (68, 2) of one sample, pixels of the stored picture. Raises `DataError` where its face is not found."""
    from facebench.framing import Framing

    own: Literal["gt", "annotated"] = "annotated" if box == "annotated" else "gt"
    if box == "detected" and dataset.box == "annotated":
        own = "annotated"
    near = Framing(own, 1.0, 1).box_of(sample)
    taken = fan.detect(image, near) if box == "detected" else near
    if taken is None:
        raise DataError(f"{sample.id}: no detected face overlaps with the benchmark's")
    return fan.points(image, taken)


def overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union of two boxes x0, y0, x1, y1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return shared / (areas - shared) if shared else 0.0


def open_library(device: str, what: str, instead: str) -> Any:
    """The library's network for 68 points of a picture.

    Args:
        device: torch's name.
        what: needs it, for the error.
        instead: what to do without it, for the error.

    Raises:
        UsageError: the library is not installed.
        DataError: its weights are not on this machine.
    """
    try:
        import face_alignment
    except ImportError as cause:
        raise UsageError(f"{what} needs the library face-alignment: pip install 'facebench[detect]'") from cause
    check_weights(what, instead)
    return face_alignment.FaceAlignment(face_alignment.LandmarksType.TWO_D, device=device, compile=False)


def weights_folder() -> Path:
    """Where the library keeps its weights: the checkpoints of torch.hub (TORCH_HOME)."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


def check_weights(what: str, instead: str) -> None:
    """Raise `DataError` where a file of weights is missing, with its name and place; arguments as in `open_library`."""
    folder = weights_folder()
    missing = [name for name in WEIGHTS if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{what} needs the weights of face-alignment, and {' and '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not in {folder}; copy them there (nothing is downloaded), or "
            f"{instead}"
        )
