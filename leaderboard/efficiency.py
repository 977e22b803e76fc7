"""Label efficiency: the ranking score by the share of the training labels, and the area under that curve.

The area is the mean height of the curve over the logarithm of the share, by the trapezoid rule, in the unit of the
score: as much weight lies between 1 and 10 percent as between 10 and 100. Where several subsets of one share were run,
the curve goes through their mean. Only rows that differ in nothing but their labels stand in one table.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean

from facebench.record import Result, parse_signature
from leaderboard.digits import MISSING, digits
from leaderboard.rank import headline
from leaderboard.table import Column, column_of

OF_LABELS = ("labels", "fit")
"""Fields of a signature that say which labels were used."""


@dataclass(frozen=True)
class Curve:
    """One subject: value by percent of the labels, and the area; None where a share of the table is missing."""

    subject: str
    values: Mapping[float, float]
    area: float | None


@dataclass(frozen=True)
class Efficiency:
    """Curves of the subjects of one benchmark under one protocol, the best area first."""

    dataset: str
    split: str
    protocol: str
    column: Column
    digits: int
    percents: tuple[float, ...]
    curves: tuple[Curve, ...]


def efficiencies(results: Iterable[Result]) -> tuple[Efficiency, ...]:
    """A table for each set of results that differ in their labels alone, where at least two shares were run."""
    groups: dict[tuple[str, ...], list[Result]] = defaultdict(list)
    for result in results:
        rest = {k: v for k, v in parse_signature(result.signature).items() if k not in OF_LABELS}
        where = (result.dataset.name, result.dataset.split, headline(result).key, result.protocol)
        groups[(*where, *(f"{k}:{v}" for k, v in sorted(rest.items())))].append(result)
    made = (_table(group) for group in groups.values())
    return tuple(table for table in made if table is not None)


def cells(table: Efficiency) -> tuple[tuple[str, ...], ...]:
    """Rows as text: subject, value of each share, area."""
    return tuple(
        (
            curve.subject,
            *(_text(curve.values.get(p), table.digits) for p in table.percents),
            _text(curve.area, table.digits),
        )
        for curve in table.curves
    )


def area(values: Mapping[float, float]) -> float:
    """Mean height over the logarithm of the share; `values` by percent, at least two."""
    points = sorted((math.log(percent), value) for percent, value in values.items())
    total = sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in pairwise(points))
    return total / (points[-1][0] - points[0][0])


def _table(results: Sequence[Result]) -> Efficiency | None:
    found: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        value = headline(result).value
        if value is not None:
            percent = float(parse_signature(result.signature)["labels"].partition("#")[0])
            found[result.subject][percent].append(value)
    percents = tuple(sorted({percent for shares in found.values() for percent in shares}))
    if len(percents) < 2:
        return None
    curves = []
    for subject, shares in found.items():
        values = {percent: mean(each) for percent, each in shares.items()}
        curves.append(Curve(subject, values, area(values) if set(values) == set(percents) else None))
    score = headline(results[0])
    sign = 1 if score.direction == "lower" else -1
    curves.sort(key=lambda curve: (curve.area is None, sign * (curve.area or 0.0), curve.subject))
    about = results[0].dataset
    return Efficiency(
        about.name, about.split, results[0].protocol, column_of(score), digits(score), percents, tuple(curves)
    )


def _text(value: float | None, places: int) -> str:
    return MISSING if value is None else f"{value:.{places}f}"
