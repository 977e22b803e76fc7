"""The prediction doctor: every trouble made on purpose is found, named and counted, and a good folder has none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from facebench.cli import execute
from facebench.datasets.now import CHALLENGES, DATASET
from facebench.now_checks import TYPICAL, check_order, check_unit
from facebench.now_doctor import Trouble, examine
from facebench.schemes import NOW_LANDMARKS
from facebench.types import Mesh, Scan
from tests.datasets.now_tree import write_obj, write_prediction, write_val
from tests.evaluators.test_reconstruction import face

IDS = [f"{subject}/{challenge}/IMG_{k}" for subject in "AB" for k, challenge in enumerate((*CHALLENGES, CHALLENGES[0]))]
FIRST = IDS[0]


def turned(scan: Scan, seed: int, scale: float = 1.0) -> Scan:
    turn = Rotation.random(random_state=seed).as_matrix()
    return Scan(Mesh(scale * (scan.mesh.vertices @ turn), scan.mesh.faces), scale * (scan.landmarks @ turn))


def changed(scan: Scan, *, vertices=None, faces=None, landmarks=None) -> Scan:
    mesh = Mesh(scan.mesh.vertices if vertices is None else vertices, scan.mesh.faces if faces is None else faces)
    return Scan(mesh, scan.landmarks if landmarks is None else landmarks)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    scans = {"A": face(1), "B": face(2)}
    write_val(tmp_path / "NoW", scans, [f"{name}.jpg" for name in IDS])
    for k, name in enumerate(IDS):
        write_prediction(tmp_path / "predicted", name, turned(scans[name[0]], k))
    return tmp_path


def troubles(world: Path, **options) -> dict[str, Trouble]:
    found = examine(world / "predicted", DATASET.samples(world, "val"), **options)
    assert all(t.detail and t.todo for t in found)
    return {t.what: t for t in found}


def replace(world: Path, prediction: Scan, name: str = FIRST) -> None:
    write_prediction(world / "predicted", name, prediction)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_good_folder_has_no_trouble(world, workers):
    assert troubles(world, workers=workers) == {}
    assert troubles(world, unit="mm") == {}


SEEN = turned(face(1), 50)


@pytest.mark.parametrize(
    ("prediction", "what", "severity", "told"),
    [
        (changed(SEEN, landmarks=SEEN.landmarks * 1000), "landmarks and mesh in two units", "fault", "by 0.001"),
        (changed(SEEN, landmarks=SEEN.landmarks / 10), "landmarks and mesh in two units", "fault", "multiplied by 10"),
        (changed(SEEN, landmarks=SEEN.landmarks + 60), "landmarks off the mesh", "fault", "eye distances"),
        (changed(SEEN, landmarks=SEEN.landmarks[[3, 2, 1, 0, 4, 6, 5]]), "left and right landmarks exchanged", "fault",
         "only in the mirror"),
        (changed(SEEN, landmarks=SEEN.landmarks[[4, 0, 1, 2, 3, 5, 6]]), "landmarks in another order", "fault",
         "they look like: nose bottom, right eye outer"),
        (Scan(Mesh(SEEN.mesh.vertices * [-1, 1, 1], SEEN.mesh.faces), SEEN.landmarks * [-1, 1, 1]), "mirrored mesh",
         "fault", "inwards"),
        (changed(SEEN, faces=np.concatenate([SEEN.mesh.faces, [[5, 5, 9], [7, 7, 7]]])), "triangles without area",
         "hint", "2 of"),
        (changed(SEEN, vertices=np.concatenate([SEEN.mesh.vertices, np.zeros((3, 3))])), "vertices in no triangle",
         "hint", "3 of"),
        (turned(face(1), 51, 0.001), "not in millimetres", "hint", "looks like m"),
        (turned(face(1), 52, 0.1), "not in millimetres", "hint", "looks like cm"),
    ],
)  # fmt: skip
def test_each_trouble_is_found_and_named(world, prediction, what, severity, told):
    replace(world, prediction)
    found = troubles(world)
    assert set(found) == {what}
    assert found[what].images == (FIRST,)
    assert found[what].severity == severity
    assert told in found[what].detail.replace("_", " ")


def test_landmark_names_are_spelt_as_in_the_scheme():
    assert NOW_LANDMARKS[4].replace("_", " ") == "nose bottom"


@pytest.mark.parametrize(
    ("factor", "unit", "told"), [(0.1, "mm", "--unit cm"), (1, "m", "--unit mm"), (0.001, "cm", "--unit m")]
)
def test_a_wrong_unit_is_a_fault_where_one_was_named(world, factor, unit, told):
    replace(world, turned(face(1), 9, factor))
    found = troubles(world, unit=unit)["wrong unit"]
    assert found.severity == "fault"
    assert found.images[0] == FIRST
    assert told in found.todo


def test_missing_and_damaged_files(world):
    folder = world / "predicted"
    for name in IDS[:2]:
        (folder / f"{name}.obj").unlink()
    (folder / f"{IDS[2]}.npy").unlink()
    (folder / f"{IDS[3]}.obj").write_text("v 0 0 0\nv 1 0 nan\nv 0 1 0\nf 1 2 3\n", "utf-8")
    write_prediction(folder, "A/selfie/IMG_33", face(1))
    found = troubles(world)
    assert found["missing mesh"].images == tuple(IDS[:2])
    assert found["missing landmarks"].images == (IDS[2],)
    assert "not finite" in found["unreadable prediction"].detail
    assert "A/selfie/IMG_3" in found["not an image of this split"].detail


def test_vertex_colours(world):
    path = world / "predicted" / f"{FIRST}.obj"
    lines = [f"{line} 0.5 0.5 0.5" if line.startswith("v ") else line for line in path.read_text("utf-8").splitlines()]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    assert troubles(world)["vertex colours"].detail == "6 numbers a vertex"


def test_hardly_any_triangles(world):
    write_obj(world / "predicted" / f"{FIRST}.obj", SEEN.mesh.vertices, SEEN.mesh.faces[:1])
    assert "hardly any triangles" in troubles(world)


def test_an_expression_left_on(world):
    opened = face(1)
    mouth = opened.landmarks[5:].mean(axis=0)
    near = np.exp(-((opened.mesh.vertices - mouth) ** 2).sum(axis=1) / 400)[:, None]
    expressive = changed(opened, vertices=opened.mesh.vertices - near * [0, 12, 4])
    replace(world, turned(expressive, 3), IDS[1])
    found = troubles(world)
    assert found["expression left on?"].images == (IDS[1],)
    assert found["expression left on?"].severity == "hint"


def test_a_subject_without_a_scan_is_held_against_a_typical_face():
    assert list(check_order(SEEN, TYPICAL)) == []
    swapped = changed(SEEN, landmarks=SEEN.landmarks[[3, 2, 1, 0, 4, 6, 5]])
    assert [r.what for r in check_order(swapped, TYPICAL)] == ["left and right landmarks exchanged"]


def test_a_size_of_no_unit_is_said():
    (remark,) = check_unit(SEEN.landmarks * 3.3, None)
    assert "no usual unit" in remark.detail


def test_the_command(world, capsys):
    words = ["data", "doctor", str(world / "predicted"), "--for", "now", "--data", str(world)]
    assert execute(words) == 0
    assert "nothing wrong found in 10 predictions" in capsys.readouterr().out
    replace(world, changed(SEEN, landmarks=SEEN.landmarks[[3, 2, 1, 0, 4, 6, 5]]))
    assert execute(words) == 3
    out, err = capsys.readouterr()
    assert f"first   {FIRST}" in out
    assert "write them in this order" in out
    assert "left and right landmarks exchanged: 1 images" in err
    assert execute([*words, "--split", "selfie"]) == 0
    assert execute([*words, "--unit", "inch"]) == 2
    assert execute(["data", "doctor", str(world), "--for", "wflw", "--data", str(world)]) == 2
