"""`data doctor`: every layout recognised, what it lacks named, the next step a command that works."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from facebench.doctor import Finding, diagnose
from facebench.errors import DataError
from facebench.layouts import LAYOUTS
from facebench.registry import Registry

WHOLE = {
    "wflw": (
        "WFLW/WFLW_annotations/list_98pt_rect_attr_train_test/list_98pt_rect_attr_test.txt",
        "WFLW/WFLW_annotations/list_98pt_rect_attr_train_test/list_98pt_rect_attr_train.txt",
        "WFLW/WFLW_annotations/list_98pt_test/list_98pt_test_blur.txt",
        "WFLW/WFLW_images/0--Parade/a.jpg",
    ),
    "300w": tuple(
        f"300W/{folder}/a{suffix}"
        for folder in ("afw", "helen/trainset", "helen/testset", "lfpw/trainset", "lfpw/testset", "ibug", "01_Indoor")
        for suffix in (".pts", ".jpg")
    ),
    "aflw19": ("AFLW/AFLWinfo_release.mat", "AFLW/flickr/0/image1.jpg"),
    "cofw": ("COFW/COFW_test_color.mat", "COFW/COFW_train_color.mat"),
    "cofw68": ("COFW68/COFW68_Data/test_annotations/1_points.mat", "COFW/COFW_test_color.mat"),
    "merl-rav": (
        "MERL-RAV/merl_rav_labels/frontal/testset/labels/a.pts",
        "MERL-RAV/merl_rav_organized/frontal/testset/a.jpg",
    ),
    "lapa": tuple(
        f"LaPa/{split}/{name}" for split in ("train", "val", "test") for name in ("labels/a.png", "images/a.jpg")
    ),
    "celebamask-hq": (
        "CelebAMask-HQ/CelebAMask-HQ-mask-anno/0/00000_skin.png",
        "CelebAMask-HQ/CelebA-HQ-img/0.jpg",
        "CelebAMask-HQ/CelebA-HQ-to-CelebA-mapping.txt",
        "CelebA/Eval/list_eval_partition.txt",
    ),
    "now": (
        "NoW/imagepathsvalidation.txt",
        "NoW/scans/FaMoS_1/a.obj",
        "NoW/scans_lmks_onlypp/FaMoS_1/a.pp",
        "NoW/final_release_version/iphone_pictures/FaMoS_1/selfie/a.jpg",
    ),
}


def lay(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def of(root: Path, dataset: str | None) -> Finding:
    (found,) = [finding for finding in diagnose(root) if finding.dataset == dataset]
    return found


def run(command: str) -> None:
    subprocess.run(["bash", "-ec", command], check=True)


def test_every_built_in_landmark_parsing_and_scan_set_has_a_layout() -> None:
    known = {entry.name: entry.load() for entry in Registry().entries("datasets")}
    assert {layout.dataset for layout in LAYOUTS} == set(WHOLE)
    for layout in LAYOUTS:
        if layout.dataset in known:
            assert known[layout.dataset].folder == layout.folder


@pytest.mark.parametrize("dataset", WHOLE)
def test_a_whole_set_in_its_place_is_ready(tmp_path: Path, dataset: str) -> None:
    for names in WHOLE.values():  # with all the others around it
        lay(tmp_path, *names)
    found = of(tmp_path, dataset)
    assert (found.state, found.missing) == ("ready", ())
    assert found.todo == (f"facebench data verify {dataset} --data {tmp_path}",)


@pytest.mark.parametrize("dataset", WHOLE)
def test_a_sets_own_folder_is_ready_as_well(tmp_path: Path, dataset: str) -> None:
    lay(tmp_path, *WHOLE[dataset])
    folder = next(layout.folder for layout in LAYOUTS if layout.dataset == dataset)
    assert of(tmp_path / folder, dataset).state == "ready"


@pytest.mark.parametrize("dataset", WHOLE)
def test_each_missing_piece_is_named_and_so_is_its_source(tmp_path: Path, dataset: str) -> None:
    layout = next(layout for layout in LAYOUTS if layout.dataset == dataset)
    for number, piece in enumerate(layout.pieces):
        root = tmp_path / str(number)
        lay(root, *WHOLE[dataset])
        for pattern in piece.any_of:
            for path in (root / layout.folder).glob(pattern) if "*" in pattern else [root / layout.folder / pattern]:
                path.unlink(missing_ok=True)
        found = next((f for f in diagnose(root) if f.dataset == dataset), None)
        if found is None:
            continue  # that piece was all there was to know it by
        assert piece.what in found.missing
        needed = [p for p in layout.pieces if p.what in found.missing and p.what != "private test set"]
        without = "incomplete" if any(p.for_score for p in needed) else "score-only"
        assert found.state == (without if needed else "ready")
        assert any(piece.what in step and piece.source in step for step in found.todo)


def test_300w_without_its_private_test_is_ready_and_says_where_that_is_had(tmp_path: Path) -> None:
    lay(tmp_path, *(name for name in WHOLE["300w"] if "01_Indoor" not in name), "300w.zip.001")
    sets, archives = diagnose(tmp_path)
    assert (sets.state, sets.missing) == ("ready", ("private test set",))
    assert "300W.zip.001" in sets.todo[0]
    assert archives.state == "archive"


@pytest.mark.parametrize("dataset", WHOLE)
def test_a_misplaced_set_is_ready_after_the_command(tmp_path: Path, dataset: str) -> None:
    layout = next(layout for layout in LAYOUTS if layout.dataset == dataset)
    lay(tmp_path, *WHOLE[dataset])
    deep = tmp_path / "my data" / "old disk"
    deep.mkdir(parents=True)
    (tmp_path / layout.folder).rename(deep / "copy")
    beside = [name for name in WHOLE[dataset] if not name.startswith(layout.folder + "/")]
    if beside:
        shutil.copytree(tmp_path / beside[0].split("/")[0], deep / beside[0].split("/")[0])
    found = of(tmp_path, dataset)
    assert found.state == "misplaced"
    assert found.path == deep / "copy"
    run(found.todo[0])
    after = [f for f in diagnose(tmp_path) if f.dataset == dataset]
    assert [f.state for f in after] == ["ready"]


def test_a_set_in_two_places_is_put_together_and_its_neighbours_stay(tmp_path: Path) -> None:
    lay(tmp_path, *(name for names in WHOLE.values() for name in names))
    (tmp_path / "WFLW" / "WFLW_images").rename(tmp_path / "WFLW_images")
    stray = next(f for f in diagnose(tmp_path) if f.dataset == "wflw" and f.path == tmp_path)
    assert stray.state == "misplaced"
    assert stray.todo[0] == f"mv -n {tmp_path / 'WFLW_images'} {tmp_path / 'WFLW'}/"
    run(stray.todo[0])
    assert all(finding.state == "ready" for finding in diagnose(tmp_path))


def test_a_package_with_one_folder_too_many_is_moved_up(tmp_path: Path) -> None:
    lay(tmp_path / "LaPa", *WHOLE["lapa"])
    found = of(tmp_path, "lapa")
    assert (found.state, found.path) == ("misplaced", tmp_path / "LaPa" / "LaPa")
    run(found.todo[0])
    assert of(tmp_path, "lapa").state == "ready"


def test_wrapping_folders_that_the_loaders_see_through_are_at_home(tmp_path: Path) -> None:
    lay(tmp_path / "300W", *(name.replace("300W/", "300w/") for name in WHOLE["300w"]))
    lay(tmp_path / "COFW/COFW_color/common/xpburgos/behavior/code/pose", "COFW_test_color.mat", "COFW_train_color.mat")
    assert of(tmp_path, "300w").state == "ready"
    assert of(tmp_path, "cofw").state == "ready"


def test_ready_label_maps_point_to_the_set_that_takes_them(tmp_path: Path) -> None:
    lay(tmp_path, *WHOLE["celebamask-hq"][1:], "CelebAMask-HQ/CelebAMask-HQ-label/0.png")
    found = of(tmp_path, "celebamask-hq")
    assert found.state == "incomplete"
    assert any("celebamask-hq-official" in step for step in found.todo)


def test_hrnet_tables_stand_in_for_official_lists(tmp_path: Path) -> None:
    lay(tmp_path, "WFLW/face_landmarks_wflw_test.csv", "300W/face_landmarks_300w_valid.csv")
    assert of(tmp_path, "wflw").state == "score-only"
    assert of(tmp_path, "300w").state == "score-only"


@pytest.mark.parametrize(
    ("name", "dataset", "command"),
    [
        ("WFLW_images.tar.gz", "wflw", "tar -xf"),
        ("300w.zip.001", "300w", "cat"),
        ("COFW_color.zip", "cofw", "unzip"),
        ("cofw68-benchmark-master.zip", "cofw68", "unzip"),
        ("aflw-images-0.tar.gz", "aflw19", "tar"),
        ("MERL-RAV_dataset-master.zip", "merl-rav", "unzip"),
        ("LaPa.tar.gz", "lapa", "tar"),
        ("CelebAMask-HQ.zip", "celebamask-hq", "unzip"),
        ("NoW_Dataset.zip", "now", "unzip"),
        ("helen.7z", "300w", "7z"),
        ("lfpw.rar", "300w", "unrar"),
        ("holiday.zip", None, "before unpacking"),
    ],
)
def test_archives_that_were_not_unpacked(tmp_path: Path, name: str, dataset: str | None, command: str) -> None:
    lay(tmp_path, f"downloads/{name}")
    found = of(tmp_path, dataset)
    assert (found.state, found.path.name) == ("archive", name)
    assert command in found.todo[0]


def test_an_unpacking_command_does_what_it_says(tmp_path: Path) -> None:
    root = tmp_path / "it's data"
    root.mkdir()
    lay(tmp_path / "away", *(name.removeprefix("COFW/") for name in WHOLE["cofw"]))
    with zipfile.ZipFile(root / "COFW_color.zip", "w") as archive:
        for name in WHOLE["cofw"]:
            archive.write(tmp_path / "away" / name.removeprefix("COFW/"), name.removeprefix("COFW/"))
    assert shutil.which("unzip") or pytest.skip("unzip is not installed")
    run(of(root, "cofw").todo[0])
    # Once the set is whole, its package is no longer news.
    assert of(root, "cofw").state == "ready"
    assert shlex.quote(str(root)) in of(root, "cofw").todo[0]


def test_an_empty_folder_says_where_things_belong(tmp_path: Path) -> None:
    lay(tmp_path, "notes.txt", "runs/1/result.json", "coco/train/labels/1.txt", "coco/train/images/1.jpg")
    (found,) = diagnose(tmp_path)
    assert (found.state, found.dataset) == ("nothing", None)
    assert "CelebAMask-HQ/" in found.todo[0]


def test_a_missing_root_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        diagnose(tmp_path / "gone")


def test_links_in_a_circle_end_and_nothing_is_changed(tmp_path: Path) -> None:
    lay(tmp_path, *WHOLE["aflw19"])
    (tmp_path / "AFLW" / "again").symlink_to(tmp_path)
    before = sorted(p.name for p in tmp_path.iterdir())
    assert of(tmp_path, "aflw19").state == "ready"
    assert sorted(p.name for p in tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("dataset", "name", "samples"), [("300w", "w300_choidm", 689), ("wflw", "wflw_subset_lists", None)]
)
def test_real_annotations_are_recognised_and_load_once_linked(
    shared_data: Path, tmp_path: Path, dataset: str, name: str, samples: int | None
) -> None:
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / name).symlink_to(shared_data / name)
    found = of(tmp_path, dataset)
    assert found.state == "misplaced"
    assert {"pictures"} <= set(found.missing)
    run(found.todo[0])
    (linked,) = [f for f in diagnose(tmp_path) if f.dataset == dataset]
    assert linked.state == "score-only"
    loaded = Registry().get("datasets", dataset).samples(tmp_path, "test")
    assert len(loaded) == (samples or len(loaded))
