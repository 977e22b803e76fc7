"""A number as it is shown, and a model's numbers on parts of a split: subsets, classes, slices."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from facebench.record import Score
from leaderboard.digits import digits, interval_text, value_text
from leaderboard.safe import printable
from leaderboard.site import plots
from leaderboard.site.entries import Entry, Group
from leaderboard.table import Column, column_of


@dataclass(frozen=True)
class Cell:
    """A number as it is shown: rounded, with its interval, and whole for sorting."""

    text: str
    interval: str
    value: float | None


@dataclass(frozen=True)
class Part:
    """The ranking metric on a part of the split, with the field's median there."""

    name: str
    n: int
    cell: Cell
    bar: plots.Bar | None
    median: float | None
    median_text: str


@dataclass(frozen=True)
class Parts:
    """Parts of one kind: `yaw`, or the split's own subsets."""

    title: str
    parts: tuple[Part, ...]


def cell(score: Score | None) -> Cell:
    """How a score is shown."""
    return Cell(value_text(score), interval_text(score), None if score is None else score.value)


def parts(group: Group, entry: Entry, headline: Column) -> tuple[Parts, ...]:
    """The ranking metric by subset, by class and by slice."""
    kinds: dict[str, list[Score]] = defaultdict(list)
    for score in entry.scores.values():
        column = column_of(score)
        if column.metric != headline.metric or score.key == headline.key:
            continue
        sliced, _, part = column.subset.rpartition("+")
        if headline.subset != "all" and sliced and part == headline.subset:
            kinds[sliced.partition("=")[0] if "=" in sliced else "subsets"].append(score)
        elif "+" not in column.subset:
            kind, equals, _ = column.subset.partition("=")
            kinds[kind if equals else "subsets" if headline.subset == "all" else "classes"].append(score)
    made = []
    for kind, scores in kinds.items():
        scale = plots.scale_of([*scores, entry.score])
        made.append(Parts(printable(kind), tuple(_part(score, group, headline, scale) for score in scores)))
    return tuple(made)


def _part(score: Score, group: Group, headline: Column, scale: plots.Scale) -> Part:
    name = column_of(score).subset
    name = name.removesuffix(f"+{headline.subset}").partition("=")[2] or name.removesuffix(f"+{headline.subset}")
    middle = group.medians.get(score.key)
    return Part(
        name=printable(name),
        n=score.n,
        cell=cell(score),
        bar=plots.bar(scale, score),
        median=None if middle is None else scale.at(middle),
        median_text="" if middle is None else f"{middle:.{digits(score)}f}",
    )
