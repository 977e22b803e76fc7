"""Which records show the same backbones on the same samples under several protocols, and how far these agree.

Records stand together where data set, split, revision of the samples, evaluator and headline agree. Everything else of
the signature is the protocol: usually the probe alone; where it has to be told apart, further fields are in its name,
`linear.v1 (labels:10)`. A backbone is the same where its weights (their hash), input size and settings are. The floor,
predictions from elsewhere and incomplete rows are left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

from facebench.agreement import LEAST, Agreement, Standing, agreement
from facebench.errors import NotComparable, UsageError
from facebench.ranks import Board, board_values, doubts
from facebench.record import parse_signature
from facebench.registry import Registry
from facebench.shapes import FloatArray
from facebench.stats import RESAMPLES
from facebench.stored import joined_on, read_stored
from leaderboard.load import Loaded
from leaderboard.rank import headline, is_floor

Rows: TypeAlias = "Mapping[str, Mapping[str, Loaded]]"
"""By protocol (its signature, then its name), by backbone."""


@dataclass(frozen=True)
class Compared:
    """Two protocols on one benchmark.

    Attributes:
        board: `wflw/test`.
        key: the score that backbones are ranked by.
        protocols: names of the two.
        subjects: names of the k backbones, best first under the first protocol.
        values: (k,) of each protocol, published unit.
        ranks: (k,) of each protocol, 1 is best; equal values share the better one.
        n: samples.
        found: how far they agree; its pairs are places in `subjects`.
        doubts: why the samples say less than it seems.
    """

    board: str
    key: str
    protocols: tuple[str, str]
    subjects: tuple[str, ...]
    values: tuple[tuple[float, ...], tuple[float, ...]]
    ranks: tuple[tuple[int, ...], tuple[int, ...]]
    n: int
    found: Agreement
    doubts: tuple[str, ...]

    @property
    def warning(self) -> str | None:
        """In words, where the ranking depends on the protocol."""
        if not self.found.depends:
            return None
        one, other = self.protocols
        pairs = [f"{self.subjects[i]} beats {self.subjects[j]}" for i, j in self.found.changed]
        more = f", and {len(pairs) - 3} more" if len(pairs) > 3 else ""
        return (
            f"on {self.board} the ranking depends on the protocol: under {one}, {'; '.join(pairs[:3])}{more}; "
            f"under {other} it is the other way round, and the samples separate {'them' if pairs[1:] else 'the two'} "
            "under both. Say which protocol a claim is about"
        )


@dataclass(frozen=True)
class Found:
    """Every pair of protocols that could be compared, and in words what could not."""

    compared: tuple[Compared, ...]
    left_out: tuple[str, ...]


def agreements(loaded: Sequence[Loaded], things: Registry, *, seed: int = 0, resamples: int = RESAMPLES) -> Found:
    """Agreement of every two protocols on every benchmark.

    Raises:
        NotComparable: no benchmark has `LEAST` backbones under two protocols.
        UsageError: two records of one backbone under one protocol.
        DataError: a table of per-sample statistics that is missing or another.
    """
    boards: dict[tuple[str, ...], dict[str, dict[str, Loaded]]] = {}
    left_out = []
    for each in loaded:
        result = each.result
        if is_floor(result) or result.backbone is None:
            continue
        score = headline(result)
        if not result.counts.complete or score.value is None:
            left_out.append(f"{result.subject} on {_board(each)} under {result.protocol}: incomplete or undefined")
            continue
        version = f"{result.evaluator} v{result.evaluator_version}"
        where = (result.dataset.name, result.dataset.split, result.dataset.revision, version, score.key)
        rows = boards.setdefault(where, {}).setdefault(result.signature, {})
        if (earlier := rows.setdefault(_who(each), each)) is not each:
            what = f"{result.subject} on {_board(each)} under {result.protocol}"
            raise UsageError(f"two records of {what}, {earlier.file} and {each.file}; name one of them")
    compared: list[Compared] = []
    for rows_by_signature in boards.values():
        compared += _on_board(_named(rows_by_signature), things, left_out, seed=seed, resamples=resamples)
    if not compared:
        more = f"; and {len(left_out) - 2} more" if len(left_out) > 2 else ""
        said = "; ".join(left_out[:2]) + more or "no record of a backbone"
        raise NotComparable(f"no {LEAST} backbones were run under two protocols on one benchmark: {said}")
    return Found(tuple(compared), tuple(left_out))


def _on_board(rows: Rows, things: Registry, left_out: list[str], *, seed: int, resamples: int) -> list[Compared]:
    """Every pair of protocols on one benchmark; those that share too few backbones are added to `left_out`."""
    first = next(iter(next(iter(rows.values())).values()))
    if len(rows) < 2:
        left_out.append(f"{_board(first)} has results under {next(iter(rows))} alone")
    pairs = []
    for one, other in combinations(rows, 2):
        shared = [who for who in rows[one] if who in rows[other]]
        if len(shared) < LEAST:
            left_out.append(f"{_board(first)}: {one} and {other} share {len(shared)} of the {LEAST} backbones needed")
        else:
            pairs.append((one, other, shared))
    if not pairs:
        return []
    used = list(dict.fromkeys((name, who) for one, other, shared in pairs for who in shared for name in (one, other)))
    board, key = _read(used, rows, things)
    observed, drawn = board_values(board, seed=seed, resamples=resamples)
    place = {each: i for i, each in enumerate(used)}
    better = 1.0 if board.metric.direction == "lower" else -1.0
    made = []
    for one, other, shared in pairs:
        order = sorted(shared, key=lambda who: (better * observed[place[one, who]], who))
        index = [[place[name, who] for who in order] for name in (one, other)]
        standings = [Standing(observed[i], drawn[:, i]) for i in index]
        made.append(
            Compared(
                board=_board(first),
                key=key,
                protocols=(one, other),
                subjects=tuple(rows[one][who].result.subject for who in order),
                values=(_floats(observed[index[0]]), _floats(observed[index[1]])),
                ranks=(_ranks(better * observed[index[0]]), _ranks(better * observed[index[1]])),
                n=len(board.clusters) if board.mask is None else int(board.mask.sum()),
                found=agreement(standings[0], standings[1], board.metric.direction),
                doubts=doubts(board),
            )
        )
    return made


def _read(used: Sequence[tuple[str, str]], rows: Rows, things: Registry) -> tuple[Board, str]:
    """The board of these (protocol, backbone), on the samples that all of them scored, and what it is ranked by."""
    stored = [read_stored(rows[name][who].file, rows[name][who].result) for name, who in used]
    result = stored[0].result
    joined, cell = joined_on(stored, things, headline(result).key)
    return Board(cell.metric, joined.columns, joined.clusters, cell.mask), cell.key


def _who(each: Loaded) -> str:
    """What makes a backbone the same under two protocols."""
    about = each.result.backbone
    assert about is not None
    told = [about.sha256 or about.spec, about.name, about.input_size, about.details]
    return json.dumps(told, sort_keys=True, default=str)


def _named(rows: Mapping[str, Mapping[str, Loaded]]) -> Rows:
    """`rows` by the name of the protocol in place of its signature; what else differs is named where it has to be."""
    fields = {text: parse_signature(text) for text in rows}
    names = {text: next(iter(found.values())).result.protocol for text, found in rows.items()}
    every = {name for told in fields.values() for name in told} - {"probe"}
    differ = sorted(n for n in every if len({told.get(n) for told in fields.values()}) > 1)
    made = {}
    for text in sorted(rows, key=lambda text: (names[text], text)):
        alone = list(names.values()).count(names[text]) == 1
        told = ", ".join(f"{name}:{fields[text].get(name, 'absent')}" for name in differ)
        made[names[text] if alone else f"{names[text]} ({told})"] = rows[text]
    return made


def _board(each: Loaded) -> str:
    return f"{each.result.dataset.name}/{each.result.dataset.split}"


def _ranks(values: FloatArray) -> tuple[int, ...]:
    """Rank of each value (k,), 1 the lowest; equal ones share the better."""
    return tuple(int(1 + (values < value).sum()) for value in values)


def _floats(values: FloatArray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
