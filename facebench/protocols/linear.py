"""The `linear` protocol: the backbone is frozen, a closed-form linear head is fitted on its tokens, val chooses.

`facebench.heads` holds one head a task; `facebench.protocols.linear_*` feed each one and carry its predictions into the
frame of the stored picture. Nothing here is random: the same features give the same head.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from facebench.errors import FacebenchError
from facebench.framing import Framing
from facebench.geometry.head_model import HeadModel
from facebench.protocols import linear_landmarks, linear_parsing, linear_reconstruction
from facebench.protocols.probe import Floor, Probe, Setting
from facebench.types import Dataset, Sample

NAME = "linear.v1"
"""Goes up whenever a head can predict something else from the same features."""

READS: Literal["features", "crops"] = "features"

_FITS: Mapping[str, Callable[[Setting], Probe]] = {
    "landmarks": linear_landmarks.fit,
    "parsing": linear_parsing.fit,
    "reconstruction": linear_reconstruction.fit,
}
TASKS = tuple(_FITS)
_FLOORS: Mapping[str, Callable[[Dataset, Sequence[Sample], Sequence[Sample], Framing], Floor]] = {
    "landmarks": linear_landmarks.fit_floor,
    "parsing": linear_parsing.fit_floor,
}


def fit(setting: Setting) -> Probe:
    """The head of the task, fitted and chosen.

    Raises:
        DataError: a picture that the head should learn from cannot be read.
        FacebenchError: there is no linear head for this task.
    """
    return _FITS[_known(setting.dataset)](setting)


def fit_floor(
    dataset: Dataset,
    train: Sequence[Sample],
    val: Sequence[Sample],
    framing: Framing,
    model: HeadModel | None = None,
) -> Floor:
    """The floor of the task of `dataset`: the mean of the training annotations, seen through `framing`."""
    if _known(dataset) == "reconstruction":
        return linear_reconstruction.fit_floor(train, model)
    return _FLOORS[dataset.task](dataset, train, val, framing)


def _known(dataset: Dataset) -> str:
    if dataset.task not in _FITS:
        raise FacebenchError(f"the linear protocol has no head for {dataset.task}; it knows {', '.join(_FITS)}")
    return dataset.task
