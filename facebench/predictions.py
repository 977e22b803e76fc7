"""Predictions on disk, opened by the task of a data set and held against its samples.

Layouts
    - Landmarks: `.npz` or `.json`, in pixels of the stored picture (`facebench.landmark_predictions`).
    - Parsing: a folder of `<id>.png` at the size of the stored label map (`facebench.label_predictions`).
    - Reconstruction: the submission folder of the NoW challenge (`facebench.now_predictions`).

A prediction that cannot be used (a NaN, the wrong number of points, a damaged PNG) fails its own sample, with the
reason. Ids that do not fit the split fail the whole, in one error that names and counts them all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facebench.errors import DataError, UsageError, unknown_name
from facebench.label_predictions import LabelFolder, write_label_map
from facebench.landmark_predictions import LandmarkPredictions, read_landmarks, write_landmarks
from facebench.schemes import LABEL_SCHEMES, LabelScheme, LandmarkScheme
from facebench.types import Dataset, Predictions, Sample

__all__ = [
    "Fit",
    "LabelFolder",
    "LandmarkPredictions",
    "check_ids",
    "open_predictions",
    "read_landmarks",
    "write_label_map",
    "write_landmarks",
]


def open_predictions(dataset: Dataset, path: Path, *, settings: Mapping[str, str] | None = None) -> Predictions:
    """Predictions for `dataset` at `path`, in the layout of its task. Raises `DataError` or `UsageError`.

    Args:
        dataset: says the task, and the landmark order or the classes.
        path: a file of points, a folder of label maps, or a NoW submission folder.
        settings: `label_order` (parsing only) names the class list that the maps are written in, `celeb19` or
            `farl-celeb19`; without it they are in the set's own. Other settings are not looked at.
    """
    label_order = (settings or {}).get("label_order")
    if label_order is not None and dataset.task != "parsing":
        raise UsageError(f"a label order was given, but {dataset.name} has no label maps")
    if not path.exists():
        raise DataError(f"predictions {path} do not exist")
    if dataset.task == "landmarks":
        return _landmarks(path, dataset)
    if dataset.task == "parsing":
        assert isinstance(dataset.scheme, LabelScheme), dataset.name
        return LabelFolder(path, scheme=dataset.scheme, order=_label_scheme(label_order, dataset.scheme))
    from facebench.now_predictions import NowFolder

    folder: Predictions = NowFolder(path)
    return folder


@dataclass(frozen=True)
class Fit:
    """How the ids of predictions fit a split.

    Attributes:
        unusable: id of each sample that cannot be scored, with its reason.
        unknown: predicted ids that the split does not have, sorted; they are left out.
    """

    unusable: Mapping[str, str]
    unknown: tuple[str, ...]


def check_ids(
    predictions: Predictions, samples: Sequence[Sample], *, allow_missing: bool, also_known: Iterable[str] = ()
) -> Fit:
    """How `predictions` fit `samples`; raises one `DataError` that names everything that does not.

    With `allow_missing` what does not fit is accepted, but not where nothing at all fits. A doubled id then fails its
    sample: which of the two is meant cannot be known.

    `also_known` are ids outside `samples` that are no mistake: the rest of the split where a subset is scored.
    """
    wanted = [sample.id for sample in samples]
    counts = Counter(predictions.ids())
    missing = [name for name in wanted if name not in counts]
    doubled = [name for name, times in counts.items() if times > 1]
    unknown = sorted(counts.keys() - set(wanted) - set(also_known))
    nothing_fits = len(missing) == len(wanted)
    faults = [_named(doubled, "doubled"), _named(missing, "missing"), _named(unknown, "unknown to this split")]
    if any(faults) and (nothing_fits or not allow_missing):
        what = "; ".join(fault for fault in faults if fault)
        scores = "--allow-missing scores what is there, as an incomplete row"
        hint = "see `facebench data ids`" if nothing_fits else scores
        raise DataError(f"predictions do not fit the {len(wanted)} samples: {what}; {hint}")
    reasons = {name: f"{counts[name]} predictions; which of them is meant cannot be known" for name in doubled}
    known = {name: reasons[name] for name in wanted if name in reasons}
    return Fit(known | dict.fromkeys(missing, "no prediction"), tuple(unknown))


def _landmarks(path: Path, dataset: Dataset) -> LandmarkPredictions:
    """The predictions at `path`, if any of them has the point count of `dataset`; another scheme is refused whole."""
    assert isinstance(dataset.scheme, LandmarkScheme), dataset.name
    predictions = read_landmarks(path)
    if dataset.scheme.size not in predictions.sizes:
        found = " or ".join(map(str, predictions.sizes)) or "no"
        raise DataError(f"{path} holds {found} points a face; {dataset.name} has {dataset.scheme.size}")
    return predictions


def _label_scheme(name: str | None, own: LabelScheme) -> LabelScheme:
    if name is None or name == own.name:
        return own
    if name not in LABEL_SCHEMES:
        raise unknown_name("label order", name, LABEL_SCHEMES)
    return LABEL_SCHEMES[name]


def _named(names: Sequence[str], what: str) -> str:
    """`3 missing ('a', 'b', 'c')`; nothing for nothing."""
    shown = ", ".join(map(repr, names[:3])) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} {what} ({shown})" if names else ""
