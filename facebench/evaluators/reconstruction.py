"""3D face reconstruction: a predicted neutral head against the subject's real scan.

Task: from one picture, the neutral face mesh of the person in it, with seven landmarks on it.
Protocol: NoW (Sanyal et al., CVPR 2019), as `facebench.metrics.scan` spells it out; non-metrical (the scale of the
prediction is fitted), or metrical in a named unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from facebench.errors import DataError, UsageError
from facebench.metric import Metric, Statistics
from facebench.metrics import scan
from facebench.metrics.scan_regions import face_regions
from facebench.metrics.scan_statistics import METRICS, distance_statistics
from facebench.types import Dataset, Sample, Scan, ScanFiles

DEFAULT_MODE: scan.Mode = "reference"


@dataclass(frozen=True)
class ReconstructionEvaluator:
    """The reconstruction task.

    Settings:
        mode: `reference` (the default) stops the alignment where the official code does, `converged` at its minimum.
        unit: `mm`, `cm` or `m` for the metrical protocol; empty for the non-metrical one.
    """

    name: str = "reconstruction"
    version: int = 2
    summary: str = "distance of a real scan to the predicted neutral head, mm (NoW)"

    @property
    def defaults(self) -> Mapping[str, str]:
        """Choices that hold where `settings` makes none; part of every signature."""
        return {"mode": DEFAULT_MODE}

    def metrics(self, dataset: Dataset) -> tuple[Metric, ...]:
        """Median, mean and deviation over all scan vertices of all pictures, and means of the regions of the face."""
        del dataset  # every scan set is measured alike
        return METRICS

    def measure(self, dataset: Dataset, sample: Sample, prediction: Any, settings: Mapping[str, str]) -> Statistics:
        """Distances of one scan to `prediction`, a `Scan` in its own unit. Raises `DataError` and `UsageError`."""
        mode = _choice("mode", settings.get("mode") or DEFAULT_MODE, scan.MODES)
        unit = settings.get("unit", "")
        metrical = _choice("unit", unit, tuple(scan.MILLIMETRES)) if unit else None
        assert isinstance(sample.target, ScanFiles), f"{dataset.name} is not annotated with scans"
        if not isinstance(prediction, Scan):
            raise DataError(f"sample {sample.id}: the prediction is a {type(prediction).__name__}, not a mesh")
        truth = sample.target.read()
        try:
            distances = scan.scan_distances(
                truth, prediction, mode=cast(scan.Mode, mode), metrical=cast("scan.Unit | None", metrical)
            )
        except DataError as cause:
            raise DataError(f"sample {sample.id}: {cause}") from cause
        points = scan.face_scan(truth).crop.mesh.vertices
        return distance_statistics(distances, face_regions(points, truth.landmarks))


def _choice(setting: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise UsageError(f"reconstruction: {setting} {value!r} is not known; choose one of {', '.join(known)}")
    return value


EVALUATOR = ReconstructionEvaluator()
