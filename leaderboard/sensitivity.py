"""How far a score falls where the test pictures are seen otherwise: by another crop, or through a worse camera.

Beside each subject's plain score stands its score through each view, and the mean over the views of how much worse it
is, in percent of the plain score. Only rows that differ in nothing but the view stand in one table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from facebench.record import Result, parse_signature
from leaderboard.digits import MISSING, digits
from leaderboard.rank import headline
from leaderboard.table import Column, column_of

PLAIN = ""


@dataclass(frozen=True)
class Seen:
    """One subject: its plain value, its value by view, and the mean loss in percent; None where one is missing."""

    subject: str
    plain: float | None
    values: Mapping[str, float]
    loss: float | None


@dataclass(frozen=True)
class Sensitivity:
    """Subjects of one benchmark under one protocol and one share of the labels, in the order of their plain scores."""

    dataset: str
    split: str
    protocol: str
    labels: str
    column: Column
    digits: int
    views: tuple[str, ...]
    rows: tuple[Seen, ...]


def view_of(result: Result) -> str:
    """`blur@3`, `jitter@5`, as the signature says it; empty for a plain row."""
    fields = parse_signature(result.signature)
    return fields.get("corrupt", "") or fields.get("box", "").partition("+")[2]


def is_plain(result: Result) -> bool:
    """Whether the test pictures were seen as they are."""
    return view_of(result) == PLAIN


def sensitivities(results: Iterable[Result]) -> tuple[Sensitivity, ...]:
    """A table for each set of results that differ in their view alone, where there is one."""
    groups: dict[tuple[str, ...], list[Result]] = defaultdict(list)
    for result in results:
        fields = {k: v for k, v in parse_signature(result.signature).items() if k != "corrupt"}
        fields["box"] = fields.get("box", "").partition("+")[0]
        where = (result.dataset.name, result.dataset.split, headline(result).key, result.protocol)
        groups[(*where, *(f"{k}:{v}" for k, v in sorted(fields.items())))].append(result)
    made = (_table(group) for group in groups.values())
    return tuple(table for table in made if table.views)


def cells(table: Sensitivity) -> tuple[tuple[str, ...], ...]:
    """Rows as text: subject, plain value, value through each view, mean loss in percent."""
    return tuple(
        (
            row.subject,
            _text(row.plain, table.digits),
            *(_text(row.values.get(view), table.digits) for view in table.views),
            _text(row.loss, 1),
        )
        for row in table.rows
    )


def _table(results: Sequence[Result]) -> Sensitivity:
    views = tuple(dict.fromkeys(view_of(result) for result in results if not is_plain(result)))
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for result in results:
        value = headline(result).value
        if value is not None:
            found[result.subject][view_of(result)] = value
    score = headline(results[0])
    sign = 1.0 if score.direction == "lower" else -1.0
    rows = []
    for subject, by_view in found.items():
        plain = by_view.get(PLAIN)
        values = {view: value for view, value in by_view.items() if view != PLAIN}
        loss = None
        if plain and views and set(values) == set(views):
            loss = 100 * mean(sign * (value - plain) / plain for value in values.values())
        rows.append(Seen(subject, plain, values, loss))
    rows.sort(key=lambda row: (row.plain is None, sign * (row.plain or 0.0), row.subject))
    about, labels = results[0].dataset, parse_signature(results[0].signature).get("labels", "100")
    return Sensitivity(
        about.name, about.split, results[0].protocol, labels, column_of(score), digits(score), views, tuple(rows)
    )


def _text(value: float | None, places: int) -> str:
    return MISSING if value is None else f"{value:.{places}f}"
