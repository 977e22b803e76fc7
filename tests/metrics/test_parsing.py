from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebench.errors import DataError
from facebench.metrics.parsing import confusion, eagr_scores, metrics_of
from facebench.schemes import CELEB19, FARL_CELEB19, LAPA11, LabelScheme

SEEDS = st.integers(0, 2**32 - 1)
THREE = LabelScheme("three", ("background", "skin", "hair"), "mean-fg2", {"head": (1, 2)})


def maps(classes: int, seed: int = 0, n: int = 4, shape=(13, 11), dtype=np.uint8):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, (n, *shape)).astype(dtype)
    wrong = rng.integers(0, classes, truth.shape).astype(dtype)
    return truth, np.where(rng.random(truth.shape) < 0.3, wrong, truth)


def table(truth, pred, classes: int):
    return {"confusion": np.stack([confusion(t, p, classes) for t, p in zip(truth, pred, strict=True)])}


def by_key(scheme: LabelScheme):
    keyed = {(m.slice, m.name): m for m in metrics_of(scheme)}
    assert len(keyed) == len(metrics_of(scheme))
    return keyed


def loop(truth, pred, classes: int):
    matrix = np.zeros((classes, classes), dtype=np.int64)
    for t, p in zip(truth.ravel().tolist(), pred.ravel().tolist(), strict=True):
        matrix[t, p] += 1
    return matrix


@pytest.mark.parametrize("classes", [1, 2, 3, 11, 15, 16, 17, 19, 181, 182])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (8, 8)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.int32])
def test_confusion_equals_a_plain_loop(classes, shape, dtype):
    truth, pred = maps(classes, n=1, shape=shape, dtype=dtype)
    truth[0, 0, 0] = pred[0, -1, -1] = classes - 1
    found = confusion(truth[0], pred[0], classes)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, loop(truth[0], pred[0], classes))


def test_confusion_of_views_and_mixed_types():
    truth, pred = maps(11, n=1)
    expected = loop(truth[0, ::2, ::-1].copy(), pred[0, ::2, ::-1].copy(), 11)
    np.testing.assert_array_equal(confusion(truth[0, ::2, ::-1], pred[0, ::2, ::-1].astype(np.int16), 11), expected)
    np.testing.assert_array_equal(confusion(truth[0].T, pred[0].T, 11), loop(truth[0], pred[0], 11))


@pytest.mark.parametrize("classes", [11, 19])
@pytest.mark.parametrize(("bad", "named"), [(255, "class 255"), (200, "class 200")])
def test_an_id_outside_is_named_on_either_side(classes, bad, named):
    good = np.zeros((4, 4), dtype=np.uint8)
    wrong = good.copy()
    wrong[2, 3] = bad
    with pytest.raises(DataError, match=f"label map holds {named}"):
        confusion(wrong, good, classes)
    with pytest.raises(DataError, match=f"prediction holds {named}"):
        confusion(good, wrong, classes)
    wrong[2, 3] = classes
    with pytest.raises(DataError, match=f"prediction holds class {classes}; the ids are 0..{classes - 1}"):
        confusion(good, wrong, classes)
    with pytest.raises(DataError, match="prediction holds class -1"):
        confusion(good, good.astype(np.int16) - 1, classes)


@pytest.mark.parametrize(
    ("truth", "pred", "message"),
    [
        (np.zeros((4, 5), int), np.zeros((5, 4), int), "prediction is 5 x 4, the label map 4 x 5"),
        (np.zeros((4, 5), int), np.zeros((4, 5)), "prediction holds float64, not integer class ids"),
        (np.zeros(5, int), np.zeros(5, int), r"label map has shape \(5,\)"),
        (np.zeros((0, 5), int), np.zeros((0, 5), int), "at least one pixel"),
    ],
)
def test_maps_that_cannot_be_compared_say_why(truth, pred, message):
    with pytest.raises(DataError, match=message):
        confusion(truth, pred, 11)


def test_scores_by_hand():
    # Truth:      0 0 0 1 1 1 2     background 3, skin 3, hair 1
    # Prediction: 0 0 1 1 1 2 2     background 2, skin 3, hair 2
    # Hits: 2, 2, 1. F1: 4/5, 4/6, 2/3. IoU: 2/3, 2/4, 1/2.
    truth, pred = np.array([[0, 0, 0, 1, 1, 1, 2]]), np.array([[0, 0, 1, 1, 1, 2, 2]])
    columns = table([truth], [pred], 3)
    value = {key: m.value(columns) for key, m in by_key(THREE).items()}
    assert value == pytest.approx(
        {
            ("mean-fg2", "f1"): 200 / 3,
            ("mean-present-fg", "f1"): 200 / 3,
            ("background", "f1"): 80.0,
            ("skin", "f1"): 200 / 3,
            ("hair", "f1"): 200 / 3,
            # skin and hair as one: 4 hits, 4 of truth, 5 predicted: 8/9
            ("head", "f1"): 800 / 9,
            ("mean", "miou"): 100 * (2 / 3 + 1 / 2 + 1 / 2) / 3,
            ("all", "accuracy"): 500 / 7,
            # 2/3, 2/3, 1/1
            ("mean", "accuracy"): 100 * (2 / 3 + 2 / 3 + 1) / 3,
        }
    )


@given(SEEDS)
def test_pooled_f1_equals_precision_and_recall_over_all_pixels(seed):
    truth, pred = maps(11, seed)
    metrics, columns = by_key(LAPA11), table(truth, pred, 11)
    f1 = []
    for k, name in enumerate(LAPA11.classes):
        hits = np.count_nonzero((truth == k) & (pred == k))
        precision, recall = hits / np.count_nonzero(pred == k), hits / np.count_nonzero(truth == k)
        f1.append(100 * 2 * precision * recall / (precision + recall))
        assert metrics[name, "f1"].value(columns) == pytest.approx(f1[-1])
    assert metrics["mean-fg10", "f1"].value(columns) == pytest.approx(np.mean(f1[1:]))
    assert metrics["all", "accuracy"].value(columns) == pytest.approx(100 * np.mean(truth == pred))


@given(SEEDS)
def test_merged_groups_equal_relabelled_maps(seed):
    truth, pred = maps(11, seed)
    columns = table(truth, pred, 11)
    for name, group in LAPA11.groups.items():
        t, p = np.isin(truth, group), np.isin(pred, group)
        expected = 200 * np.count_nonzero(t & p) / (np.count_nonzero(t) + np.count_nonzero(p))
        assert by_key(LAPA11)[name, "f1"].value(columns) == pytest.approx(expected)


@pytest.mark.parametrize("scheme", [LAPA11, CELEB19, FARL_CELEB19], ids=lambda s: s.name)
def test_a_perfect_prediction_is_one_hundred(scheme):
    truth = np.arange(scheme.size * 4).reshape(2, 2, -1) % scheme.size
    columns = table(truth, truth, scheme.size)
    assert {m.value(columns) for m in metrics_of(scheme)} == {100.0}


@pytest.mark.parametrize("scheme", [LAPA11, CELEB19, FARL_CELEB19], ids=lambda s: s.name)
def test_the_headline_comes_first_and_counts_the_foreground(scheme):
    first = metrics_of(scheme)[0]
    assert (first.slice, first.name) == (f"mean-fg{scheme.size - 1}", "f1")
    assert {(m.unit, m.direction) for m in metrics_of(scheme)} == {("%", "higher")}


def test_a_class_that_nobody_drew_has_no_score_and_no_mean():
    # Hair is in neither map: no F1 of hair, no foreground mean, no mIoU; the mean over the present classes is skin's.
    truth, pred = np.array([[0, 0, 1, 1]]), np.array([[0, 1, 1, 1]])
    columns = table([truth], [pred], 3)
    value = {key: m.value(columns) for key, m in by_key(THREE).items()}
    assert [key for key, v in value.items() if v is None] == [
        ("mean-fg2", "f1"),
        ("hair", "f1"),
        ("mean", "miou"),
        ("mean", "accuracy"),
    ]
    assert value["mean-present-fg", "f1"] == pytest.approx(value["skin", "f1"]) == pytest.approx(80.0)
    assert "hair is in neither truth nor prediction" in by_key(THREE)["hair", "f1"].undefined


def test_a_picture_of_background_alone_has_no_foreground_mean():
    blank = np.zeros((2, 2), dtype=np.uint8)
    assert by_key(THREE)["mean-present-fg", "f1"].value(table([blank], [blank], 3)) is None


def test_a_class_that_is_only_predicted_scores_zero():
    truth, pred = np.array([[0, 1, 1]]), np.array([[2, 1, 1]])
    columns = table([truth], [pred], 3)
    assert by_key(THREE)["hair", "f1"].value(columns) == 0.0
    assert by_key(THREE)["mean-fg2", "f1"].value(columns) == pytest.approx(50.0)


def test_eagr_counts_an_absent_class_as_zero():
    # IoU: background 1/2, skin 2/3, hair 0 by EAGR's rule, undefined by ours.
    truth, pred = np.array([[0, 0, 1, 1]]), np.array([[0, 1, 1, 1]])
    iou, mean, accuracy = eagr_scores(confusion(truth, pred, 3))
    assert iou == pytest.approx([50.0, 200 / 3, 0.0])
    assert mean == pytest.approx((50 + 200 / 3) / 3)
    assert accuracy == pytest.approx((50 + 100 + 0) / 3)


@given(SEEDS)
def test_splitting_the_set_into_batches_changes_nothing(seed):
    truth, pred = maps(3, seed, n=6)
    one = table([truth.reshape(-1, 11)], [pred.reshape(-1, 11)], 3)
    many = table(truth, pred, 3)
    for key, metric in by_key(THREE).items():
        assert metric.value(many) == pytest.approx(metric.value(one), rel=1e-12), key


@given(SEEDS)
def test_weights_count_images(seed):
    truth, pred = maps(3, seed, n=5)
    columns, weights = table(truth, pred, 3), np.array([[1.0, 0, 2, 1, 1], [0, 3, 0, 1, 1]])
    for metric in metrics_of(THREE):
        drawn = [{"confusion": np.repeat(columns["confusion"], w.astype(int), axis=0)} for w in weights]
        assert metric.values(columns, weights) == pytest.approx([metric.value(d) for d in drawn], rel=1e-12)


def test_the_mean_of_per_image_scores_is_another_number():
    # Image 1: 1 skin pixel, missed. Image 2: 99 skin pixels, found. Pooled F1 198/199, mean of images 1/2.
    first = (np.array([[1] + [0] * 99]), np.array([[0] * 100]))
    second = (np.array([[1] * 99 + [0]]), np.array([[1] * 99 + [0]]))
    two = LabelScheme("two", ("background", "skin"), "mean-fg1")
    assert by_key(two)["skin", "f1"].value(table(*zip(first, second, strict=True), 2)) == pytest.approx(100 * 198 / 199)
