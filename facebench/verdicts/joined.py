"""Two sides on the same samples: statistics joined by sample id, one table a replicate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from facebench.cells import Cell, cells_of, headline_keys
from facebench.errors import NotComparable
from facebench.sample_table import SampleTable
from facebench.shapes import AnyArray
from facebench.verdicts.rows import Row, signature_differences

if TYPE_CHECKING:
    from facebench.metric import Columns
    from facebench.registry import Registry


@dataclass(frozen=True, eq=False)
class Contest:
    """One benchmark under one protocol, with the rows of both sides.

    Attributes:
        base: replicates of the base: one row a seed.
        candidate: replicates of the candidate.
    """

    base: tuple[Row, ...]
    candidate: tuple[Row, ...]

    @property
    def name(self) -> str:
        """`wflw test, linear.v1`."""
        dataset, split, protocol = self.base[0].contest
        return f"{dataset} {split}" + ("" if protocol == "none" else f", {protocol}")

    @property
    def methods(self) -> bool:
        """Whether both sides are several trainings, so that a verdict is on methods and not on two checkpoints."""
        return all(len({_weights(row) for row in side}) > 1 for side in (self.base, self.candidate))

    def check(self) -> None:
        """Raise `NotComparable` where the sides were not measured alike."""
        first = self.base[0].result
        for row in (*self.base[1:], *self.candidate):
            if differs := signature_differences(first, row.result):
                raise NotComparable(f"{self.name}: not measured alike: {'; '.join(differs)}")
            if row.result.dataset.revision != first.dataset.revision:
                raise NotComparable(f"{self.name}: not the same revision of {first.dataset.name}")


def _weights(row: Row) -> str:
    result = row.result
    if result.backbone is not None:
        return result.backbone.sha256 or result.backbone.spec
    return "" if result.predictions is None else result.predictions.sha256


@dataclass(frozen=True, eq=False)
class Joined:
    """The samples that both sides scored, and what each side has on them.

    Attributes:
        ids: (N,) in the order of the base.
        clusters: (N,).
        base: statistics of each replicate of the base, first axis N.
        candidate: the same of the candidate.
        cells: every number of the contest over these samples.
        headline: keys of the headline.
        slices: name to (N,) values, as the base's table has them.
        alone: how many samples only one side scored; they are left out.
    """

    ids: tuple[str, ...]
    clusters: tuple[str, ...]
    base: tuple[Columns, ...]
    candidate: tuple[Columns, ...]
    cells: Mapping[str, Cell]
    headline: tuple[str, ...]
    slices: Mapping[str, AnyArray]
    alone: int


def contests(base: Sequence[Row], candidate: Sequence[Row]) -> tuple[tuple[Contest, ...], tuple[str, ...]]:
    """Contests of what both sides have, and in words what only one of them has."""
    mine, theirs = _by_contest(base), _by_contest(candidate)
    shared = tuple(Contest(tuple(mine[name]), tuple(theirs[name])) for name in mine if name in theirs)
    lacking = [f"{' '.join(name)}: only the base has it" for name in mine if name not in theirs]
    lacking += [f"{' '.join(name)}: only the candidate has it" for name in theirs if name not in mine]
    if not shared:
        raise NotComparable(f"the two sides share no benchmark: {'; '.join(lacking)}")
    return shared, tuple(lacking)


def _by_contest(rows: Sequence[Row]) -> dict[tuple[str, str, str], list[Row]]:
    found: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        found.setdefault(row.contest, []).append(row)
    return found


def join(contest: Contest, registry: Registry) -> Joined:
    """The two sides of `contest` on the samples that all of its rows scored. Raises `NotComparable`."""
    contest.check()
    rows = (*contest.base, *contest.candidate)
    shared = set(rows[0].table.ids).intersection(*(row.table.ids for row in rows[1:]))
    if not shared:
        raise NotComparable(f"{contest.name}: no sample was scored by both sides")
    table = rows[0].table
    result = rows[0].result
    taken = _rows_of(table, [i for i, name in enumerate(table.ids) if name in shared])
    dataset = registry.get("datasets", result.dataset.name)
    evaluator = registry.get("evaluators", result.evaluator)
    split, subset = dataset.select(result.dataset.split)
    cells = cells_of(evaluator.metrics(dataset), dataset, split, subset, taken)
    headline = headline_keys(dataset, split, subset)
    union = set().union(*(row.table.ids for row in rows))
    return Joined(
        ids=taken.ids,
        clusters=taken.clusters,
        base=_columns(contest.base, taken.ids),
        candidate=_columns(contest.candidate, taken.ids),
        cells={cell.key: cell for cell in cells},
        headline=tuple(cell.key for cell in cells if cell.key in headline),
        slices=taken.slices,
        alone=len(union) - len(shared),
    )


def _columns(rows: Sequence[Row], ids: Sequence[str]) -> tuple[Columns, ...]:
    """Statistics of each replicate of a side, in the order of `ids`."""
    tables = []
    for row in rows:
        place = {name: i for i, name in enumerate(row.table.ids)}
        tables.append(_rows_of(row.table, [place[name] for name in ids]).columns)
    return tuple(tables)


def _rows_of(table: SampleTable, places: Sequence[int]) -> SampleTable:
    index = np.asarray(places, dtype=np.int64)
    return SampleTable(
        ids=tuple(table.ids[i] for i in index),
        clusters=tuple(table.clusters[i] for i in index),
        subsets={name: flags[index] for name, flags in table.subsets.items()},
        slices={name: values[index] for name, values in table.slices.items()},
        columns={name: column[index] for name, column in table.columns.items()},
    )
