"""Published results as entries of the site: apart from measured ones, ranked among themselves.

A number of the literature has no samples and so no interval; rows that are unfit for ranking stand last, with the
reason. What a method scored under the other keys of the same split stands on its page, and in columns beside.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from facebench.record import Score
from leaderboard.literature import SELECTION, badges_of, score_of
from leaderboard.published import PublishedRow, placed
from leaderboard.safe import printable
from leaderboard.site import words
from leaderboard.site.entries import Entry, Group, Model, Where, slug
from leaderboard.table import Column, column_of

NOTE = (
    "Read in papers, on sites and in training logs; hardly any says how faces were cropped, and many chose their epoch "
    "on the test set. Ranked among themselves."
)
COLUMNS = 4
"""Further scores that a table of published results shows, those of most methods first."""

TASKS = (("nme-", "landmarks"), ("f1", "parsing"), ("median", "reconstruction"))
WHOLE = ("all", "full")


def ranked_by(key: str) -> bool:
    """Whether tables are ranked by `key`: an NME or a median over the whole split, a mean F1."""
    *_, subset, metric = key.split("/")
    if metric == "f1":
        return subset.startswith("mean")
    return subset in WHOLE and (metric.startswith("nme-") or metric == "median")


def groups(rows: Iterable[PublishedRow]) -> dict[Where, tuple[Group, str, tuple[Column, ...]]]:
    """One group, its task and its columns for each key that tables are ranked by."""
    by_split: dict[tuple[str, ...], list[PublishedRow]] = defaultdict(list)
    for row in rows:
        by_split[tuple(row.key.split("/")[:2])].append(row)
    found = {}
    for (dataset, split), there in by_split.items():
        scores = _scores(there)
        for key in sorted({row.key for row in there if ranked_by(row.key)}):
            task = next(task for start, task in TASKS if key.rpartition("/")[2].startswith(start))
            entries = _entries(there, key, scores)
            if any(entry.rank is not None for entry in entries):
                found[dataset, split, key] = (_group(key, entries), task, _columns(key, entries))
    return found


def _scores(rows: Iterable[PublishedRow]) -> dict[str, dict[str, Score]]:
    """What stands for each method under each key, by the key of our own score that it may stand beside."""
    found: dict[str, dict[str, Score]] = defaultdict(dict)
    for row in rows:
        if row.best and not row.unfit:
            found[row.method][row.compatible] = score_of(row)
    return found


def _entries(rows: Sequence[PublishedRow], key: str, scores: Mapping[str, Mapping[str, Score]]) -> tuple[Entry, ...]:
    ranked = [_entry(row, place, scores[row.method]) for place, row in placed(rows, key)]
    unfit = [_entry(row, None, {row.compatible: score_of(row)}) for row in rows if row.key == key and row.unfit]
    return (*ranked, *unfit)


def _entry(row: PublishedRow, rank: int | None, scores: Mapping[str, Score]) -> Entry:
    return Entry(
        model=model_of(row),
        tier=row.tier,
        rank=rank,
        place=None,
        score=score_of(row),
        scores=scores,
        protocol=SELECTION[row.selection],
        year=int(row.year) if row.year else None,
        badges=tuple(_badges(row)),
        remarks=tuple(printable(text) for text in _remarks(row)),
        samples="",
        source=printable(row.source),
    )


def model_of(row: PublishedRow) -> Model:
    """A published method, whichever of its variants a number is of."""
    return Model(
        slug=slug(row.method, "published"),
        name=printable(row.method),
        weights="published",
        family=words.family(row.backbone or row.variant),
        pretraining=printable(row.pretraining or words.UNKNOWN),
    )


def _badges(row: PublishedRow) -> Iterable[words.Word]:
    said = {"unfit": row.unfit, "extra data": row.extra}
    for name in badges_of(row):
        word = words.badge(name)
        yield words.Word(word.label, printable(said[name])) if name in said else word


def _remarks(row: PublishedRow) -> Iterable[str]:
    via = f", {row.via}" if row.via else ""
    yield f"{row.value:g} {row.unit} read {row.read} in {row.source}{via}: {row.paper or row.method}"
    yield from (text for text in (row.unfit, row.note) if text)


def _group(key: str, entries: tuple[Entry, ...]) -> Group:
    short = hashlib.sha256(f"published|{key}".encode()).hexdigest()[:6]
    return Group(short, "published results", (), entries, note=NOTE)


def _columns(key: str, entries: Sequence[Entry]) -> tuple[Column, ...]:
    """The ranking score, then the scores that most of the methods have."""
    normaliser = key.rpartition("-")[2] if "/nme-" in key else ""
    counts: dict[str, int] = defaultdict(int)
    for entry in entries:
        for other in entry.scores:
            if other != key and other.partition("-simpson")[0].endswith(normaliser) and not ranked_by(other):
                counts[other] += 1
    common = sorted((k for k, n in counts.items() if n > 1), key=lambda k: (-counts[k], k))[:COLUMNS]
    every = {score.key: score for entry in entries for score in entry.scores.values()}
    return tuple(column_of(every[k]) for k in (key, *common) if k in every)
