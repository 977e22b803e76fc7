"""Checkpoints of a training, in the order of their steps."""

from __future__ import annotations

from typing import Any

from facebench.record import Counts, Result
from leaderboard.course import cells, courses
from tests.leaderboard.records import backbone, floor, record, score


def checkpoint(step: int, value: float, health: dict[str, float] | None = None, **changes: Any) -> Result:
    name = f"paco-fr vit (step-{step:08d}.safetensors)"
    details = {"step": step, "epoch": step / 100} | ({} if health is None else {"health": health})
    return record(name, score(value=value), backbone=backbone(name, "file", details=details), **changes)


def test_rows_stand_in_the_order_of_steps_whatever_their_scores() -> None:
    results = [checkpoint(1000, 4.0), checkpoint(200, 5.0), checkpoint(600, 3.5)]
    (course,) = courses(results)
    assert [point.step for point in course.points] == [200, 600, 1000]
    assert [row[3] for row in cells(course)] == ["5.00", "3.50", "4.00"]
    assert (course.dataset, course.split, course.column.metric) == ("wflw", "test", "nme-ioc")


def test_health_stands_beside_the_score() -> None:
    (course,) = courses([checkpoint(200, 5.0, {"perplexity": 81.27, "used": 0.97}), checkpoint(400, 4.0)])
    assert cells(course)[0] == (
        "paco-fr vit (step-00000200.safetensors)", "200", "2.00", "5.00", "[4.85, 5.15]", "81.3", "0.97",
    )  # fmt: skip
    assert cells(course)[1][-2:] == ("–", "–")


def test_what_is_no_checkpoint_is_left_out() -> None:
    assert courses([record("timm"), floor(20.0)]) == ()
    (course,) = courses([record("timm"), floor(20.0), checkpoint(200, 5.0)])
    assert len(course.points) == 1


def test_results_that_may_not_be_compared_stand_apart() -> None:
    assert len(courses([checkpoint(1, 5.0), checkpoint(2, 4.0, fields={"box": "face"})])) == 2


def test_a_row_that_lost_samples_says_so() -> None:
    counts = Counts(expected=2500, scored=2490, failed=10)
    (course,) = courses([checkpoint(1, 5.0, counts=counts)])
    assert cells(course)[0][4] == "incomplete"
