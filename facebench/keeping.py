"""What a run keeps of its predictions, in the layouts that `facebench score` reads.

Landmarks go into one `predictions.npz` at the end, label maps into `predictions/<id>.png` as they are made. Meshes are
not kept: a hundred of them are larger than everything else, and the same command makes them again from cached features.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from facebench.predictions import write_label_map, write_landmarks
from facebench.shapes import FloatArray
from facebench.types import Prediction, Sample, Task


@dataclass
class Keeper:
    """Predictions of one row on their way to disk.

    Attributes:
        task: says the layout.
        folder: of the row.
    """

    task: Task
    folder: Path
    _points: dict[str, FloatArray] = field(default_factory=dict)

    def add(self, sample: Sample, prediction: Prediction) -> None:
        """Keep the prediction for `sample`. Raises `DataError` where it cannot be written."""
        if self.task == "landmarks":
            self._points[sample.id] = np.asarray(prediction, dtype=np.float64)
        elif self.task == "parsing":
            assert isinstance(prediction, np.ndarray), sample.id
            write_label_map(self.folder / "predictions", sample.id, prediction)

    def close(self) -> None:
        """Write what was held back. Raises `DataError`."""
        if self._points:
            points = np.stack(list(self._points.values()))
            write_landmarks(self.folder / "predictions.npz", list(self._points), points)
