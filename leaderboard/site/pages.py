"""What each page is made of: plain values, in the order that the templates want them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facebench.record import Score
from leaderboard.digits import digits
from leaderboard.published import PublishedRow
from leaderboard.safe import printable
from leaderboard.site import plots, words
from leaderboard.site.costs import paretos
from leaderboard.site.entries import Benchmark, Entry, Group, Model
from leaderboard.site.parts import Cell, cell, parts
from leaderboard.table import column_of

LEADING = 5
"""Rows of a benchmark on the first page."""

RIVALS = 6
"""Curves of other models beside a model's own."""


@dataclass(frozen=True)
class Line:
    """A row of a table: the entry, its picture and its further numbers."""

    entry: Entry
    group: Group
    cell: Cell
    bar: plots.Bar | None
    leader: plots.Bar | None
    beside: tuple[Cell, ...]


@dataclass(frozen=True)
class Choice:
    """A filter: its name in the address, its label, and the values that rows have."""

    name: str
    label: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Place:
    """A model on a benchmark, against the field of those that it may be compared with."""

    benchmark: Benchmark
    group: Group
    entry: Entry
    cell: Cell
    bar: plots.Bar | None
    ticks: tuple[plots.Tick, ...]
    standing: str


def lines(benchmark: Benchmark) -> dict[str, tuple[Line, ...]]:
    """Rows of each group, by the group's key; bars on the group's own scale."""
    made = {}
    for group in benchmark.groups:
        leaders: dict[int, plots.Bar | None] = {}
        rows = []
        for entry in group.entries:
            own = plots.bar(group.scale, entry.score)
            leader = leaders.setdefault(entry.tie, own) if entry.shared else None
            beside = tuple(cell(entry.scores.get(column.key)) for column in benchmark.columns[1:])
            rows.append(Line(entry, group, cell(entry.score), own, leader, beside))
        made[group.key] = tuple(rows)
    return made


def choices(benchmark: Benchmark) -> tuple[Choice, ...]:
    """Filters that would leave something out; values in the order of their names."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for group in benchmark.groups:
        for entry in group.entries:
            found["tier"][entry.tier] = entry.tier
            found["protocol"][entry.protocol] = entry.protocol
            found["signature"][group.key] = group.title
            found["family"][entry.model.family] = entry.model.family
            found["pretraining"][entry.model.pretraining] = entry.model.pretraining
            if entry.year is not None:
                found["since"][str(entry.year)] = f"{entry.year} or later"
    labels = {
        "tier": "Tier",
        "protocol": "Protocol",
        "signature": "Signature",
        "family": "Backbone family",
        "pretraining": "Pre-training",
        "since": "Year",
    }
    return tuple(
        Choice(name, label, tuple(sorted(found[name].items())))
        for name, label in labels.items()
        if len(found[name]) > 1
    )


def benchmark_page(benchmark: Benchmark) -> dict[str, Any]:
    """The whole table of a benchmark."""
    return {
        "benchmark": benchmark,
        "rows": lines(benchmark),
        "ticks": {group.key: plots.ticks(group.scale) for group in benchmark.groups},
        "choices": choices(benchmark),
        "citation": _citation(benchmark),
        "progress": _progress(benchmark),
        "paretos": paretos(benchmark),
    }


def _progress(benchmark: Benchmark) -> plots.Progress | None:
    """Ranked entries of the literature over the years."""
    numbers = [
        (entry.year, entry.score.value, f"{entry.model.name} ({entry.tier})")
        for group in benchmark.groups
        for entry in group.ranked
        if entry.year is not None and entry.score is not None and entry.score.value is not None
    ]
    return plots.progress(numbers, lower=benchmark.columns[0].direction == "lower")


def front_page(benchmarks: Sequence[Benchmark]) -> dict[str, Any]:
    """Every benchmark's leading rows, and every model."""
    cards = []
    for benchmark in sorted(benchmarks, key=lambda each: (-any(g.own for g in each.groups), -len(each.entries))):
        rows = lines(benchmark)
        first = max(benchmark.groups, key=lambda group: (group.own, len(group.ranked)))
        cards.append({"benchmark": benchmark, "group": first, "rows": rows[first.key][:LEADING]})
    return {"cards": cards, "models": models(benchmarks)}


def models(benchmarks: Iterable[Benchmark]) -> tuple[tuple[Model, tuple[tuple[Benchmark, Group, Entry], ...]], ...]:
    """Every model with where it stands, by name."""
    found: dict[str, list[tuple[Benchmark, Group, Entry]]] = defaultdict(list)
    known: dict[str, Model] = {}
    for benchmark in benchmarks:
        for group in benchmark.groups:
            for entry in group.entries:
                known[entry.model.slug] = entry.model
                found[entry.model.slug].append((benchmark, group, entry))
    ordered = sorted(known.values(), key=lambda model: (model.name.lower(), model.slug))
    return tuple((model, tuple(found[model.slug])) for model in ordered)


def model_page(
    model: Model, where: Sequence[tuple[Benchmark, Group, Entry]], curves: Mapping[int, Sequence[float]]
) -> dict[str, Any]:
    """One model: its places, its parts, its curves. `curves` has shares by the identity of an entry."""
    places = []
    for benchmark, group, entry in where:
        places.append(
            {
                "place": Place(
                    benchmark=benchmark,
                    group=group,
                    entry=entry,
                    cell=cell(entry.score),
                    bar=plots.bar(group.scale, entry.score),
                    ticks=plots.ticks(group.scale),
                    standing=_standing(group, entry),
                ),
                "parts": parts(group, entry, benchmark.columns[0]),
                "curves": _curves(group, entry, curves),
                "scores": _all_scores(entry),
            }
        )
    return {"model": model, "places": places}


def _standing(group: Group, entry: Entry) -> str:
    if entry.rank is None:
        return "not ranked"
    text = f"rank {entry.rank} of {len(group.ranked)}"
    if entry.shared and entry.place is not None:
        text += f"; its samples leave ranks {entry.place.low} to {entry.place.high} open"
    return text


def _curves(group: Group, entry: Entry, curves: Mapping[int, Sequence[float]]) -> tuple[plots.Curve, ...]:
    """Own curve last, so that it is drawn on top; none where the entry has none."""
    if id(entry) not in curves:
        return ()
    rivals = [other for other in group.entries if other is not entry and id(other) in curves][:RIVALS]
    drawn = [plots.curve(other.model.name, curves[id(other)], own=False) for other in rivals]
    return (*drawn, plots.curve(entry.model.name, curves[id(entry)], own=True))


def _all_scores(entry: Entry) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "subset": printable(column_of(score).subset),
            "metric": printable(column_of(score).metric),
            "meaning": words.metric(column_of(score).metric),
            "cell": cell(score),
            "unit": printable(score.unit),
            "direction": score.direction,
            "n": score.n,
            "reason": printable(score.reason or ""),
        }
        for score in entry.scores.values()
    )


def compared(model: Model, where: Sequence[tuple[Benchmark, Group, Entry]]) -> dict[str, Any]:
    """What the compare view reads of a model: every number, with its digits."""
    return {
        "slug": model.slug,
        "name": model.name,
        "entries": [
            {
                "benchmark": benchmark.title,
                "page": benchmark.slug,
                "group": group.key,
                "tier": entry.tier,
                "fields": {field.name: field.value for field in group.fields},
                "headline": benchmark.columns[0].key,
                "badges": [badge.label for badge in entry.badges],
                "scores": [_packed(score) for score in entry.scores.values() if score.value is not None],
            }
            for benchmark, group, entry in where
        ],
    }


def _packed(score: Score) -> list[Any]:
    """Key, value, low, high, n, unit, direction, digits."""
    low, high = score.interval or (None, None)
    return [
        printable(score.key),
        score.value,
        low,
        high,
        score.n,
        printable(score.unit),
        score.direction,
        digits(score),
    ]


def published_page(rows: Sequence[PublishedRow]) -> dict[str, Any]:
    """Every published number, in the order of the keys, the best first."""
    ordered = sorted(rows, key=lambda row: (row.key, row.value if row.direction == "lower" else -row.value, row.id))
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for row in ordered:
        found["dataset"][row.key.split("/")[0]] = row.key.split("/")[0]
        found["tier"][row.tier] = row.tier
        found["selection"][row.selection] = row.selection
        found["read"][row.read] = row.read
    labels = {"dataset": "Data set", "tier": "Tier", "selection": "Epoch chosen by", "read": "Read"}
    made = tuple(Choice(name, label, tuple(sorted(found[name].items()))) for name, label in labels.items())
    return {"published": ordered, "choices": made}


def _citation(benchmark: Benchmark) -> str:
    records = (entry.loaded.result for entry in benchmark.entries if entry.loaded is not None)
    return next((printable(result.dataset.citation) for result in records), "")
