"""What stands on the pages: models, their entries, and the benchmarks that the entries are of.

Every text is one line without characters that act (`safe.printable`); the templates escape it. Numbers are whole.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from facebench.record import Result, Score, parse_signature
from leaderboard.load import Loaded
from leaderboard.rank import is_floor, rank
from leaderboard.safe import printable
from leaderboard.site import words
from leaderboard.table import Column, Row, Table, column_of, tables_of
from leaderboard.ties import tie_groups


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
        tie: number of its tie group, and the first and last rank of that group.
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
    tie: int | None
    tied: tuple[int, int] | None
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
        """Whether others stand in the same tie group."""
        return self.tied is not None and self.tied[0] != self.tied[1]


@dataclass(frozen=True)
class Field:
    """One field of a signature: `box`, `gt*1.25`, what it means, and whether it differs from other groups."""

    name: str
    value: str
    meaning: str
    differs: bool


@dataclass(frozen=True)
class Group:
    """Entries that may be compared, best first; its `key` is short and stands in addresses."""

    key: str
    title: str
    fields: tuple[Field, ...]
    entries: tuple[Entry, ...]

    @property
    def ranked(self) -> tuple[Entry, ...]:
        """Those that have a rank."""
        return tuple(entry for entry in self.entries if entry.rank is not None)


@dataclass(frozen=True)
class Benchmark:
    """All that is known of one split of one data set.

    Attributes:
        slug: name of its page.
        columns: the ranking score first, then those that stand beside it.
    """

    slug: str
    dataset: str
    split: str
    task: str
    columns: tuple[Column, ...]
    groups: tuple[Group, ...]

    @property
    def title(self) -> str:
        """`wflw test`."""
        return f"{self.dataset} {self.split}"

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


def benchmarks(loaded: Iterable[Loaded]) -> tuple[Benchmark, ...]:
    """Benchmarks of the records, in the order of their names. Raises `DataError` where there is no record."""
    by_result = {id(each.result): each for each in loaded}
    groups = rank(each.result for each in by_result.values())
    made: dict[tuple[str, str, str], list[Group]] = {}
    columns: dict[tuple[str, str, str], tuple[Column, ...]] = {}
    tasks: dict[tuple[str, str, str], str] = {}
    for ranked, table in zip(groups, tables_of(groups), strict=True):
        where = (table.dataset, table.split, table.columns[0].key)
        results = [row.result for row in ranked.rows]
        made.setdefault(where, []).append(_group(table, [by_result[id(result)] for result in results]))
        tasks.setdefault(where, results[0].task)
        columns.setdefault(where, (*table.columns, *_beside(table, results)))
    count = Counter(where[:2] for where in made)
    return tuple(
        Benchmark(
            slug=slug(f"{where[0]}-{where[1]}" if count[where[:2]] == 1 else where[2]),
            dataset=printable(where[0]),
            split=printable(where[1]),
            task=printable(tasks[where]),
            columns=columns[where],
            groups=tuple(made[where]),
        )
        for where in made
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
    ties = tie_groups([row.scores.get(key) if row.rank is not None else None for row in table.rows])
    spans: dict[int, list[int]] = {}
    for tie, row in zip(ties, table.rows, strict=True):
        if tie is not None and row.rank is not None:
            spans.setdefault(tie, []).append(row.rank)
    entries = [
        _entry(row, each, key, tie, None if tie is None else (spans[tie][0], spans[tie][0] + len(spans[tie]) - 1))
        for row, each, tie in zip(table.rows, loaded, ties, strict=True)
    ]
    signature = parse_signature(table.signature)
    fields = tuple(
        Field(printable(name), printable(value), words.SIGNATURE.get(name, ""), name in table.differs)
        for name, value in signature.items()
    )
    short = hashlib.sha256(f"{table.evaluator}|{table.signature}".encode()).hexdigest()[:6]
    title = ", ".join(f"{field.name} {field.value}" for field in fields if field.differs)
    return Group(short, title or printable(table.evaluator), fields, tuple(entries))


def _entry(row: Row, loaded: Loaded, key: str, tie: int | None, tied: tuple[int, int] | None) -> Entry:
    result = loaded.result
    names = list(row.badges)
    if parse_signature(result.signature).get("world") == "synthetic":
        names.append("synthetic")
    whole = row.scored == row.expected
    return Entry(
        model=model_of(result, row.weights),
        tier="own run" if result.predictions is None else "rescored",
        rank=row.rank,
        tie=tie,
        tied=tied,
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
