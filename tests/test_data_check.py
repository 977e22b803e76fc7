"""`data verify`: official numbers, missing and damaged files, doubled ids and pictures; one fault at a time."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facebench.data_check import HARMLESS, Report, Row, verify
from facebench.datasets import lapa
from facebench.errors import DataError
from facebench.types import Dataset, Landmarks, Sample

LAPA = replace(lapa.DATASET, sizes={"train": 3, "val": 1, "test": 2})


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    Image.fromarray(values).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A whole LaPa of 3 + 1 + 2 pictures."""
    for split, numbers in (("train", range(3)), ("val", range(3, 4)), ("test", range(4, 6))):
        for number in numbers:
            picture(tmp_path / "LaPa" / split / "images" / f"{number}_0.jpg", number)
            label = tmp_path / "LaPa" / split / "labels" / f"{number}_0.png"
            label.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((12, 10), number, np.uint8)).save(label)
    return tmp_path


def row(report: Report, split: str, what: str) -> Row:
    (found,) = [r for r in report.rows if (r.split, r.what) == (split, what)]
    return found


def test_a_whole_set_is_ok_and_every_split_is_counted(root: Path) -> None:
    report = verify(LAPA, root, images=True)
    assert report.ok
    assert not report.faults
    assert {(r.split, r.what, r.expected, r.found) for r in report.rows} == {
        (split, what, n, n)
        for split, n in (("train", 3), ("val", 1), ("test", 2))
        for what in ("samples", "pictures", "annotations")
    }
    assert "unverified" in row(report, "test", "samples").detail  # LaPa's sizes stand in no official code
    assert {r.what for r in verify(LAPA, root, images=False).rows} == {"samples", "pictures"}
    assert "annotations" in {r.what for r in verify(LAPA, root, images=False, deep=True).rows}
    assert "annotations" not in {r.what for r in verify(LAPA, root, images=True, deep=False).rows}


def lose(*paths: str) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        for path in paths:
            (folder / path).unlink()

    return harm


def cut(path: str) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        (folder / path).write_bytes((folder / path).read_bytes()[:-8])

    return harm


def ignore_label(folder: Path) -> None:
    Image.fromarray(np.full((12, 10), 255, np.uint8)).save(folder / "test/labels/4_0.png")


def add(folder: Path) -> None:
    picture(folder / "val/images/9_0.jpg", 9)
    Image.fromarray(np.zeros((12, 10), np.uint8)).save(folder / "val/labels/9_0.png")


def repeat(folder: Path) -> None:
    for kind, suffix in (("images", "jpg"), ("labels", "png")):
        data = (folder / "train" / kind / f"0_0.{suffix}").read_bytes()
        (folder / "test" / kind / f"0_0.{suffix}").write_bytes(data)


@pytest.mark.parametrize(
    ("harm", "split", "what", "status", "detail"),
    [
        (
            lose("test/images/4_0.jpg", "test/labels/4_0.png"),
            "test",
            "samples",
            "missing",
            "1 fewer than the official 2",
        ),
        (add, "val", "samples", "extra", "1 more than the official 1"),
        (lose("test/images/4_0.jpg"), "test", "pictures", "missing", "1 not there: .*4_0.jpg"),
        (lose("test/labels/4_0.png"), "test", "samples", "broken", "have no label map"),
        (cut("train/images/1_0.jpg"), "train", "pictures", "damaged", "1 damaged: .*1_0.jpg is cut off"),
        (cut("train/labels/1_0.png"), "train", "annotations", "damaged", "1_0.png is cut off"),
        (ignore_label, "test", "annotations", "damaged", "4_0.png: 120 pixels hold the value 255"),
        (repeat, "all", "ids", "doubled", "1 in more than one split: 0_0"),
    ],
)
def test_each_fault_is_found_where_it_is(
    root: Path, harm: Callable[[Path], None], split: str, what: str, status: str, detail: str
) -> None:
    harm(root / "LaPa")
    report = verify(LAPA, root, images=True)
    assert not report.ok
    found = row(report, split, what)
    assert found.status == status
    assert re.search(detail, found.detail), found.detail
    assert found in report.faults


def test_absent_pictures_show_without_opening_any_and_damaged_ones_do_not(root: Path) -> None:
    cut("train/images/1_0.jpg")(root / "LaPa")
    assert verify(LAPA, root, images=False).ok
    lose("train/images/1_0.jpg")(root / "LaPa")
    assert row(verify(LAPA, root, images=False), "train", "pictures").status == "missing"


def test_damaged_and_missing_pictures_are_both_named(root: Path) -> None:
    lose("train/images/0_0.jpg")(root / "LaPa")
    cut("train/images/1_0.jpg")(root / "LaPa")
    found = row(verify(LAPA, root, images=True), "train", "pictures")
    assert (found.expected, found.found, found.status) == (3, 1, "damaged")
    assert "1 damaged" in found.detail
    assert "1 not there" in found.detail


def test_equal_pictures_under_two_names_are_a_note(root: Path) -> None:
    data = (root / "LaPa/train/images/0_0.jpg").read_bytes()
    (root / "LaPa/test/images/4_0.jpg").write_bytes(data)
    report = verify(LAPA, root, images=True)
    assert report.ok
    found = row(report, "all", "pictures")
    assert found.status == "note"
    assert "0_0.jpg = " in found.detail
    assert found.status in HARMLESS


def faces(*names: str, subsets: frozenset[str] = frozenset(), image: Path = Path("none.mat#0")) -> list[Sample]:
    return [Sample(n, image, None, Landmarks(points=np.zeros((19, 2))), subsets) for n in names]


def made_up(load: Callable[[Path, str], list[Sample]], **changes: object) -> Dataset:
    return replace(LAPA, name="made-up", task="landmarks", load=load, headline=("made-up/test/all/nme",), **changes)


def test_doubled_ids_within_a_split_are_named_and_unions_are_not_blamed(tmp_path: Path) -> None:
    (tmp_path / "pictures.mat").touch()
    image = tmp_path / "pictures.mat#3"
    parts = {"train": faces("a", "b", image=image), "trainval": faces("a", "b", "c", image=image)}
    dataset = made_up(lambda _, split: parts[split], sizes={"train": None, "trainval": 3})
    assert verify(dataset, tmp_path, images=False).ok
    parts["train"] = faces("a", "a", "b", image=image)
    found = row(verify(dataset, tmp_path, images=False), "train", "ids")
    assert (found.status, found.detail) == ("doubled", "1 doubled: a")


def test_subsets_are_counted_in_their_own_split(tmp_path: Path) -> None:
    (tmp_path / "none.mat").touch()
    image = tmp_path / "none.mat#0"
    parts = {
        "test": faces("a", "b", image=image) + faces("c", subsets=frozenset({"frontal"}), image=image),
        "private": faces("d", subsets=frozenset({"indoor"}), image=image),
    }
    dataset = made_up(
        lambda _, split: parts[split],
        sizes={"test": 3, "private": 1},
        subset_sizes={"frontal": 2, "private/indoor": 1},
    )
    report = verify(dataset, tmp_path, images=False)
    assert row(report, "test/frontal", "samples").status == "missing"
    assert row(report, "private/indoor", "samples").status == "ok"
    assert [r.split for r in report.faults] == ["test/frontal"]


def test_a_split_without_official_size_may_be_absent_but_not_the_scored_one(tmp_path: Path) -> None:
    def load(folder: Path, split: str) -> list[Sample]:
        raise DataError(f"no {split}")

    report = verify(made_up(load, sizes={"train": None, "test": None}), tmp_path, images=False)
    assert row(report, "train", "samples").status == "absent"
    assert row(report, "test", "samples").status == "broken"
    empty = verify(made_up(lambda *_: [], sizes={"test": None}), tmp_path, images=False)
    assert row(empty, "test", "samples").status == "missing"


def test_a_missing_root_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        verify(LAPA, tmp_path / "gone", images=False)
