"""LaPa: layout, ids, landmarks, half-copied sets; scored on a truth moved by one pixel against a loop of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facebench.datasets.lapa import ALIGNMENT_POINTS, DATASET, landmarks_file, read_landmarks
from facebench.errors import DataError, UsageError
from facebench.evaluators.parsing import EVALUATOR
from facebench.types import LabelMap, revision

NAMES = ["10773046825_0", "10773046825_1", "HELEN_137346980_1_5"]


def build(root: Path, split: str, names: list[str], *, seed: int = 0) -> dict[str, np.ndarray]:
    """A split in the official layout; returns its label maps."""
    rng = np.random.default_rng(seed)
    folder = root / "LaPa" / split
    for kind in ("images", "labels", "landmarks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    maps = {}
    for name in names:
        maps[name] = rng.integers(0, 11, (20, 30), dtype=np.uint8)
        Image.fromarray(maps[name]).save(folder / "labels" / f"{name}.png")
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(folder / "images" / f"{name}.jpg")
        points = np.arange(212).reshape(106, 2) / 2
        text = "\n".join(["106", *(f"{x} {y}" for x, y in points)])
        (folder / "landmarks" / f"{name}.txt").write_text(text + "\n")
    return maps


def test_a_split_is_read_by_name_with_its_clusters(tmp_path: Path) -> None:
    maps = build(tmp_path, "test", NAMES)
    samples = DATASET.samples(tmp_path, "test")
    assert [s.id for s in samples] == sorted(NAMES)
    assert [s.cluster for s in samples] == ["10773046825", "10773046825", "HELEN_137346980_1"]
    assert all(s.box is None and s.image.is_file() for s in samples)
    for sample in samples:
        assert isinstance(sample.target, LabelMap)
        np.testing.assert_array_equal(sample.target.read(), maps[sample.id])
    assert [s.id for s in DATASET.samples(tmp_path / "LaPa", "test")] == [s.id for s in samples]


def test_the_revision_follows_the_label_maps(tmp_path: Path) -> None:
    build(tmp_path, "test", NAMES)
    before = revision(DATASET.samples(tmp_path, "test"))
    assert before == revision(DATASET.samples(tmp_path, "test"))
    build(tmp_path, "test", NAMES[:1], seed=9)
    assert revision(DATASET.samples(tmp_path, "test")) != before


def test_landmarks_are_beside_the_picture(tmp_path: Path) -> None:
    build(tmp_path, "val", NAMES)
    points = read_landmarks(landmarks_file(DATASET.samples(tmp_path, "val")[0]))
    assert points.shape == (106, 2)
    np.testing.assert_array_equal(points[54], [54.0, 54.5])
    assert len(set(ALIGNMENT_POINTS)) == 5
    assert max(ALIGNMENT_POINTS) < 106


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "0 lines"),
        ("105\n" + "1 2\n" * 105, "106 lines"),
        ("106\n" + "1 2\n" * 105, "106 lines"),
        ("106\n" + "1 2\n" * 105 + "1 2 3\n", ":107: 3 numbers"),
        ("106\n" + "1 2\n" * 105 + "nan 3\n", "not a finite number"),
        ("106\n" + "1 2\n" * 105 + "x 3\n", "not a number"),
    ],
)
def test_damaged_landmark_files_are_named(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(DataError, match=reason):
        read_landmarks(tmp_path / "a.txt")


def test_pictures_are_not_needed_but_label_maps_are(tmp_path: Path) -> None:
    build(tmp_path, "test", NAMES)
    folder = tmp_path / "LaPa" / "test"
    (folder / "labels" / "._junk.png").write_bytes(b"left by another system")
    for picture in (folder / "images").iterdir():
        picture.unlink()
    assert len(DATASET.samples(tmp_path, "test")) == 3
    build(tmp_path, "test", NAMES)
    (folder / "labels" / f"{NAMES[1]}.png").unlink()
    with pytest.raises(DataError, match=f"1 pictures have no label map, first {NAMES[1]}"):
        DATASET.samples(tmp_path, "test")


def test_absent_splits_and_roots_say_what_to_do(tmp_path: Path) -> None:
    build(tmp_path, "test", NAMES)
    with pytest.raises(DataError, match=r"unpack LaPa\.tar\.gz"):
        DATASET.samples(tmp_path, "train")
    with pytest.raises(DataError, match="does not exist"):
        DATASET.samples(tmp_path / "gone", "test")
    with pytest.raises(UsageError, match="split of lapa"):
        DATASET.samples(tmp_path, "tset")


@pytest.mark.parametrize("value", [11, 255])
def test_a_value_that_is_no_class_fails_that_picture(tmp_path: Path, value: int) -> None:
    build(tmp_path, "test", NAMES)
    labels = np.zeros((20, 30), np.uint8)
    labels[3, 4] = value
    Image.fromarray(labels).save(tmp_path / "LaPa" / "test" / "labels" / f"{NAMES[0]}.png")
    first = DATASET.samples(tmp_path, "test")[0]
    with pytest.raises(DataError, match=f"{NAMES[0]}.*value {value}"):
        EVALUATOR.measure(DATASET, first, np.zeros((20, 30), np.uint8), {})


def test_a_moved_truth_scores_as_a_plain_loop_counts_it(tmp_path: Path) -> None:
    maps = build(tmp_path, "test", NAMES)
    rows = [
        EVALUATOR.measure(DATASET, s, np.roll(maps[s.id], 1, axis=1), {}) for s in DATASET.samples(tmp_path, "test")
    ]
    headline = EVALUATOR.metrics(DATASET)[0]
    got = headline.value({"confusion": np.stack([row["confusion"] for row in rows])})
    hits, total = [0] * 11, [0] * 11
    for labels in maps.values():
        for y in range(20):
            for x in range(30):
                truth, said = int(labels[y, x]), int(labels[y, x - 1])
                total[truth] += 1
                total[said] += 1
                hits[truth] += truth == said
    expected = 100 * sum(2 * h / t for h, t in zip(hits[1:], total[1:], strict=True)) / 10
    assert got == pytest.approx(expected, abs=1e-9)
