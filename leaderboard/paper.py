"""The page that a results site shows for a paper: its tasks, its numbers, and the place of each among the published.

`with_results` places a user's own results into the same lists: where they would stand, or why they cannot.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from facebench.errors import unknown_name
from facebench.record import Result, parse_signature
from leaderboard.published import PublishedRow, placed, read

PAGES: dict[str, tuple[str, ...]] = {
    "PaCo-FR": (
        "wflw/test/all/nme-ioc", "300w/test/full/nme-ioc", "lapa/test/skin/f1", "aflw19/test/frontal/nme-diag",
        "300w/test/common/nme-ioc", "now/val/all/median", "300w/test/challenge/nme-ioc", "aflw19/test/full/nme-diag",
    ),
}  # fmt: skip
"""Rows of a paper's page where it lists more than the numbers that could be read; those without one stay blank."""

TASKS = {"lapa": "face parsing", "celebamask-hq": "face parsing", "now": "3D reconstruction"}
LOST = "–"


@dataclass(frozen=True)
class Own:
    """A user's own result under one key.

    Attributes:
        subject: who was judged.
        value: of the score; None where there is none.
        place: where it would stand among the published; None where it may not.
        reason: why it may not.
    """

    subject: str
    value: float | None
    place: int | None
    reason: str


@dataclass(frozen=True)
class Line:
    """One row of a page.

    Attributes:
        key: what was measured.
        task: in words.
        value: None where the page prints none that could be read.
        place: among `count`; None without a value.
        count: methods with a number under the key.
        marks: selection, reading and flags of the number.
        own: the user's results.
    """

    key: str
    task: str
    value: float | None
    unit: str
    place: int | None
    count: int
    marks: str
    own: tuple[Own, ...]


@dataclass(frozen=True)
class Page:
    """The page of a paper."""

    method: str
    title: str
    arxiv: str
    lines: tuple[Line, ...]


def page(name: str, results: Sequence[Result] = ()) -> Page:
    """The page of the paper or method `name`. Raises `UsageError` for an unknown one."""
    rows = read()
    methods = {row.method.casefold(): row.method for row in rows}
    if name.casefold() not in methods:
        raise unknown_name("paper", name, methods)
    method = methods[name.casefold()]
    mine = [row for row in rows if row.method == method and row.best]
    about = next((row for row in mine if row.paper), None)
    keys = PAGES.get(method) or tuple(dict.fromkeys(row.key for row in mine))
    lines = tuple(_line(key, method, rows, results) for key in keys)
    return Page(method, about.paper if about else "", about.arxiv if about else "", lines)


def _line(key: str, method: str, rows: Sequence[PublishedRow], results: Iterable[Result]) -> Line:
    order = placed(rows, key)
    place, row = next(((place, row) for place, row in order if row.method == method), (None, None))
    peers = [peer for _, peer in order]
    task = TASKS.get(key.partition("/")[0], "face alignment")
    unit = peers[0].unit if peers else ""
    own = tuple(found for result in results if (found := _own(key, result, peers)) is not None)
    return Line(key, task, row.value if row else None, unit, place, len(order), _marks(row), own)


def _marks(row: PublishedRow | None) -> str:
    if row is None:
        return "not printed where it could be read"
    chosen = "epoch chosen on test" if row.selection == "test" else f"selection {row.selection}"
    words = [row.read, chosen, *(mark.replace("_", " ") for mark in row.marks)]
    return ", ".join(dict.fromkeys(words))


def _own(key: str, result: Result, peers: Sequence[PublishedRow]) -> Own | None:
    """Where `result` stands under `key`; None where it is about another data set."""
    if result.dataset.name != key.partition("/")[0]:
        return None
    wanted = peers[0].compatible if peers else key
    scores = {score.key: score for score in result.scores}
    score = scores.get(wanted)
    if score is None or score.value is None:
        where = f"{result.dataset.name}/{result.dataset.split}"
        return Own(result.subject, None, None, f"has no {wanted} (it is of {where})")
    if reason := _why_not(result):
        return Own(result.subject, score.value, None, reason)
    sign = 1 if score.direction == "lower" else -1
    better = [peer for peer in peers if sign * peer.value < sign * score.value]
    return Own(result.subject, score.value, len(better) + 1, "")


def _why_not(result: Result) -> str:
    if parse_signature(result.signature).get("world") == "synthetic":
        return "on drawn faces, not on the published set"
    if not result.counts.complete:
        return f"incomplete: {result.counts.shortfall}"
    if result.dataset.official is False:
        return "not the official number of samples"
    return ""
