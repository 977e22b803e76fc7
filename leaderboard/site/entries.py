"""What stands on the pages: models, their entries, and the benchmarks that the entries are of.

Every text is one line without characters that act (`safe.printable`); the templates escape it. Numbers are whole.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from types import MappingProxyType
from typing import TypeAlias

from facebench.record import Result, Score, parse_signature
from leaderboard.load import Loaded
from leaderboard.rank import is_floor, rank
from leaderboard.safe import printable
from leaderboard.site import plots, words
from leaderboard.table import Column, Place, Row, Table, column_of, tables_of
from leaderboard.ties import places

FEW = 10
"""Published entries that are all drawn inside the scale; of more, the best four fifths are."""

Where: TypeAlias = tuple[str, str, str]
"""Data set, split and ranking key of a benchmark."""


@dataclass(frozen=True)
class Model:
    """Whoever was judged, the same over all benchmarks.

    Attributes:
        slug: name of its page; letters, digits and dashes.
        name: for people.
        weights: where its weights, or its predictions, came from.
        family: of its architecture.
        pretraining: what it learnt before, in a word or two.
        parameters: number of weights; None where nobody says.
    """

    slug: str
    name: str
    weights: str
    family: str
    pretraining: str
    parameters: int | None = None


@dataclass(frozen=True)
class Entry:
    """A model on a benchmark.

    Attributes:
        rank: inside its group; None where it is not ranked.
        place: the ranks that its samples leave open, and its tie group; None where nobody knows.
        score: the one it is ranked by.
        scores: all that it has, by key.
        remarks: what a reader must be told at more length.
        samples: number of samples behind it, in words.
        loaded: the record; None for a published number.
        source: where a published number was read; empty for a record.
    """

    model: Model
    tier: str
    rank: int | None
    place: Place | None
    score: Score | None
    scores: Mapping[str, Score]
    protocol: str
    year: int | None
    badges: tuple[words.Word, ...]
    remarks: tuple[str, ...]
    samples: str
    loaded: Loaded | None = None
    source: str = ""

    @property
    def shared(self) -> bool:
        """Whether the samples leave more than one rank open."""
        return self.place is not None and self.place.low != self.place.high

    @property
    def tie(self) -> int:
        """Number of its tie group; 0 where there is none."""
        return 0 if self.place is None else self.place.group


@dataclass(frozen=True)
class Field:
    """One field of a signature: `box`, `gt*1.25`, what it means, and whether it differs from other groups."""

    name: str
    value: str
    meaning: str
    differs: bool


@dataclass(frozen=True)
class Group:
    """Entries that may be compared, best first; its `key` is short and stands in addresses, its `note` on the page."""

    key: str
    title: str
    fields: tuple[Field, ...]
    entries: tuple[Entry, ...]
    note: str = ""

    @property
    def own(self) -> bool:
        """Whether facebench measured its entries."""
        return any(entry.loaded is not None for entry in self.entries)

    @cached_property
    def ranked(self) -> tuple[Entry, ...]:
        """Those that have a rank."""
        return tuple(entry for entry in self.entries if entry.rank is not None)

    @cached_property
    def scale(self) -> plots.Scale:
        """The stretch of the ranked entries; what is not ranked, and the last of many published ones, lie outside."""
        shown = self.ranked if self.own else self.ranked[: max(FEW, len(self.ranked) * 4 // 5)]
        return plots.scale_of(entry.score for entry in shown or self.entries)

    @cached_property
    def strip(self) -> str:
        """Thin lines at the values of the ranked entries."""
        return plots.strip(self.scale, (entry.score for entry in self.ranked))

    @cached_property
    def medians(self) -> Mapping[str, float]:
        """Median of the ranked entries by score; of scores that two of them have."""
        values: dict[str, list[float]] = defaultdict(list)
        for entry in self.ranked:
            for key, score in entry.scores.items():
                if score.value is not None:
                    values[key].append(score.value)
        return {key: median(found) for key, found in values.items() if len(found) > 1}


@dataclass(frozen=True)
class Benchmark:
    """All that is known of one split of one data set.

    Attributes:
        slug: name of its page.
        title: `wflw test`; with the ranking metric where the split has several.
        columns: the ranking score first, then those that stand beside it.
    """

    slug: str
    title: str
    task: str
    columns: tuple[Column, ...]
    groups: tuple[Group, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Of all groups."""
        return tuple(entry for group in self.groups for entry in group.entries)

    @property
    def everywhere(self) -> tuple[words.Word, ...]:
        """Badges that every row has, where there are rows to tell apart."""
        entries = self.entries
        return tuple(b for b in entries[0].badges if len(entries) > 1 and all(b in e.badges for e in entries))


def slug(text: str, *identity: str) -> str:
    """A file name for `text`: letters, digits, dashes; with a hash where that loses something or `identity` is more."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-")
    if plain == text and not identity:
        return plain
    whole = "\n".join((text, *identity))
    return "-".join(filter(None, (plain, hashlib.sha256(whole.encode(errors="surrogatepass")).hexdigest()[:8])))


def benchmarks(
    loaded: Iterable[Loaded], published: Mapping[Where, tuple[Group, str, tuple[Column, ...]]] = MappingProxyType({})
) -> tuple[Benchmark, ...]:
    """Benchmarks of the records and of published results, in the order of their names.

    Raises:
        DataError: there is no record.
    """
    by_result = {id(each.result): each for each in loaded}
    ranked_groups = rank(each.result for each in by_result.values())
    open_ranks = [places(group, by_result) for group in ranked_groups]
    made: dict[Where, list[Group]] = {}
    columns: dict[Where, tuple[Column, ...]] = {}
    tasks: dict[Where, str] = {}
    for ranked, table in zip(ranked_groups, tables_of(ranked_groups, open_ranks), strict=True):
        where = (table.dataset, table.split, table.columns[0].key)
        results = [row.result for row in ranked.rows]
        made.setdefault(where, []).append(_group(table, [by_result[id(result)] for result in results]))
        tasks.setdefault(where, results[0].task)
        columns.setdefault(where, (*table.columns, *_beside(table, results)))
    for where, (group, task, beside) in published.items():
        made.setdefault(where, []).append(group)
        tasks.setdefault(where, task)
        columns.setdefault(where, beside)
    count = Counter(where[:2] for where in made)
    return tuple(_benchmark(w, tasks[w], columns[w], made[w], alone=count[w[:2]] == 1) for w in sorted(made))


def _benchmark(
    where: Where, task: str, columns: tuple[Column, ...], groups: Sequence[Group], *, alone: bool
) -> Benchmark:
    dataset, split, key = where
    return Benchmark(
        slug=slug("-".join(part for part in key.split("/") if part not in ("all", "full"))),
        title=printable(f"{dataset} {split}" + ("" if alone else f", {columns[0].metric}")),
        task=printable(task),
        columns=columns,
        groups=tuple(groups),
    )


def _beside(table: Table, results: Sequence[Result]) -> tuple[Column, ...]:
    """Columns beside the ranking one: those of `words.BESIDE` that the first record has."""
    shown = {column.key for column in table.columns}
    subset = table.columns[0].subset
    wanted = words.BESIDE.get(results[0].task, ())
    found = []
    for name in wanted:
        for score in results[0].scores:
            column = column_of(score)
            normaliser = table.columns[0].metric.partition("-")[2]
            spellings = {f"{subset}/{name}", name, f"{subset}/{name}-{normaliser}"}
            if f"{column.subset}/{column.metric}" in spellings and score.key not in shown:
                found.append(column)
                break
    return tuple(found)


def _group(table: Table, loaded: Sequence[Loaded]) -> Group:
    key = table.columns[0].key
    entries = [_entry(row, each, key) for row, each in zip(table.rows, loaded, strict=True)]
    signature = parse_signature(table.signature)
    fields = tuple(
        Field(printable(name), printable(value), words.SIGNATURE.get(name, ""), name in table.differs)
        for name, value in signature.items()
    )
    short = hashlib.sha256(f"{table.evaluator}|{table.signature}".encode()).hexdigest()[:6]
    title = ", ".join(f"{field.name} {field.value}" for field in fields if field.differs)
    return Group(short, title or printable(table.evaluator), fields, tuple(entries))


def _entry(row: Row, loaded: Loaded, key: str) -> Entry:
    result = loaded.result
    names = list(row.badges)
    if parse_signature(result.signature).get("world") == "synthetic":
        names.append("synthetic")
    whole = row.scored == row.expected
    return Entry(
        model=model_of(result, row.weights),
        tier="own run" if result.predictions is None else "rescored",
        rank=row.rank,
        place=row.place,
        score=row.scores.get(key),
        scores=row.scores,
        protocol=printable(row.protocol),
        year=None,
        badges=tuple(words.badge(printable(name)) for name in names),
        remarks=tuple(map(printable, row.remarks)),
        samples=f"{row.scored:,}" if whole else f"{row.scored:,} of {row.expected:,}",
        loaded=loaded,
    )


def model_of(result: Result, weights: str) -> Model:
    """The model behind a record: one backbone with one set of weights, or one name of predictions."""
    backbone = result.backbone
    if is_floor(result):
        identity, family, pretraining = ["floor", result.subject], "floor", "none"
    elif backbone is None:
        identity, family, pretraining = ["predictions", result.subject], words.family(result.subject), words.UNKNOWN
    else:
        identity = [backbone.spec, backbone.name, backbone.weights, backbone.sha256 or ""]
        family, pretraining = words.family(backbone.name), _pretraining(backbone.weights)
    name = printable(result.subject)
    return Model(
        slug=slug(result.subject, *identity),
        name=name,
        weights="predictions" if backbone is None and result.predictions is not None else printable(weights),
        family=family,
        pretraining=printable(pretraining),
        parameters=None if backbone is None else backbone.parameters,
    )


def _pretraining(weights: str) -> str:
    if weights.startswith("random") or weights == "none":
        return "none"
    return "checkpoint file" if weights == "file" else weights.removeprefix("pretrained:")
