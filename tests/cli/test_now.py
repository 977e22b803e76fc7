"""NoW on the command line: challenges, threads, modes in the signature, pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from facebench.cli import execute
from facebench.datasets.now import CHALLENGES
from facebench.metrics.scan import scan_distances
from facebench.types import Scan
from tests.datasets.now_tree import write_prediction, write_val
from tests.evaluators.test_reconstruction import face, in_metres

IDS = [f"{subject}/{challenge}/IMG_{k}" for subject in "AB" for k, challenge in enumerate(CHALLENGES)]
# Landmarks in single precision, as a .pp file is read.
SCANS = {s: Scan(f.mesh, f.landmarks.astype(np.float32).astype(float)) for s, f in (("A", face(1)), ("B", face(2)))}
PREDICTED = {name: in_metres(SCANS[name[0]], k, 0.1 + 0.1 * (k % 4)) for k, name in enumerate(IDS)}


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEBENCH_CACHE", str(tmp_path / "cache"))
    write_val(tmp_path / "NoW", SCANS, [f"{name}.jpg" for name in IDS])
    for name, prediction in PREDICTED.items():
        write_prediction(tmp_path / "predicted", name, prediction)
    return tmp_path


def score(world, *words) -> int:
    return execute(["score", "now", str(world / "predicted"), "--data", str(world), *map(str, words)])


def record(world, capsys, *words) -> dict:
    capsys.readouterr()
    assert score(world, *words, "--json") == 0
    return json.loads(capsys.readouterr().out)


def values(found: dict) -> dict[str, float]:
    return {s["key"]: s["value"] for s in found["scores"]}


def test_a_submission_folder_is_scored_as_it_is(world, capsys):
    found = record(world, capsys)
    pooled = np.concatenate([scan_distances(SCANS[name[0]], p) for name, p in PREDICTED.items()])
    assert values(found)["now/val/all/median"] == pytest.approx(np.median(pooled), abs=1e-6)
    assert "mode:reference" in found["signature"]
    assert found["settings"]["mode"] == "reference"
    assert found["counts"]["scored"] == 8
    ((low, high),) = [s["interval"] for s in found["scores"] if s["key"] == "now/val/all/median"]
    assert low <= np.median(pooled) <= high
    assert "mode:converged" in record(world, capsys, "--mode", "converged")["signature"]


def test_the_ids_to_predict_are_those_that_are_scored(world, capsys):
    assert execute(["data", "ids", "now", "--data", str(world), "--json"]) == 0
    assert [row["id"] for row in json.loads(capsys.readouterr().out)] == IDS


def test_a_challenge_is_a_split(world, capsys):
    found = record(world, capsys, "--split", "selfie")
    mine = np.concatenate([scan_distances(SCANS[name[0]], p) for name, p in PREDICTED.items() if "/selfie/" in name])
    assert found["counts"]["expected"] == 2
    assert values(found)["now/val/selfie/median"] == pytest.approx(np.median(mine), abs=1e-6)
    assert values(record(world, capsys, "--split", "val/selfie")) == values(found)
    assert found["dataset"]["official"] is None


def test_metrical_needs_its_unit_and_keeps_it(world, capsys):
    assert score(world, "--metrical") == 2
    found = record(world, capsys, "--metrical", "--unit", "m")
    assert "unit:m" in found["signature"]
    assert values(found)["now/val/all/median"] > 0


@pytest.mark.parametrize("workers", [1, 3])
def test_one_bad_mesh_never_stops_the_rest(world, capsys, workers):
    (world / "predicted" / f"{IDS[3]}.obj").write_text("f 1 2 3\n", "utf-8")
    assert score(world, "--workers", workers) == 3
    assert "1 of 8 samples could not be scored" in capsys.readouterr().err
    assert record(world, capsys, "--workers", workers, "--allow-missing")["counts"]["failed"] == 1


def test_threads_change_no_number(world, capsys):
    assert values(record(world, capsys, "--workers", 1)) == values(record(world, capsys, "--workers", 4))


def test_pictures_of_the_worst_and_of_the_named(world, capsys):
    assert score(world, "--pictures", world / "album", "--worst", "1", "--draw", IDS[4]) == 0
    assert "pictures: 3 in" in capsys.readouterr().err
    worst = max(PREDICTED, key=lambda name: scan_distances(SCANS[name[0]], PREDICTED[name]).mean())
    names = {f"{name.replace('/', '__')}.png" for name in (worst, IDS[4])} | {"cumulative.png"}
    assert {path.name for path in (world / "album").iterdir()} == names
    for path in (world / "album").iterdir():
        assert len(np.unique(np.asarray(Image.open(path)).reshape(-1, 3), axis=0)) > 50  # something is drawn


def test_pictures_that_make_no_sense(world, capsys):
    assert score(world, "--draw", IDS[0]) == 2
    assert score(world, "--pictures", world / "album", "--draw", "Z/selfie/IMG_0") == 2
    assert "no scored image is called 'Z/selfie/IMG_0'" in capsys.readouterr().err
