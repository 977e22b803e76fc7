"""The course of a training: its checkpoints in the order of their steps, not of their scores.

Beside each score stands what the training said of its codebook at that step, so that a score that falls and a codebook
that collapses are seen together. Results that may not be compared stand in different courses, as in the tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from facebench.record import Result, Score
from leaderboard.digits import MISSING, interval_text, value_text
from leaderboard.rank import Ranked, headline, rank
from leaderboard.table import Column, column_of

HEALTH = ("perplexity", "used")
"""What a training says of its codebook: how many tokens do the work, and the share that is chosen at all."""


@dataclass(frozen=True)
class Point:
    """One checkpoint.

    Attributes:
        subject: name of the backbone.
        step: steps that it was trained.
        epoch: passes over the pictures; None where the file does not say.
        score: the headline score.
        health: of the codebook, by name; empty for a method without one.
        flaw: why the score may not be believed as it stands: `incomplete`; empty where it may.
    """

    subject: str
    step: int
    epoch: float | None
    score: Score
    health: Mapping[str, float]
    flaw: str


@dataclass(frozen=True)
class Course:
    """Checkpoints that may be compared, earliest first.

    Attributes:
        dataset: `wflw`.
        split: `test`.
        column: the score.
    """

    dataset: str
    split: str
    column: Column
    points: tuple[Point, ...]


def courses(results: Iterable[Result]) -> tuple[Course, ...]:
    """One course for each set of comparable results, of those whose backbone says its step. Raises `DataError`."""
    made = []
    for group in rank(results):
        points = [point for ranked in group.rows if (point := _point(ranked)) is not None]
        if points:
            points.sort(key=lambda point: (point.step, point.subject))
            made.append(Course(group.dataset, group.split, column_of(points[0].score), tuple(points)))
    return tuple(made)


def cells(course: Course) -> tuple[tuple[str, ...], ...]:
    """The rows of a course as text: subject, step, epoch, score, its interval or its flaw, health."""
    return tuple(
        (
            point.subject,
            f"{point.step:,}",
            MISSING if point.epoch is None else f"{point.epoch:.2f}",
            value_text(point.score),
            point.flaw or interval_text(point.score),
            *(f"{point.health[name]:.3g}" if name in point.health else MISSING for name in HEALTH),
        )
        for point in course.points
    )


def _point(ranked: Ranked) -> Point | None:
    result = ranked.result
    details = {} if result.backbone is None else result.backbone.details
    if not isinstance(details.get("step"), int):
        return None
    return Point(
        subject=result.subject,
        step=details["step"],
        epoch=details.get("epoch"),
        score=headline(result),
        health=details.get("health") or {},
        flaw=(ranked.reason or "").partition(":")[0],
    )
