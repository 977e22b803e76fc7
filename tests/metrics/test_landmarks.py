from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from facebench.errors import DataError, UsageError
from facebench.metric import Metric
from facebench.metrics.landmarks import NORMALISERS, ced, measure, metrics_of, normaliser, point_errors, success_area
from facebench.schemes import AFLW19, COFW29, IBUG68, LANDMARK_SCHEMES, WFLW98, LandmarkScheme
from facebench.types import Landmarks

SEEDS = st.integers(0, 2**32 - 1)


def face(scheme: LandmarkScheme, seed: int = 0):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(20, 220, (scheme.size, 2))
    return truth, truth + rng.normal(0, 4, truth.shape)


def columns(rows):
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def by_name(metrics) -> dict[str, Metric]:
    named = {m.name: m for m in metrics}
    assert len(named) == len(metrics)
    return named


def test_normalisers_by_hand():
    points = np.zeros((19, 2))
    points[6], points[11] = (10, 0), (40, 40)  # corners: (30, 40) apart, 50
    points[7], points[10] = (0, 5), (12, 10)  # pupils: (12, 5) apart, 13
    box = (1.0, 2.0, 13.0, 29.0)  # 12 x 27: sqrt(324) = 18, diagonal sqrt(144 + 729)
    found = {name: normaliser(name, AFLW19, points, box) for name in NORMALISERS}
    expected = {
        "ioc": 50.0,
        "ipupil": 13.0,
        "box": 18.0,
        "diag": np.sqrt(873),
        "boxmax": 27.0,
        "boxheight": 27.0,
        "lmkbox": 40.0,  # the points span 40 x 40
    }
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("scheme", "corners", "pupils"),
    [
        (WFLW98, (60, 72), ([96], [97])),
        (IBUG68, (36, 45), (range(36, 42), range(42, 48))),
        (COFW29, (8, 9), ([16], [17])),
        (AFLW19, (6, 11), ([7], [10])),
    ],
)
def test_eye_distances_use_the_indices_of_the_official_codes(scheme, corners, pupils):
    truth, _ = face(scheme)
    a, b = corners
    assert normaliser("ioc", scheme, truth, None) == pytest.approx(np.hypot(*(truth[a] - truth[b])))
    left, right = (np.mean([truth[k] for k in group], axis=0) for group in pupils)
    assert normaliser("ipupil", scheme, truth, None) == pytest.approx(np.hypot(*(left - right)))


def test_a_normaliser_of_zero_is_named():
    truth, _ = face(IBUG68)
    truth[45] = truth[36]
    with pytest.raises(DataError, match=r"normaliser ioc .* is 0 px"):
        normaliser("ioc", IBUG68, truth, None)
    with pytest.raises(DataError, match=r"normaliser lmkbox .* is 0 px"):
        normaliser("lmkbox", IBUG68, np.ones((68, 2)), None)


@pytest.mark.parametrize("box", [(5.0, 5.0, 5.0, 9.0), (9.0, 0.0, 1.0, 9.0), (0.0, 0.0, float("nan"), 1.0)])
@pytest.mark.parametrize("name", ["box", "diag", "boxmax", "boxheight"])
def test_an_empty_box_is_named(name, box):
    with pytest.raises(DataError, match=f"normaliser {name}: the annotated box is"):
        normaliser(name, IBUG68, face(IBUG68)[0], box)


def test_an_infinite_point_makes_no_normaliser():
    truth, _ = face(IBUG68)
    truth[36] = np.inf
    with pytest.raises(DataError, match="normaliser ioc"):
        normaliser("ioc", IBUG68, truth, None)


def test_a_missing_box_missing_pupils_and_an_unknown_name_say_so():
    truth, _ = face(IBUG68)
    with pytest.raises(DataError, match="no annotated box"):
        normaliser("box", IBUG68, truth, None)
    blind = LandmarkScheme("blind", 2, (1, 0), (0, 1), None)
    with pytest.raises(DataError, match="defines no pupils"):
        normaliser("ipupil", blind, truth[:2], None)
    with pytest.raises(UsageError, match="unknown normaliser 'iod'"):
        normaliser("iod", IBUG68, truth, None)


def test_point_errors_are_euclidean():
    assert point_errors(np.array([[3.0, 4.0], [1.0, 1.0]]), np.array([[0.0, 0.0], [1.0, 1.0]])).tolist() == [5.0, 0.0]


@pytest.mark.parametrize("scheme", LANDMARK_SCHEMES.values(), ids=lambda s: s.name)
def test_the_error_equals_a_plain_loop(scheme):
    truth, pred = face(scheme, 3)
    a, b = scheme.corners
    distance = ((truth[a, 0] - truth[b, 0]) ** 2 + (truth[a, 1] - truth[b, 1]) ** 2) ** 0.5
    total = 0.0
    for (px, py), (gx, gy) in zip(pred, truth, strict=True):
        total += ((px - gx) ** 2 + (py - gy) ** 2) ** 0.5
    row = measure(pred, Landmarks(truth), scheme, None, ["ioc"])
    assert row == {"error-ioc": pytest.approx(total / scheme.size / distance, rel=1e-13)}


def test_a_shift_of_one_pixel_by_hand():
    # Every point 3 px right, 4 px down: error 5 px; corners 100 px apart: 0.05 exactly at a threshold.
    truth, _ = face(IBUG68)
    truth[36], truth[45] = (0.0, 0.0), (100.0, 0.0)
    rows = [measure(truth + np.array([3, 4]), Landmarks(truth), IBUG68, None, ["ioc"])]
    values = {name: m.value(columns(rows)) for name, m in by_name(metrics_of(["ioc"], {"ioc": (8, 10)})).items()}
    assert values["nme-ioc"] == pytest.approx(5.0, rel=1e-12)
    assert values["fr8-ioc"] == values["fr10-ioc"] == 0.0
    assert values["auc8-ioc"] == pytest.approx(1 - 5 / 8)
    assert values["auc10-ioc"] == pytest.approx(0.5)
    assert values["auc10-ioc-simpson"] == pytest.approx(0.5, abs=1e-3)


@given(SEEDS, st.sampled_from(["ioc", "ipupil", "lmkbox"]))
def test_a_perfect_prediction_is_zero(seed, name):
    truth, _ = face(WFLW98, seed)
    assert measure(truth, Landmarks(truth), WFLW98, None, [name]) == {f"error-{name}": 0.0}


@given(SEEDS, st.floats(0.1, 10), st.floats(-np.pi, np.pi), st.floats(-500, 500))
def test_the_inter_ocular_error_is_invariant_under_similarity(seed, scale, angle, shift):
    truth, pred = face(COFW29, seed)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    before = measure(pred, Landmarks(truth), COFW29, None, ["ioc", "ipupil"])
    after = measure(pred @ turn.T + shift, Landmarks(truth @ turn.T + shift), COFW29, None, ["ioc", "ipupil"])
    assert after == pytest.approx(before, rel=1e-7)


@given(SEEDS, st.floats(1.01, 5))
def test_a_worse_prediction_is_worse(seed, factor):
    truth, pred = face(AFLW19, seed)
    near = measure(pred, Landmarks(truth), AFLW19, None, ["ioc"])["error-ioc"]
    far = measure(truth + factor * (pred - truth), Landmarks(truth), AFLW19, None, ["ioc"])["error-ioc"]
    assert far == pytest.approx(factor * near)


def test_self_occluded_points_add_zero_and_the_divisor_stays():
    # Points on a 9 x 16 grid box (sqrt 144 = 12); one point is off by 12 px, one has no place and a wild prediction.
    truth = np.zeros((68, 2))
    truth[1] = (9.0, 16.0)
    truth[5] = (-1.0, -1.0)
    located = np.ones(68, dtype=bool)
    located[5] = False
    pred = truth.copy()
    pred[0] += (12.0, 0.0)
    pred[5] = (1000.0, 1000.0)
    row = measure(pred, Landmarks(truth, located=located), IBUG68, None, ["lmkbox"])
    assert row["error-lmkbox"] == pytest.approx(1 / 68, rel=1e-14)


def test_an_eye_distance_needs_located_corners():
    truth, pred = face(IBUG68)
    located = np.ones(68, dtype=bool)
    located[45] = False
    with pytest.raises(DataError, match="normaliser ioc: one of its points has no place"):
        measure(pred, Landmarks(truth, located=located), IBUG68, None, ["ioc"])
    with pytest.raises(DataError, match="no point of the face has a place"):
        measure(pred, Landmarks(truth, located=np.zeros(68, dtype=bool)), IBUG68, None, ["lmkbox"])


def test_visible_points_only_by_hand():
    # Pupils 60 px apart; one visible point off by 30, one hidden point off by 60, 66 exact.
    truth, _ = face(IBUG68)
    truth[36:42], truth[42:48] = (0.0, 0.0), (60.0, 0.0)
    visible = np.ones(68, dtype=bool)
    visible[1] = False
    pred = truth.copy()
    pred[0] += (30.0, 0.0)
    pred[1] += (0.0, 60.0)
    row = measure(pred, Landmarks(truth, visible=visible), IBUG68, None, ["ipupil"], visible=["ipupil"])
    assert row["error-ipupil"] == pytest.approx(1.5 / 68)
    assert row["error-ipupil-visible"] == pytest.approx(0.5 / 67)


def test_a_face_without_visible_points_leaves_the_visible_mean():
    truth, pred = face(IBUG68)
    rows = [
        measure(pred, Landmarks(truth, visible=np.full(68, seen)), IBUG68, None, ["ioc"], visible=["ioc"])
        for seen in (True, False)
    ]
    metrics = by_name(metrics_of(["ioc"], {"ioc": (10,)}, visible=["ioc"]))
    both, second = columns(rows), columns(rows[1:])
    assert metrics["nme-ioc-visible"].value(both) == metrics["nme-ioc"].value(both)
    assert metrics["nme-ioc-visible"].value(second) is None
    assert metrics["fr10-ioc-visible"].value(second) is None


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((67, 2)), r"prediction has shape \(67, 2\); ibug68 wants \(68, 2\)"),
        (np.zeros(136), r"prediction has shape \(136,\)"),
        (np.full((68, 2), np.nan), "prediction has 68 points that are not finite; the first is point 0"),
        (np.full((68, 2), "1"), "prediction holds <U1, not numbers"),
    ],
)
def test_bad_predictions_say_what_is_wrong(bad, message):
    with pytest.raises(DataError, match=message):
        measure(bad, Landmarks(face(IBUG68)[0]), IBUG68, None, ["ioc"])


def test_a_bad_annotation_is_not_blamed_on_the_prediction():
    truth, pred = face(IBUG68)
    truth[7, 1] = np.nan
    with pytest.raises(DataError, match="annotation has 1 points that are not finite; the first is point 7"):
        measure(pred, Landmarks(truth), IBUG68, None, ["ioc"])


def test_points_outside_the_image_are_scored():
    truth, _ = face(IBUG68)
    row = measure(truth - 1000, Landmarks(truth), IBUG68, None, ["ioc"])
    assert row["error-ioc"] > 1


def test_float32_predictions_are_measured_in_float64():
    truth, pred = face(WFLW98)
    narrow = pred.astype(np.float32)
    assert measure(narrow, Landmarks(truth), WFLW98, None, ["ioc"]) == measure(
        narrow.astype(np.float64), Landmarks(truth), WFLW98, None, ["ioc"]
    )


def test_names_units_and_order():
    metrics = metrics_of(["ipupil", "lmkbox"], {"ipupil": (10,), "lmkbox": (7,)}, visible=["ipupil"])
    assert [(m.name, m.unit, m.direction) for m in metrics] == [
        ("nme-ipupil", "%", "lower"),
        ("nme-lmkbox", "%", "lower"),
        ("nme-ipupil-visible", "%", "lower"),
        ("fr10-ipupil", "%", "lower"),
        ("auc10-ipupil", "fraction", "higher"),
        ("auc10-ipupil-simpson", "fraction", "higher"),
        ("fr7-lmkbox", "%", "lower"),
        ("auc7-lmkbox", "fraction", "higher"),
        ("auc7-lmkbox-simpson", "fraction", "higher"),
        ("fr10-ipupil-visible", "%", "lower"),
    ]


def test_a_failure_is_strictly_above_the_threshold():
    metric = by_name(metrics_of(["ioc"], {"ioc": (10, 7)}))
    table = {"error-ioc": np.array([0.1, np.nextafter(0.1, 1), 0.07, 0.2])}
    assert metric["fr10-ioc"].value(table) == 50.0
    assert metric["fr7-ioc"].value(table) == 75.0  # 7/100 is the same float as 0.07: a tie is a success


ERRORS = st.lists(st.floats(0, 0.5), min_size=1, max_size=30).map(np.array)


@given(ERRORS, st.floats(0.02, 0.3))
@settings(max_examples=30)
def test_the_exact_auc_is_the_area_under_the_step_curve(errors, threshold):
    edges = np.unique(np.concatenate([[0.0, threshold], errors[errors < threshold]]))
    pieces = [quad(lambda x: float(ced(errors, np.array([x]))[0]), a, b)[0] for a, b in pairwise(edges)]
    assert success_area(errors, threshold).mean() == pytest.approx(sum(pieces) / threshold, abs=1e-7)


@given(ERRORS)
def test_reductions_do_not_depend_on_batches(errors):
    table = {"error-ioc": errors}
    doubled = {"error-ioc": np.repeat(errors, 2)}
    weights = np.random.default_rng(0).integers(0, 3, (4, len(errors))) + 1.0
    for metric in metrics_of(["ioc"], {"ioc": (5, 8, 10)}):
        drawn = [np.repeat(errors, row.astype(int)) for row in weights]
        single = [metric.value({"error-ioc": sample}) for sample in drawn]
        assert metric.values(table, weights) == pytest.approx(single, rel=1e-9, abs=1e-12)
        assert metric.value(doubled) == pytest.approx(metric.value(table), rel=1e-9, abs=1e-12)


@given(ERRORS)
def test_failure_rates_fall_and_areas_grow_with_the_threshold(errors):
    metrics = by_name(metrics_of(["ioc"], {"ioc": (5, 8, 10)}))
    value = {name: m.value({"error-ioc": errors}) for name, m in metrics.items()}
    assert value["fr5-ioc"] >= value["fr8-ioc"] >= value["fr10-ioc"]
    assert value["auc5-ioc"] <= value["auc8-ioc"] <= value["auc10-ioc"]


def test_ced_counts_errors_up_to_and_including_x():
    assert ced(np.array([0.3, 0.1, 0.1]), np.array([0.0, 0.1, 0.2, 0.3])).tolist() == [0, 2 / 3, 2 / 3, 1]


def test_inter_pupil_errors_on_300w_are_larger_by_what_the_field_reports(shared_data):
    # FaRL's logs have inter-pupil / inter-ocular NME of 1.385 (common), 1.443 (challenge) and 1.405 (full).
    faces = np.genfromtxt(shared_data / "w300_choidm" / "face_landmarks_300w_valid.csv", delimiter=",", skip_header=1)
    points = faces[:, 4:].reshape(-1, 68, 2)
    assert len(points) == 689
    shift = np.random.default_rng(0).normal(0, 3, points.shape)
    rows = [measure(g + e, Landmarks(g), IBUG68, None, ["ioc", "ipupil"]) for g, e in zip(points, shift, strict=True)]
    values = {m.name: m.value(columns(rows)) for m in metrics_of(["ioc", "ipupil"], {})}
    assert 1.38 < values["nme-ipupil"] / values["nme-ioc"] < 1.45
    # The same by arrays of the whole set at once.
    distance = np.linalg.norm(points[:, 36] - points[:, 45], axis=1)
    assert values["nme-ioc"] == pytest.approx(100 * (np.linalg.norm(shift, axis=2).mean(axis=1) / distance).mean())
