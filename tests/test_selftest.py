"""The self-test finds what is wrong: a metric that is broken on purpose is named, a sound installation passes."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from facebench.datasets.wflw import DATASET as WFLW
from facebench.metrics import landmarks as landmark_metrics
from facebench.metrics import parsing as parsing_metrics
from facebench.selftest import landmarks, parsing, scan
from facebench.selftest.check import TOLERANCES, Check, Observation, summed_up
from facebench.selftest.run import PARTS, run_checks

SMALL = [part for part in PARTS if part.dataset in ("300w", "lapa")]


def by_metric(checks):
    return {check.metric: check for check in checks}


@pytest.fixture(scope="module")
def checks():
    return run_checks()


def test_every_metric_of_every_task_is_right(checks):
    assert [check.metric for check in checks if not check.ok] == []
    names = {check.metric for check in checks}
    assert {
        "nme-ioc",
        "nme-ipupil",
        "nme-diag",
        "nme-box",
        "nme-boxmax",
        "nme-lmkbox",
        "fr-ioc",
        "auc-ioc",
        "auc-ioc-simpson",
    } <= names
    assert {"f1", "miou", "accuracy", "scan-median", "scan-mean", "scan-std", "scan-face-median"} <= names


def test_what_is_right_is_right_to_the_last_digits(checks):
    found = by_metric(checks)
    assert found["nme-ioc"].error < 1e-12
    assert found["f1"].error < 1e-11
    assert found["scan-mean"].error < 1e-9


def test_failure_rates_and_areas_are_not_all_nought_or_one():
    # The cases straddle every threshold; otherwise a wrong comparison would go unseen.
    truth = [(float(k % 10) * 8, float(k // 10) * 8) for k in range(98)]
    for threshold in (5, 8, 10):
        errors = {"ioc": [landmarks.CASES[1].error(truth, i) / 60 for i in range(8)]}
        for name in (f"fr{threshold}-ioc", f"auc{threshold}-ioc"):
            _, value = landmarks.expected_score(name, errors)
            assert 0 < value < (100 if name.startswith("fr") else 1)


@pytest.mark.parametrize(
    ("broken", "metric"),
    [
        (lambda real: lambda pred, target: real(pred, target) * 1.000001, "nme-ioc"),
        (lambda real: lambda pred, target: np.abs(pred - target).sum(axis=1), "nme-lmkbox"),  # city blocks
    ],
)
def test_a_wrong_distance_is_found(monkeypatch, broken, metric):
    monkeypatch.setattr(landmark_metrics, "point_errors", broken(landmark_metrics.point_errors))
    found = by_metric(run_checks(parts=SMALL[:1]))
    assert not found[metric].ok
    assert found[metric].worst.startswith("300w, ")


def test_a_failure_counted_below_the_threshold_is_found(monkeypatch):
    real = landmark_metrics.failures
    monkeypatch.setattr(landmark_metrics, "failures", lambda errors, threshold: real(errors, threshold * 1.5))
    found = by_metric(run_checks(parts=SMALL[:1]))
    assert not found["fr-ioc"].ok
    assert found["nme-ioc"].ok


def test_a_mean_over_the_wrong_classes_is_found(monkeypatch):
    monkeypatch.setattr(parsing_metrics, "confusion", lambda t, p, c, real=parsing_metrics.confusion: real(p, p, c))
    found = by_metric(run_checks(parts=SMALL[1:]))
    assert not found["f1"].ok


def test_an_undefined_score_that_should_be_defined_is_infinitely_wrong():
    (check,) = summed_up([Observation("f1", "f1", "x", 3.0, None), Observation("f1", "f1", "y", None, None)])
    assert math.isinf(check.error)
    assert not check.ok
    assert check.worst == "x"
    assert summed_up([Observation("f1", "f1", "y", None, None)])[0].ok
    assert not summed_up([Observation("f1", "f1", "y", 1.0, float("nan"))])[0].ok


def test_the_worst_case_is_the_one_that_is_shown():
    observations = [Observation("nme", "nme", str(i), 1.0, 1.0 + i * 1e-3) for i in range(4)]
    assert summed_up(observations) == [Check("nme", 4, pytest.approx(3e-3), TOLERANCES["nme"], "3")]


def test_expected_landmark_scores_by_hand():
    # Errors 4 %, 10 % and 30 % at 10 %: one of three fails (10 is not above 10); areas 0.6, 0, 0.
    errors = {"ioc": [0.04, 0.10, 0.30]}
    assert landmarks.expected_score("nme-ioc", errors) == ("nme", pytest.approx(44 / 3))
    assert landmarks.expected_score("fr10-ioc", errors) == ("fr", pytest.approx(100 / 3))
    assert landmarks.expected_score("auc10-ioc", errors) == ("auc", pytest.approx(0.2))
    assert landmarks.expected_score("auc10-ioc-simpson", errors)[0] == "auc-simpson"


def test_cases_move_points_as_far_as_they_say():
    rng = np.random.default_rng(1)
    points = rng.uniform(0, 100, (WFLW.scheme.size, 2))
    plain = [(float(x), float(y)) for x, y in points]
    for case in landmarks.CASES:
        for number in range(4):
            moved = case.predict(points, number)
            mean = np.linalg.norm(moved - points, axis=1).mean()
            assert mean == pytest.approx(case.error(plain, number), abs=1e-12), case.name


def test_expected_parsing_scores_by_hand():
    from facebench.datasets.lapa import DATASET

    # Four pixels: skin skin hair nose, predicted skin hair hair nose. F1: skin 2/3, hair 2/3, nose 1.
    truth, found = np.array([[1, 1, 10, 6]], np.uint8), np.array([[1, 10, 10, 6]], np.uint8)
    scores = parsing.expected_scores(DATASET, [truth], [found])
    assert scores["skin", "f1"] == pytest.approx(200 / 3)
    assert scores["hair", "f1"] == pytest.approx(200 / 3)
    assert scores["nose", "f1"] == 100
    assert scores["l-eye", "f1"] is None
    assert scores["mean-fg10", "f1"] is None
    assert scores["mean-present-fg", "f1"] == pytest.approx((200 / 3 + 200 / 3 + 100) / 3)
    assert scores["all", "accuracy"] == 75


@pytest.mark.parametrize("height", [1.0, 3.0])
def test_the_box_scan_lies_at_its_distance_from_the_box(height):
    # Distance to each side by clamping into its rectangle; the least of the five counts.
    sides = [(np.array(low), np.array(high)) for low, high in (
        ((-45, -65, 0), (45, 65, 0)), ((-45, -65, -44), (-45, 65, 0)), ((45, -65, -44), (45, 65, 0)),
        ((-45, 65, -44), (45, 65, 0)), ((-45, -65, -44), (45, -65, 0)),
    )]  # fmt: skip
    points = scan._box_scan(height).mesh.vertices
    distances = [np.linalg.norm(points - np.clip(points, low, high), axis=1) for low, high in sides]
    np.testing.assert_allclose(np.min(distances, axis=0), height, atol=1e-12)
    box = scan._box().mesh
    corners = box.vertices[box.faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
    assert area == pytest.approx(90 * 130 + 2 * 44 * 130 + 2 * 44 * 90)


def test_parts_are_drawn_one_after_the_other():
    seen = []
    run_checks(parts=SMALL, on_part=seen.append)
    assert seen == ["300w", "lapa"]
    assert all(one != other for one, other in pairwise(seen))
