"""Stored results with their per-sample statistics, and the cells that their scores are reductions of.

A record names its table by file and sha256; a table that is missing or another than was recorded is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facebench.errors import DataError
from facebench.metric import Columns, Metric
from facebench.record import Result, read_results, record_files
from facebench.registry import Registry
from facebench.sample_table import SampleTable, read_table
from facebench.shapes import BoolArray, IntArray


@dataclass(frozen=True, eq=False)
class Stored:
    """One result, where it lies, and its table of per-sample statistics."""

    path: Path
    result: Result
    table: SampleTable


@dataclass(frozen=True, eq=False)
class Joined:
    """Several results on the samples that all of them scored, in one order.

    Attributes:
        clusters: (N,) cluster of each sample.
        subsets: name to (N,) bool.
        columns: statistics of each result, first axis N.
        left_out: how many samples were scored by some of them only.
    """

    ids: tuple[str, ...]
    clusters: tuple[str, ...]
    subsets: dict[str, BoolArray]
    columns: tuple[Columns, ...]
    left_out: int


def read_stored(file: Path, result: Result) -> Stored:
    """The table beside the record `file`. Raises `DataError` where it is missing or not the one that was recorded."""
    if result.samples is None:
        raise DataError(f"{file} names no table of per-sample statistics; score it again with -o")
    path = file.parent / Path(result.samples.path).name
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as cause:
        raise DataError(
            f"cannot read {path}, the per-sample statistics of {file}: {cause.strerror or cause}"
        ) from cause
    if digest != result.samples.sha256:
        raise DataError(f"{path} is not the table that {file} was written with: its sha256 is another")
    return Stored(file, result, read_table(path))


def stored_results(path: Path, benchmark: str) -> tuple[Stored, ...]:
    """Every result on `benchmark` (`wflw`, or `wflw/test`) at or below `path`, with its table. Raises `DataError`."""
    name, _, split = benchmark.partition("/")
    found = [(file, result) for file in record_files(path) for result in read_results(file)]
    chosen = [(f, r) for f, r in found if r.dataset.name == name and split in ("", r.dataset.split)]
    if not chosen:
        known = ", ".join(sorted({f"{r.dataset.name}/{r.dataset.split}" for _, r in found}))
        raise DataError(f"{path} holds no result on {benchmark}; it has {known}")
    return tuple(read_stored(file, result) for file, result in chosen)


def join(tables: Sequence[SampleTable]) -> Joined:
    """The samples that every table has, in the order of the first. Raises `DataError` where there is none."""
    shared = set(tables[0].ids).intersection(*(table.ids for table in tables[1:]))
    every = set().union(*(table.ids for table in tables))
    ids = tuple(name for name in tables[0].ids if name in shared)
    if not ids:
        raise DataError("the results have no sample in common")
    orders = [_order(table, ids) for table in tables]
    first = tables[0]
    return Joined(
        ids=ids,
        clusters=tuple(first.clusters[i] for i in orders[0]),
        subsets={name: flags[orders[0]] for name, flags in first.subsets.items()},
        columns=tuple({k: c[o] for k, c in t.columns.items()} for t, o in zip(tables, orders, strict=True)),
        left_out=len(every) - len(ids),
    )


def _order(table: SampleTable, ids: Sequence[str]) -> IntArray:
    places = {name: i for i, name in enumerate(table.ids)}
    return np.array([places[name] for name in ids])


@dataclass(frozen=True, eq=False)
class Cell:
    """One score's key, metric and samples, (N,) bool."""

    key: str
    metric: Metric
    mask: BoolArray


def cell_of(key: str, metrics: Sequence[Metric], whole: str, subsets: Mapping[str, BoolArray], n: int) -> Cell:
    """The metric and the samples that a score's key names.

    Args:
        key: `dataset/split/part/metric`; the part is the whole, a subset, a class, or `subset+class`.
        metrics: of the evaluator.
        whole: what the data set calls all of its samples.
        subsets: name to (N,) bool.
        n: N.

    Raises:
        DataError: the evaluator has no such metric, or the table no such subset.
    """
    part, name = key.split("/")[-2:]
    named = {metric.slice: metric for metric in metrics if metric.name == name}
    everyone = np.ones(n, dtype=bool)
    if part in named:
        return Cell(key, named[part], everyone)
    subset, _, slice_ = part.partition("+")
    metric = named.get(slice_ or None)
    if metric is not None and (subset in subsets or subset == whole):
        return Cell(key, metric, subsets.get(subset, everyone))
    raise DataError(f"{key} is no score of this table; its subsets are {', '.join(sorted(subsets)) or 'none'}")


def joined_on(stored: Sequence[Stored], things: Registry, key: str) -> tuple[Joined, Cell]:
    """The samples that all of `stored` scored, and the metric and samples of the score `key`.

    The results are of one data set and evaluator.

    Raises:
        DataError: no sample in common, or no such score.
        UsageError: nobody knows the data set or the evaluator.
    """
    first = stored[0].result
    dataset = things.get("datasets", first.dataset.name)
    metrics = things.get("evaluators", first.evaluator).metrics(dataset)
    joined = join([each.table for each in stored])
    return joined, cell_of(key, metrics, dataset.whole, joined.subsets, len(joined.ids))
