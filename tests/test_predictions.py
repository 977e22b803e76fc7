"""Predictions opened by task, and their ids held against a split."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facebench.errors import DataError, UsageError
from facebench.predictions import (
    Fit,
    LabelFolder,
    check_ids,
    open_predictions,
    read_landmarks,
    write_label_map,
    write_landmarks,
)
from facebench.schemes import AFLW19, CELEB19, LAPA11, LabelScheme, LandmarkScheme
from facebench.types import Dataset, Landmarks, Sample


def sample(name: str, target: Any = None) -> Sample:
    return Sample(id=name, image=Path("none.jpg"), box=None, target=target)


def face(name: str, size: int = 3, located: Sequence[bool] | None = None) -> Sample:
    flags = None if located is None else np.array(located)
    return sample(name, Landmarks(points=np.zeros((size, 2)), located=flags))


def dataset(task: Any, scheme: LandmarkScheme | LabelScheme | None) -> Dataset:
    return Dataset(
        name="made-up",
        title="made up",
        task=task,
        folder="made-up",
        layout=(),
        licence="none",
        citation="none",
        load=lambda root, split: (),
        sizes={"test": None},
        scheme=scheme,
    )


def test_another_label_order_is_translated_by_class_name(tmp_path: Path) -> None:
    # FaRL: 1 neck, 2 skin, 10 nose, 18 necklace; official: 17, 1, 2, 16 (PROTOCOLS 7.3).
    write_label_map(tmp_path, "a", np.array([[0, 1, 2, 10, 18]]))
    folder = open_predictions(dataset("parsing", CELEB19), tmp_path, settings={"label_order": "farl-celeb19"})
    np.testing.assert_array_equal(folder.read(sample("a")), [[0, 17, 1, 2, 16]])
    plain = open_predictions(dataset("parsing", CELEB19), tmp_path)
    np.testing.assert_array_equal(plain.read(sample("a")), [[0, 1, 2, 10, 18]])


def test_label_orders_that_make_no_sense_are_usage_errors(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", ids=np.array(["a"]), points=np.zeros((1, 19, 2)))
    for task, scheme, path, order in [
        ("parsing", LAPA11, tmp_path, "celeb19"),
        ("parsing", CELEB19, tmp_path, "celeb91"),
        ("landmarks", AFLW19, tmp_path / "p.npz", "celeb19"),
    ]:
        with pytest.raises(UsageError, match="label order"):
            open_predictions(dataset(task, scheme), path, settings={"label_order": order})


def test_predictions_are_opened_by_task_and_the_wrong_kind_is_named(tmp_path: Path) -> None:
    write_landmarks(tmp_path / "p.npz", ["a"], np.zeros((1, 19, 2)))
    found = open_predictions(dataset("landmarks", AFLW19), tmp_path / "p.npz")
    assert found.read(face("a", 19)).shape == (19, 2)
    write_landmarks(tmp_path / "q.npz", ["a"], np.zeros((1, 68, 2)))
    with pytest.raises(DataError, match="holds 68 points a face; made-up has 19"):
        open_predictions(dataset("landmarks", AFLW19), tmp_path / "q.npz")
    with pytest.raises(DataError, match="not a folder"):
        open_predictions(dataset("parsing", LAPA11), tmp_path / "p.npz")
    with pytest.raises(DataError, match="do not exist"):
        open_predictions(dataset("landmarks", AFLW19), tmp_path / "gone.npz")


def labels_of(tmp_path: Path, *names: str) -> LabelFolder:
    for name in names:
        write_label_map(tmp_path, name, np.zeros((1, 1)))
    return LabelFolder(tmp_path, scheme=LAPA11, order=LAPA11)


def test_a_folder_that_fits_has_nothing_missing(tmp_path: Path) -> None:
    found = labels_of(tmp_path, "a", "b")
    assert check_ids(found, [sample("a"), sample("b")], allow_missing=False) == Fit({}, ())


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    labels_of(tmp_path, "a", "x1", "x2", "x3", "x4")
    (tmp_path / "a.PNG").write_bytes((tmp_path / "a.png").read_bytes())
    found = LabelFolder(tmp_path, scheme=LAPA11, order=LAPA11)
    with pytest.raises(DataError) as caught:
        check_ids(found, [sample(n) for n in ("a", "b", "c")], allow_missing=False)
    text = str(caught.value)
    assert caught.value.exit_code == 3
    assert "1 doubled ('a')" in text
    assert "2 missing ('b', 'c')" in text
    assert "4 unknown to this split ('x1', 'x2', 'x3', ...)" in text
    fit = check_ids(found, [sample(n) for n in ("b", "a")], allow_missing=True)
    assert fit.unusable == {
        "a": "2 predictions; which of them is meant cannot be known",
        "b": "no prediction",
    }
    assert fit.unknown == ("x1", "x2", "x3", "x4")


def test_missing_and_unknown_ids_pass_with_leave(tmp_path: Path) -> None:
    found = labels_of(tmp_path, "a", "other")
    samples = [sample(n) for n in ("b", "a", "c")]
    fit = check_ids(found, samples, allow_missing=True)
    assert fit == Fit({"b": "no prediction", "c": "no prediction"}, ("other",))
    assert check_ids(found, samples, allow_missing=True, also_known=["other"]).unknown == ()
    with pytest.raises(DataError, match="--allow-missing"):
        check_ids(found, samples, allow_missing=False)


def test_predictions_of_which_none_fits_are_never_accepted(tmp_path: Path) -> None:
    found = labels_of(tmp_path, "00001", "00002")
    with pytest.raises(DataError, match=r"2 missing \('1', '2'\); 2 unknown .*data ids"):
        check_ids(found, [sample("1"), sample("2")], allow_missing=True)


def test_doubled_ids_in_npz_and_json_are_seen(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", ids=np.array(["a", "b", "a"]), points=np.zeros((3, 3, 2)))
    (tmp_path / "p.json").write_text('{"a": [[1, 2]], "b": [[1, 2]], "a": [[3, 4]]}')
    for name in ("p.npz", "p.json"):
        with pytest.raises(DataError, match=r"1 doubled \('a'\)"):
            check_ids(read_landmarks(tmp_path / name), [sample("a"), sample("b")], allow_missing=False)
        assert list(check_ids(read_landmarks(tmp_path / name), [sample("a")], allow_missing=True).unusable) == ["a"]


def test_a_submission_folder_is_opened_for_scans(tmp_path: Path) -> None:
    pytest.importorskip("facebench.now_predictions")
    (tmp_path / "FaMoS_1" / "selfie").mkdir(parents=True)
    (tmp_path / "FaMoS_1" / "selfie" / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    found = open_predictions(dataset("reconstruction", None), tmp_path, settings={"unit": "mm"})
    assert list(found.ids()) == ["FaMoS_1/selfie/a"]


def test_opening_predictions_loads_no_picture_library() -> None:
    names = "facebench.predictions, facebench.doctor, facebench.data_check"
    code = f"import sys, {names}; print({{'cv2', 'PIL'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_rest_of_the_split_is_no_mistake_where_a_subset_is_scored(tmp_path: Path) -> None:
    found = labels_of(tmp_path, "a", "b", "stray")
    with pytest.raises(DataError, match=r"1 unknown to this split \('stray'\)"):
        check_ids(found, [sample("a")], allow_missing=False, also_known=["b"])
    assert check_ids(found, [sample("a")], allow_missing=False, also_known=["b", "stray"]) == Fit({}, ())
