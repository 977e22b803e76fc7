"""NoW in its official layout: lists, scans, training pairs, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from facebench.datasets import now
from facebench.datasets.now import CHALLENGES, DATASET
from facebench.errors import DataError, UsageError
from facebench.types import Mesh, Sample, Scan, ScanFiles, revision
from tests.datasets.now_tree import write_obj, write_pp, write_val

ENTRIES = [f"{subject}/{challenge}/IMG_{k}.jpg" for subject in ("A", "B") for k, challenge in enumerate(CHALLENGES)]


def scan(size: float = 1.0) -> Scan:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 2.0]]) * size
    return Scan(Mesh(vertices, np.array([[0, 1, 2], [1, 3, 2]])), np.arange(21.0).reshape(7, 3) / 7)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_val(tmp_path / "NoW", {"A": scan(1), "B": scan(2)}, ENTRIES)
    return tmp_path


def read(sample: Sample) -> Scan:
    assert isinstance(sample.target, ScanFiles)
    return sample.target.read()


def rewrite(root: Path, lines: list[str], name: str = "imagepathsvalidation.txt") -> None:
    (root / "NoW" / name).write_text("".join(f"{line}\n" for line in lines), "utf-8")


def test_val_in_the_order_of_the_list(root: Path) -> None:
    samples = DATASET.samples(root, "val")
    assert [s.id for s in samples] == [entry.removesuffix(".jpg") for entry in ENTRIES]
    assert [s.subsets for s in samples[:4]] == [frozenset({challenge}) for challenge in CHALLENGES]
    assert [s.cluster for s in samples] == ["A"] * 4 + ["B"] * 4
    assert samples[0].image == root / "NoW/final_release_version/iphone_pictures/A/multiview_neutral/IMG_0.jpg"
    assert samples[0].box is None
    np.testing.assert_array_equal(read(samples[4]).mesh.vertices, scan(2).mesh.vertices)
    # Landmarks are in single precision, as the official reader holds them.
    np.testing.assert_array_equal(read(samples[0]).landmarks, scan().landmarks.astype(np.float32))


def test_only_the_last_three_parts_of_a_line_count(root: Path) -> None:
    rewrite(root, [f"NoW/iphone_pictures/{entry}" for entry in ENTRIES])
    assert [s.id for s in DATASET.samples(root, "val")] == [entry.removesuffix(".jpg") for entry in ENTRIES]


def test_the_headline_is_the_published_one() -> None:
    assert DATASET.headline[0] == "now/val/all/median"
    assert DATASET.default_split == "val"


def test_a_scan_is_read_once_and_again_when_it_changes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Path] = []
    whole = now.read_mesh
    monkeypatch.setattr(now, "read_mesh", lambda path: calls.append(path) or whole(path))
    samples = DATASET.samples(root, "val")
    first = [read(s) for s in samples]
    assert len(calls) == 2
    assert first[0] is first[3]
    path = root / "NoW/scans/A/A.obj"
    write_obj(path, scan(7).mesh.vertices, scan(7).mesh.faces)
    os.utime(path, ns=(1, 1))
    assert read(samples[0]).mesh.vertices.max() == 14


def test_the_first_file_by_name_is_the_scan(root: Path) -> None:
    write_obj(root / "NoW/scans/A/0.obj", scan(9).mesh.vertices, scan(9).mesh.faces)
    assert read(DATASET.samples(root, "val")[0]).mesh.vertices.max() == 18


def test_revision_follows_the_scans(root: Path) -> None:
    before = revision(DATASET.samples(root, "val"))
    assert before == revision(DATASET.samples(root, "val"))
    write_pp(root / "NoW/scans_lmks_onlypp/B/B.pp", scan().landmarks + 1)
    assert revision(DATASET.samples(root, "val")) != before


def test_boxes_are_never_unpickled(root: Path) -> None:
    box = root / "NoW/final_release_version/detected_face/A/multiview_neutral/IMG_0.npy"
    box.parent.mkdir(parents=True)
    np.save(box, np.array({"left": 1}, dtype=object), allow_pickle=True)
    assert DATASET.samples(root, "val")[0].box is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("../../etc/A/selfie/x.jpg", "not a path below"),
        ("A/../selfie/x.jpg", "not a path below"),
        ("/../A/selfie/x.jpg", "not a path below"),
        ("C:/A/selfie/x.jpg", "not a path below"),
        ("A\\..\\selfie\\x.jpg", "not a path below"),
        ("selfie/x.jpg", "not <subject>/<challenge>/<picture>.jpg"),
        ("A/selfie/x", "not <subject>/<challenge>/<picture>.jpg"),
        ("A/selfies/x.jpg", "challenge 'selfies' is none of multiview_neutral"),
        ("A/multiview_neutral/IMG_0.jpg", "listed twice; it first stands on line 1"),
        ("A/multiview_neutral/IMG_0.png", "listed twice"),
    ],
)
def test_hostile_and_doubled_lines_are_named(root: Path, line: str, message: str) -> None:
    rewrite(root, [*ENTRIES, "", line])
    with pytest.raises(DataError, match=message) as caught:
        DATASET.samples(root, "val")
    assert f"imagepathsvalidation.txt:{len(ENTRIES) + 2}: " in str(caught.value)


def test_a_line_may_name_a_folder_of_another_machine(root: Path) -> None:
    rewrite(root, ["/other/machine/iphone_pictures/A/selfie/x.jpg", "somewhere/A/selfie/y.jpg", "A/selfie/z.JPG"])
    samples = DATASET.samples(root, "val")
    assert [s.id for s in samples] == ["A/selfie/x", "A/selfie/y", "A/selfie/z"]
    assert samples[0].image == root / "NoW/final_release_version/iphone_pictures/A/selfie/x.jpg"


def test_a_half_copied_set_says_what_is_missing(root: Path) -> None:
    (root / "NoW/scans_lmks_onlypp/B/B.pp").unlink()
    with pytest.raises(DataError, match=r"no scans/<subject>/\*\.obj .* for 1 of 2 subjects \(B\)"):
        DATASET.samples(root, "val")


def test_missing_lists_and_roots(root: Path) -> None:
    with pytest.raises(DataError, match=r"imagepathstest\.txt does not exist"):
        DATASET.samples(root, "test")
    with pytest.raises(DataError, match="does not exist"):
        DATASET.samples(root / "gone", "val")
    with pytest.raises(UsageError, match="split of now"):
        DATASET.samples(root, "validation")
    rewrite(root, [])
    with pytest.raises(DataError, match="no sample found"):
        DATASET.samples(root, "val")


def test_damaged_scans_are_named_when_read(root: Path) -> None:
    (root / "NoW/scans/A/A.obj").write_text("v 0 0 0\n", "utf-8")
    samples = DATASET.samples(root, "val")
    with pytest.raises(DataError, match=r"A\.obj is empty"):
        read(samples[0])
    (root / "NoW/scans/A/A.obj").unlink()
    with pytest.raises(DataError, match=r"A\.obj does not exist"):
        read(samples[0])


def test_test_pictures_are_listed_but_their_scans_are_private(root: Path) -> None:
    rewrite(root, ["C/selfie/IMG_9.jpg"], "imagepathstest.txt")
    (sample,) = DATASET.samples(root, "test")
    assert sample.id == "C/selfie/IMG_9"
    assert revision([sample])
    with pytest.raises(DataError, match="test subject C is private"):
        read(sample)
    write_obj(root / "NoW/scans/C/C.obj", scan().mesh.vertices, scan().mesh.faces)
    write_pp(root / "NoW/scans_lmks_onlypp/C/C.pp", scan().landmarks)
    assert len(read(DATASET.samples(root, "test")[0]).mesh.faces) == 2  # whoever has the scans may score


def write_train(root: Path, pictures: list[str]) -> None:
    for picture in pictures:
        path = root / "NoW/train/images" / picture
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        subject = picture.split("/")[0]
        write_obj(root / f"NoW/train/meshes/{subject}.obj", scan().mesh.vertices, scan().mesh.faces)
        write_pp(root / f"NoW/train/meshes/{subject}.pp", scan().landmarks)


def test_training_pairs(root: Path) -> None:
    write_train(root, ["T2/selfie/a.jpg", "T1/multiview_neutral/b.png", "T1/selfie/c.JPG"])
    (root / "NoW/train/images/T1/selfie/notes.txt").write_text("not a picture", "utf-8")
    samples = DATASET.samples(root, "train")
    assert [s.id for s in samples] == ["T1/multiview_neutral/b", "T1/selfie/c", "T2/selfie/a"]
    assert all(s.image.is_file() for s in samples)
    assert samples[0].target is samples[1].target
    assert len(read(samples[2]).mesh.vertices) == 4


def test_training_pairs_that_do_not_pair(root: Path) -> None:
    with pytest.raises(DataError, match="NoW has no training pictures"):
        DATASET.samples(root, "train")
    write_train(root, ["T1/selfie/a.jpg", "T1/selfie/a.png"])
    with pytest.raises(DataError, match="1 doubled"):
        DATASET.samples(root, "train")
    (root / "NoW/train/images/T1/selfie/a.png").unlink()
    (root / "NoW/train/meshes/T1.pp").unlink()
    with pytest.raises(DataError, match=r"T1\.pp is missing"):
        DATASET.samples(root, "train")
