"""The cells of a result: which metric on which samples stands under which key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facebench.metric import Metric
from facebench.sample_table import SampleTable
from facebench.shapes import BoolArray
from facebench.types import Dataset


@dataclass(frozen=True, eq=False)
class Cell:
    """One number of a result.

    Attributes:
        key: `dataset/split/subset/metric-normaliser`; for a class on a subset, `subset+class` is the third part.
        subset: the samples it is over: the name of the whole, or of a subset.
        metric: what is reduced.
        mask: (N,) the samples of `subset`.
        whole: whether it is over all samples.
    """

    key: str
    subset: str
    metric: Metric
    mask: BoolArray
    whole: bool


def cells_of(
    metrics: Sequence[Metric], dataset: Dataset, split: str, subset: str | None, table: SampleTable
) -> tuple[Cell, ...]:
    """Every metric on the whole and on each subset that has samples.

    Args:
        metrics: of the task.
        dataset: names the keys.
        split: the split the table was measured on.
        subset: the subset that the table is restricted to; None for the whole split.
        table: statistics by sample.
    """
    masks: dict[str, BoolArray] = {subset or dataset.whole: np.ones(len(table.ids), dtype=bool)}
    if subset is None:
        masks |= {name: table.subsets[name] for name in _in_order(dataset, table.subsets) if table.subsets[name].any()}
    everyone = next(iter(masks))
    found = []
    for name, mask in masks.items():
        for metric in metrics:
            whole = name == everyone
            part = name if metric.slice is None else metric.slice if whole else f"{name}+{metric.slice}"
            found.append(Cell(f"{dataset.name}/{split}/{part}/{metric.name}", name, metric, mask, whole))
    return tuple(found)


def _in_order(dataset: Dataset, subsets: Mapping[str, BoolArray]) -> list[str]:
    """Subsets of a table as the data set orders them, then the ones it does not name."""
    named = [key.rpartition("/")[2] for key in dataset.subset_sizes]
    return [*(name for name in named if name in subsets), *(name for name in subsets if name not in named)]


def headline_keys(dataset: Dataset, split: str, subset: str | None) -> set[str]:
    """The published headline, or what stands for it where another split or a single subset was scored."""
    keys = {key for key in dataset.headline if key.split("/")[1] == split}
    if subset is not None:
        keys = {key for key in keys if key.split("/")[2] == subset}
    if keys or not dataset.headline:
        return keys
    _, _, part, metric = dataset.headline[0].split("/")
    return {f"{dataset.name}/{split}/{subset if subset and part == dataset.whole else part}/{metric}"}
