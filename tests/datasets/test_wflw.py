"""WFLW in its official lists, in HRNet's csv and from subset lists alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facebench.datasets.held_out import is_held_out
from facebench.datasets.wflw import DATASET
from facebench.errors import DataError
from facebench.types import Landmarks, Sample
from tests.datasets.trees import points, wflw_line, write_hrnet_csv, write_subset_list, write_wflw

A, B, C = points(98), points(98, x=200.0), points(98, x=300.75, y=-7.5)
SHARED, OTHER = "1--Handshaking/1_Handshaking_1.jpg", "2--Demonstration/2_x_599.jpg"


def whole_tree(root: Path) -> Path:
    write_wflw(
        root,
        "test",
        [
            wflw_line(A, SHARED, rect=(1, 2, 30, 40), attributes=(1, 0, 0, 0, 0, 1)),
            wflw_line(B, SHARED, attributes=(0, 1, 1, 1, 1, 0)),
            wflw_line(C, OTHER),
        ],
    )
    return root


def landmarks(sample: Sample) -> Landmarks:
    assert isinstance(sample.target, Landmarks)
    return sample.target


def test_every_field(tmp_path: Path) -> None:
    (tmp_path / "WFLW").mkdir()
    samples = DATASET.samples(whole_tree(tmp_path / "WFLW").parent, "test")
    first = samples[0]
    # The first landmark of A is (10, 20), of C (300.75, -7.5): rounded half to even.
    assert [s.id for s in samples] == [f"{SHARED}#10,20", f"{SHARED}#200,20", f"{OTHER}#301,-8"]
    assert first.image == tmp_path / "WFLW" / "WFLW_images" / SHARED
    assert first.box == (1, 2, 30, 40)
    assert first.subsets == {"pose", "blur"}
    assert samples[1].subsets == {"expression", "illumination", "makeup", "occlusion"}
    assert samples[2].subsets == frozenset()
    assert first.cluster == samples[1].cluster == SHARED
    for sample, face in zip(samples, (A, B, C), strict=True):
        assert np.array_equal(landmarks(sample).points, face)
        assert landmarks(sample).visible is None


def test_own_folder_as_root_and_subsets(tmp_path: Path) -> None:
    root = whole_tree(tmp_path)
    assert [s.id for s in DATASET.samples(root, "blur")] == [f"{SHARED}#10,20"]
    assert [s.id for s in DATASET.samples(root, "largepose")] == [f"{SHARED}#10,20"]
    assert len(DATASET.samples(root, "full")) == 3


def test_train_is_cut_by_picture(tmp_path: Path) -> None:
    pictures = [f"9--Press/{i}.jpg" for i in range(40)]
    lines = [wflw_line(points(98, x=x), p) for p in pictures for x in (10.0, 90.0)]
    write_wflw(tmp_path, "train", lines)
    train, val, both = (DATASET.samples(tmp_path, s) for s in ("train", "val", "trainval"))
    assert {s.id for s in train} | {s.id for s in val} == {s.id for s in both}
    assert len(train) + len(val) == len(both) == 80
    assert {s.cluster for s in val} == {p for p in pictures if is_held_out(p)}
    assert not {s.cluster for s in val} & {s.cluster for s in train}


def test_ids_agree_across_lists(tmp_path: Path) -> None:
    lists, csv, subsets = whole_tree(tmp_path / "a"), tmp_path / "b", tmp_path / "c"
    # HRNet's csv holds the numbers in single precision; the first landmark is printed alike.
    rows = [(SHARED, np.float32(A) + 1e-5), (SHARED, B), (OTHER, C)]
    write_hrnet_csv(csv / "face_landmarks_wflw_test.csv", rows)
    write_hrnet_csv(csv / "face_landmarks_wflw_test_blur.csv", rows[:1])
    write_hrnet_csv(csv / "face_landmarks_wflw_test_largepose.csv", rows[:1])
    write_subset_list(subsets, "blur", [(A, SHARED)])
    write_subset_list(subsets, "largepose", [(A, SHARED)])
    write_subset_list(subsets, "makeup", [(B, SHARED)])
    by_id = {s.id: s for s in DATASET.samples(lists, "test")}
    assert [s.id for s in DATASET.samples(csv, "test")] == list(by_id)
    assert [s.id for s in DATASET.samples(csv, "blur")] == [f"{SHARED}#10,20"]
    found = DATASET.samples(subsets, "test")
    assert [s.id for s in found] == [f"{SHARED}#10,20", f"{SHARED}#200,20"]
    assert found[0].subsets == by_id[found[0].id].subsets == {"blur", "pose"}
    assert found[0].box is None


def test_subset_lists_alone_serve_their_subset_only(tmp_path: Path) -> None:
    write_subset_list(tmp_path, "blur", [(A, SHARED), (B, SHARED)])
    assert len(DATASET.samples(tmp_path, "blur")) == 2
    with pytest.raises(DataError, match="no sample found"):
        DATASET.samples(tmp_path, "makeup")
    with pytest.raises(DataError, match="list_98pt_rect_attr_train"):
        DATASET.samples(tmp_path, "train")


def test_subset_list_against_the_attributes(tmp_path: Path) -> None:
    root = whole_tree(tmp_path)
    write_subset_list(root, "blur", [(A, SHARED)])
    assert len(DATASET.samples(root, "blur")) == 1
    write_subset_list(root, "makeup", [(C, OTHER)])
    with pytest.raises(DataError, match=r"2_x_599\.jpg#301,-8 is in the subset list of makeup"):
        DATASET.samples(root, "test")


def test_landmarks_outside_the_picture_are_legal(tmp_path: Path) -> None:
    face = points(98, x=-104.807999, y=-6.3499)
    write_wflw(tmp_path, "test", [wflw_line(face, OTHER)])
    (sample,) = DATASET.samples(tmp_path, "test")
    assert landmarks(sample).points.min() < -100


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (" ".join(wflw_line(A, OTHER).split()[1:]), "206 words, expected 207"),
        (wflw_line(A, OTHER) + " x", "208 words, expected 207"),
        (wflw_line(np.where(A == 20.0, np.nan, A), OTHER), "number 2 is 'nan'"),
        (wflw_line(A, OTHER, attributes=(0, 0, 2, 0, 0, 0)), "attributes '0 0 2 0 0 0'"),
        (wflw_line(A, OTHER, rect=(1, 2, np.inf, 4)), "number 3 is 'inf'"),
        (wflw_line(A, "../../secret.jpg"), "image path '../../secret.jpg'"),
        (wflw_line(A, "/etc/passwd"), "image path '/etc/passwd'"),
        (wflw_line(A, OTHER).replace("20.500000", "2O.5"), "'2O.5' is not a number"),
    ],
)
def test_broken_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    file = write_wflw(tmp_path, "test", [wflw_line(B, SHARED), line])
    with pytest.raises(DataError) as caught:
        DATASET.samples(tmp_path, "test")
    assert f"{file}:2: " in str(caught.value)
    assert said in str(caught.value)


def test_doubled_face(tmp_path: Path) -> None:
    write_wflw(tmp_path, "test", [wflw_line(A, OTHER), wflw_line(B, OTHER), wflw_line(A + 0.1, OTHER)])
    with pytest.raises(DataError, match=r"1 doubled id\(s\), first '2--Demonstration/2_x_599.jpg#10,20'"):
        DATASET.samples(tmp_path, "test")


def test_doubled_in_a_subset_list(tmp_path: Path) -> None:
    write_subset_list(tmp_path, "blur", [(A, SHARED), (A, SHARED)])
    with pytest.raises(DataError, match="doubled"):
        DATASET.samples(tmp_path, "blur")


def test_missing_root(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        DATASET.samples(tmp_path / "none", "test")
    with pytest.raises(DataError, match="list_98pt_rect_attr_test"):
        DATASET.samples(tmp_path, "test")


def test_official_numbers() -> None:
    assert DATASET.sizes["test"] == 2500
    assert DATASET.sizes["trainval"] == 7500
    assert list(DATASET.subset_sizes.values()) == [326, 314, 698, 206, 736, 773]
    assert DATASET.headline[0] == "wflw/test/all/nme-ioc"
