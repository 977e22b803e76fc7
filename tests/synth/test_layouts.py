"""Every layout that is written is read back by the loader of the real set, and equal to what was drawn."""

from __future__ import annotations

import numpy as np
import pytest

from facebench import data_check, doctor
from facebench.datasets.celebamask_hq import FARL_ORDER, OFFICIAL_IDS
from facebench.datasets.lapa import landmarks_file, read_landmarks
from facebench.datasets.now import CHALLENGES
from facebench.images import read_image
from facebench.registry import Registry
from facebench.synth.layouts import MODULES
from facebench.synth.layouts.drawing import slice_columns
from facebench.synth.layouts.now import PER_PERSON, STYLES
from facebench.synth.scan import neutral_mesh, neutral_scan
from facebench.synth.seeds import face_seed
from facebench.testing import check_dataset, check_sample
from tests.synth.worlds import SEED, TEST, TRAIN, VERTICES, close, face, write_all

REGISTRY = Registry(())


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_all(tmp_path_factory.mktemp("world"))


def samples(name, root, split):
    return REGISTRY.get("datasets", name).samples(root, split)


def landmark_faces(name, scheme, root, split, style=lambda i: "mix"):
    """(sample, drawn face) of a landmark set in the order of the official list."""
    part = "test" if split == "test" else "train"
    found = samples(name, root, split)
    assert len(found) == (TEST if part == "test" else TRAIN)
    pairs = [(sample, face(name, part, i, style(i))) for i, sample in enumerate(found)]
    for sample, drawn in pairs:
        np.testing.assert_allclose(sample.target.points, drawn.landmarks[scheme], atol=1e-6)
    return pairs


@pytest.mark.parametrize("split", ["trainval", "test"])
def test_wflw_reads_back(root, split):
    names = {"pose", "expression", "illumination", "makeup", "occlusion", "blur"}
    for sample, drawn in landmark_faces("wflw", "wflw98", root, split):
        assert np.abs(np.array(sample.box) - drawn.box).max() <= 0.5  # whole pixels, as WFLW has them
        assert sample.subsets & names == {name for name, is_so in drawn.attributes.items() if is_so}
        assert close(read_image(sample.image), drawn.image)


def test_another_face_is_not_close():
    assert not close(face("wflw", "test", 0).image, face("wflw", "test", 1).image)


def test_wflw_has_the_official_lists(root):
    lists = root / "WFLW" / "WFLW_annotations"
    for part, size in (("train", TRAIN), ("test", TEST)):
        lines = (lists / f"list_98pt_rect_attr_train_test/list_98pt_rect_attr_{part}.txt").read_text().splitlines()
        assert [len(line.split()) for line in lines] == [207] * size
    whole = samples("wflw", root, "test")
    for name, subset in (("largepose", "pose"), ("makeup", "makeup"), ("blur", "blur")):
        lines = (lists / f"list_98pt_test/list_98pt_test_{name}.txt").read_text().splitlines()
        assert [len(line.split()) for line in lines] == [197] * sum(subset in s.subsets for s in whole)


def test_wflw_reads_alike_without_its_main_list(root, tmp_path):
    # The subset lists alone hold the faces of each subset, with the same points.
    source = root / "WFLW" / "WFLW_annotations" / "list_98pt_test"
    target = tmp_path / "WFLW" / "WFLW_annotations" / "list_98pt_test"
    target.mkdir(parents=True)
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    official = {s.id: s for s in samples("wflw", root, "test")}
    for sample in samples("wflw", tmp_path, "test"):
        np.testing.assert_array_equal(sample.target.points, official[sample.id].target.points)


def test_300w_reads_back(root):
    by_name = {}
    for split in ("trainval", "test"):
        for sample in samples("300w", root, split):
            by_name[int(sample.id.rpartition("_")[2][:6]), split] = sample
    assert len(by_name) == TRAIN + TEST
    for (index, split), sample in by_name.items():
        hard = sample.id.startswith("ibug")
        drawn = face("300w", "test" if split == "test" else "train", index, "wild" if hard else "mix")
        np.testing.assert_allclose(sample.target.points, drawn.landmarks["ibug68"], atol=1e-6)
        picture = read_image(sample.image)
        assert close(picture, drawn.image)
        if sample.image.suffix == ".png":
            assert sample.id.startswith("lfpw")
            np.testing.assert_array_equal(picture, drawn.image)
    subsets = [s.subsets & {"common", "challenge"} for s in samples("300w", root, "test")]
    assert subsets.count({"challenge"}) == 1  # 135 of 689, of four: one
    assert subsets.count({"common"}) == TEST - 1


def test_300w_files_are_one_based(root):
    sample = samples("300w", root, "test")[0]
    lines = sample.image.with_suffix(".pts").read_text().splitlines()
    assert lines[:3] == ["version: 1", "n_points: 68", "{"]
    first = np.array(lines[3].split(), dtype=float)
    np.testing.assert_allclose(first - 1, sample.target.points[0], atol=1e-6)


@pytest.mark.parametrize("split", ["trainval", "test"])
def test_aflw19_reads_back(root, split):
    for sample, drawn in landmark_faces("aflw19", "aflw19", root, split):
        np.testing.assert_array_equal(sample.target.visible, drawn.visible["aflw19"])
        assert ("frontal" in sample.subsets) == drawn.visible["aflw19"].all()
        x0, y0, x1, y1 = sample.box
        assert x1 - x0 == pytest.approx(y1 - y0, abs=1e-5)
        assert x1 - x0 == pytest.approx(max(drawn.box[2] - drawn.box[0], drawn.box[3] - drawn.box[1]), abs=1e-5)
        assert (x0 + x1) / 2 == pytest.approx((drawn.box[0] + drawn.box[2]) / 2, abs=1e-5)
        assert close(read_image(sample.image), drawn.image)


@pytest.mark.parametrize("split", ["trainval", "test"])
def test_cofw_reads_back(root, split):
    styles = ("occlusion", "mix", "occlusion", "wild")
    for sample, drawn in landmark_faces("cofw", "cofw29", root, split, style=lambda i: styles[i % 4]):
        np.testing.assert_array_equal(sample.target.visible, drawn.visible["cofw29"])
        np.testing.assert_allclose(sample.box, drawn.box, atol=2e-6)
        np.testing.assert_array_equal(read_image(sample.image), drawn.image)


def test_cofw_stores_some_pictures_grey(tmp_path):
    from facebench.synth.write import write_world

    write_world("cofw", tmp_path, train=1, test=9, size=32, supersample=1)
    pictures = [read_image(sample.image) for sample in samples("cofw", tmp_path, "test")]
    grey = [i for i, picture in enumerate(pictures) if (picture == picture[..., :1]).all()]
    assert grey == [8]


@pytest.mark.parametrize(("split", "size"), [("train", TRAIN), ("val", 1), ("test", TEST)])
def test_lapa_reads_back(root, split, size):
    found = samples("lapa", root, split)
    assert len(found) == size
    for i, sample in enumerate(found):
        drawn = face("lapa", split, i)
        np.testing.assert_array_equal(sample.target.read(), drawn.lapa_labels)
        np.testing.assert_allclose(read_landmarks(landmarks_file(sample)), drawn.landmarks["lapa106"], atol=1e-6)
        assert close(read_image(sample.image), drawn.image)
    assert len({sample.cluster for sample in found}) == size


@pytest.mark.parametrize(("split", "size"), [("train", TRAIN), ("val", 1), ("test", TEST)])
def test_celebamask_hq_reads_back_in_both_paintings(root, split, size):
    official, farl = samples("celebamask-hq-official", root, split), samples("celebamask-hq", root, split)
    assert len(official) == len(farl) == size
    for i, (one, other) in enumerate(zip(official, farl, strict=True)):
        drawn = face("celebamask-hq", split, i)
        np.testing.assert_array_equal(one.target.read(), drawn.celeb_labels)
        painted = np.zeros_like(drawn.celeb_labels)
        for part in FARL_ORDER:
            painted[drawn.celeb_parts[part]] = OFFICIAL_IDS[part]
        np.testing.assert_array_equal(other.target.read(), painted)
        assert close(read_image(one.image), drawn.image)


def test_celebamask_hq_opens_a_folder_each_two_thousand():
    from facebench.synth.layouts.celebamask_hq import make, plan
    from facebench.synth.layouts.layout import Order

    order = Order("celebamask-hq", train=2000, val=1, test=1, seed=0, size=32, supersample=1)
    jobs = plan(order)
    assert [job.place for job in jobs] == [str(i) for i in range(2002)]
    folders = {name.split("/")[1] for name in make(jobs[2000], order).files if "mask-anno" in name}
    assert folders == {"1"}


def test_now_reads_back(root):
    found = samples("now", root, "val")
    assert len(found) == TEST
    person = face_seed(SEED, "now", "test", 0)
    truth = neutral_scan(person, vertices=VERTICES)
    for i, sample in enumerate(found):
        challenge = CHALLENGES[i % 4]
        assert sample.subsets & set(CHALLENGES) == {challenge}
        assert sample.cluster == "subject_00000"
        drawn = face("now", "test", i, STYLES[challenge], person=0)
        assert close(read_image(sample.image), drawn.image)
        scan = sample.target.read()
        np.testing.assert_allclose(scan.mesh.vertices, truth.vertices, atol=5.1e-5)
        np.testing.assert_array_equal(scan.mesh.faces, truth.faces)
        np.testing.assert_allclose(scan.landmarks, truth.landmarks, atol=2e-5)


def test_now_trains_on_neutral_heads_of_one_topology(tmp_path):
    from facebench.synth.write import write_world

    write_world("now", tmp_path, train=PER_PERSON["train"] + 1, test=1, size=32, supersample=1, scan_vertices=VERTICES)
    found = samples("now", tmp_path, "train")
    assert [s.cluster for s in found] == ["trainee_00000"] * PER_PERSON["train"] + ["trainee_00001"]
    first, second = (found[i].target.read() for i in (0, -1))
    np.testing.assert_array_equal(first.mesh.faces, second.mesh.faces)
    truth = neutral_mesh(face_seed(0, "now", "train", 1))
    np.testing.assert_allclose(second.mesh.vertices, truth.vertices, atol=5.1e-5)
    np.testing.assert_allclose(second.landmarks, truth.landmarks, atol=2e-5)


def test_now_landmarks_stand_where_the_official_reader_looks(root):
    file = next((root / "NoW" / "scans_lmks_onlypp").rglob("*.pp"))
    lines = file.read_text().splitlines()[8:15]
    found = [[float(line.partition(f'{axis}="')[2].partition('"')[0]) for axis in "xyz"] for line in lines]
    truth = neutral_scan(face_seed(SEED, "now", "test", 0), vertices=VERTICES).landmarks
    np.testing.assert_allclose(found, truth, atol=1e-5)


@pytest.mark.parametrize("name", ["wflw", "300w", "aflw19", "cofw"])
def test_val_is_a_part_of_train(root, name):
    train, val = (samples(name, root, split) for split in ("train", "val"))
    assert len(val) == 1
    assert len(train) == TRAIN - 1
    assert not {s.id for s in train} & {s.id for s in val}


@pytest.mark.parametrize("name", list(MODULES))
def test_every_sample_has_its_slices(root, name):
    dataset = REGISTRY.get("datasets", name)
    for sample in dataset.samples(root, dataset.default_split):
        groups = dict(group.split("=") for group in sample.subsets if "=" in group)
        assert groups.keys() == {"skin", "yaw", "light", "occluded"}
        assert {"yaw", "pitch", "roll", "occluded_share", "skin_tone_value", "expression"} <= sample.slices.keys()
        yaw = abs(sample.slices["yaw"])
        assert groups["yaw"] == ("frontal" if yaw < 15 else "turned" if yaw < 40 else "profile")
        assert groups["skin"] == sample.slices["skin_tone"]


@pytest.mark.parametrize(
    ("yaw", "share", "groups"),
    [
        (0.0, 0.0, ("frontal", "none")),
        (-14.9, 0.019, ("frontal", "none")),
        (15.0, 0.02, ("turned", "some")),
        (-39.9, 0.199, ("turned", "some")),
        (40.0, 0.2, ("profile", "heavy")),
        (-75.0, 1.0, ("profile", "heavy")),
    ],
)
def test_groups_begin_where_they_say(yaw, share, groups):
    facts = {"yaw": yaw, "occluded_share": share, "skin_tone": "dark", "light": "dim"}
    columns = slice_columns(facts)
    assert (columns["yaw="], columns["occluded="]) == groups
    assert (columns["skin="], columns["light="]) == ("dark", "dim")
    assert facts.items() <= columns.items()


def test_slices_are_those_of_the_drawn_face(root):
    for i, sample in enumerate(samples("wflw", root, "test")):
        drawn = face("wflw", "test", i).slices
        assert {name: sample.slices[name] for name in drawn} == pytest.approx(drawn)


@pytest.mark.parametrize("name", list(MODULES))
def test_verify_finds_nothing_damaged_and_says_that_it_is_not_the_published_set(root, name):
    dataset = REGISTRY.get("datasets", name)
    report = data_check.verify(dataset, root, images=True)
    # 300W's private test, which is not made, is missed as a whole.
    bad = [r for r in report.rows if r.status not in ("ok", "missing", "note", "absent") and r.split != "private"]
    assert not bad
    counts = {row.split: row for row in report.rows if row.what == "samples"}
    main = counts[dataset.default_split]
    assert main.found == TEST
    assert (main.status == "missing") == (main.expected is not None)
    assert report.ok == all(size is None for size in dataset.sizes.values())


@pytest.mark.parametrize("name", [name for name in MODULES if name != "now"])
def test_every_set_keeps_the_contract_of_data_sets(root, name):
    check_dataset(REGISTRY.get("datasets", name), root)


def test_now_keeps_the_contract_of_samples(root):
    dataset = REGISTRY.get("datasets", "now")
    for split in ("train", "val"):
        for sample in dataset.samples(root, split):
            check_sample(dataset, sample)


def test_doctor_knows_every_layout(root):
    found = {finding.dataset: finding for finding in doctor.diagnose(root)}
    assert {name: found[name].state for name in MODULES} == dict.fromkeys(MODULES, "ready")
