"""A plain model of a ranked table: what every renderer draws, with full-precision values and names as recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from facebench.record import Result, Score, parse_signature
from leaderboard.rank import Group, Ranked, is_floor, rank


@dataclass(frozen=True)
class Column:
    """One score that the table shows.

    Attributes:
        key: the whole key: `wflw/test/all/nme-ioc`.
        subset: what of the split: `all`.
        metric: `nme-ioc`.
        unit: `%`, `fraction` or `mm`.
        direction: whether `lower` or `higher` is better.
    """

    key: str
    subset: str
    metric: str
    unit: str
    direction: str


@dataclass(frozen=True)
class Place:
    """The ranks that the samples leave open for a row.

    Attributes:
        low, high: the best and the worst.
        group: number of its tie group, from 1.
    """

    low: int
    high: int
    group: int

    @property
    def text(self) -> str:
        """`2`, or `1–3`."""
        return str(self.low) if self.low == self.high else f"{self.low}–{self.high}"


@dataclass(frozen=True)
class Row:
    """One result.

    Attributes:
        rank: 1 is best; None where the row is not ranked.
        subject: who was judged.
        weights: where its weights, or its predictions, came from.
        scores: the scores that the record has, by key.
        scored: number of samples behind the row.
        expected: number of samples there should be.
        protocol: how much of the backbone was allowed to learn.
        badges: what must be seen beside the number, a word or two each: `random weights`.
        remarks: what a reader must be told at more length.
        place: the ranks that its samples leave open; None where it is not ranked, or where nobody asked.
    """

    rank: int | None
    subject: str
    weights: str
    scores: Mapping[str, Score]
    scored: int
    expected: int
    protocol: str
    badges: tuple[str, ...]
    remarks: tuple[str, ...]
    place: Place | None = None


@dataclass(frozen=True)
class Table:
    """Rows that may be compared.

    Attributes:
        signature: what all rows agree on.
        columns: the ranking score first.
        differs: signature fields in which the tables of the same split differ, and so may not be compared.
    """

    dataset: str
    split: str
    evaluator: str
    signature: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    differs: tuple[str, ...] = ()


def tables(results: Iterable[Result]) -> tuple[Table, ...]:
    """One table for each set of results that may be compared. Raises `DataError` where there is no result."""
    return tables_of(rank(results))


def tables_of(groups: Iterable[Group], places: Iterable[Sequence[Place | None]] = ()) -> tuple[Table, ...]:
    """One table for each group, its rows in the group's order. `places`: of the rows of each group, where known."""
    made = [_table(group, row_places or ()) for group, row_places in zip_longest(groups, places)]
    return tuple(replace(table, differs=_differing(table, made)) for table in made)


def _differing(table: Table, others: Iterable[Table]) -> tuple[str, ...]:
    """Fields that are not the same in all tables of the split of `table`."""
    fields = [_fields(t) for t in others if (t.dataset, t.split) == (table.dataset, table.split)]
    names = sorted({name for known in fields for name in known})
    return tuple(name for name in names if len({known.get(name) for known in fields}) > 1)


def _fields(table: Table) -> dict[str, str]:
    about = {"eval": table.evaluator, "headline": table.columns[0].key}
    return about | parse_signature(table.signature)


def _table(group: Group, places: Sequence[Place | None]) -> Table:
    headlines = {s.key: s for ranked in group.rows for s in ranked.result.scores if s.headline}
    ordered = [headlines.pop(group.headline), *headlines.values()]
    return Table(
        dataset=group.dataset,
        split=group.split,
        evaluator=group.evaluator,
        signature=group.signature,
        columns=tuple(column_of(score) for score in ordered),
        rows=tuple(_row(ranked, place) for ranked, place in zip_longest(group.rows, places)),
    )


def column_of(score: Score) -> Column:
    """The column that `score` stands in."""
    subset, _, metric = "/".join(score.key.split("/")[2:]).rpartition("/")
    return Column(score.key, subset, metric, score.unit, score.direction)


def _row(ranked: Ranked, place: Place | None) -> Row:
    result = ranked.result
    return Row(
        rank=ranked.rank,
        subject=result.subject,
        weights=_weights(result),
        scores={s.key: s for s in result.scores},
        scored=result.counts.scored,
        expected=result.counts.expected,
        protocol=result.protocol,
        badges=_badges(ranked),
        remarks=_remarks(ranked),
        place=place,
    )


def _weights(result: Result) -> str:
    """Where the numbers came from, with enough of the hash to tell two files of one name apart."""
    if is_floor(result):
        return "none"
    if result.predictions is not None:
        return f"predictions {result.predictions.sha256[:8]}"
    assert result.backbone is not None  # is_floor: one of the two is there
    weights, sha256 = result.backbone.weights, result.backbone.sha256
    return f"{weights} {sha256[:8]}" if weights == "file" and sha256 is not None else weights


def _badges(ranked: Ranked) -> tuple[str, ...]:
    result = ranked.result
    badges = []
    if ranked.reason is not None:
        badges.append(ranked.reason.split(":")[0])
    if result.backbone is not None and result.backbone.weights.startswith("random"):
        badges.append("random weights")
    if parse_signature(result.signature).get("sel") == "test":
        badges.append("sel:test")
    if result.dataset.official is False:
        badges.append("not the official size")
    return tuple(badges)


def _remarks(ranked: Ranked) -> tuple[str, ...]:
    remarks = list(ranked.result.warnings)
    if ranked.reason is not None and not is_floor(ranked.result):
        first = next(iter(ranked.result.counts.reasons.items()), None)
        remarks.insert(0, ranked.reason if first is None else f"{ranked.reason}; the first, {first[0]}: {first[1]}")
    return tuple(remarks)
