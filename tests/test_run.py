from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from facebench.errors import DataError, UsageError
from facebench.predictions import read_landmarks
from facebench.record import Result, parse_signature
from facebench.registry import Registry
from facebench.run import Request, Watch, plan, run
from tests.drawn_faces import write_300w, write_lapa, write_now
from tests.source_tree import same_modules

NME = "300w/test/full/nme-ioc"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_300w(tmp_path_factory.mktemp("world"), train=90, val=20, test=30)


def _request(world: Path, folder: Path, **changes: object) -> Request:
    base = Request(("pixels",), ("300w",), world, folder / "runs", device="cpu", cache=folder / "cache")
    return replace(base, **changes)  # type: ignore[arg-type]


def _run(request: Request, watch: Watch | None = None) -> tuple[Result, ...]:
    return run(plan(request, Registry()), watch)


def _tables(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("samples.parquet"))}


def test_a_backbone_is_ranked_above_the_floor(world: Path, tmp_path: Path) -> None:
    floor, pixels = _run(_request(world, tmp_path))
    assert floor.subject == "floor (mean shape)"
    assert pixels.score(NME).value < 0.8 * floor.score(NME).value  # type: ignore[operator]
    assert floor.signature == pixels.signature
    assert pixels.counts.complete
    fields = parse_signature(pixels.signature)
    assert (fields["box"], fields["probe"], fields["sel"]) == ("gt*1.25", "linear.v1", "val")
    assert "limit" not in fields


def test_saved_predictions_score_the_same(world: Path, tmp_path: Path) -> None:
    """The file of predictions, read by what `score` reads with, gives the NME by hand."""
    from facebench.datasets.w300 import DATASET

    planned = plan(_request(world, tmp_path), Registry())
    result = run(planned)[1]
    found = read_landmarks(planned.rows[1].job.folder / "predictions.npz")
    errors = []
    for sample in DATASET.samples(world, "test"):
        truth, points = sample.target.points, found.read(sample)  # type: ignore[union-attr]
        errors.append(np.linalg.norm(points - truth, axis=1).mean() / np.linalg.norm(truth[36] - truth[45]))
    assert result.score(NME).value == pytest.approx(100 * np.mean(errors), rel=1e-9)


def test_two_runs_give_the_same_bytes(world: Path, tmp_path: Path) -> None:
    _run(_request(world, tmp_path / "a"))
    _run(_request(world, tmp_path / "b"))
    assert _tables(tmp_path / "a") == _tables(tmp_path / "b") != {}


def test_finished_rows_are_taken(world: Path, tmp_path: Path) -> None:
    first = _run(_request(world, tmp_path))
    again = plan(_request(world, tmp_path), Registry())
    assert all(row.done is not None and row.pictures == 0 for row in again.rows)
    assert run(again) == first
    anew = plan(_request(world, tmp_path, policy="always"), Registry())
    assert all(row.done is None for row in anew.rows)


def test_a_damaged_row_is_made_again(world: Path, tmp_path: Path) -> None:
    planned = plan(_request(world, tmp_path), Registry())
    run(planned)
    table = planned.rows[1].job.folder / "samples.parquet"
    whole = table.read_bytes()
    table.write_bytes(whole[:-20])
    assert plan(_request(world, tmp_path), Registry()).rows[1].done is None
    _run(_request(world, tmp_path))
    assert table.read_bytes() == whole


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_scores_do_not_depend_on_the_batch(world: Path, tmp_path: Path, batch: int) -> None:
    spec = ("timm:test_vit@random:0",)
    one = _run(_request(world, tmp_path / "a", backbones=spec, batch=16))[1]
    other = _run(_request(world, tmp_path / "b", backbones=spec, batch=batch))[1]
    for score in one.scores:
        assert other.score(score.key).value == pytest.approx(score.value, abs=1e-5)
    assert other.settings["batch"] == {"requested": batch, "used": batch}


def test_a_pyramid_in_channels_last_goes_through(world: Path, tmp_path: Path) -> None:
    floor, convnext = _run(_request(world, tmp_path, backbones=("timm:test_convnext@random:0",)))
    assert convnext.score(NME).value < floor.score(NME).value  # type: ignore[operator]


class _Stop(Exception):
    """A run that is stopped."""


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_a_stopped_run_goes_on_and_ends_the_same(world: Path, tmp_path: Path, after: int) -> None:
    request = _request(world, tmp_path / "b", backbones=("timm:test_vit@random:0",))
    _run(replace(request, output=tmp_path / "a" / "runs", cache=tmp_path / "a" / "cache"))
    left = [after]

    def step(_n: int, cached: bool) -> None:
        left[0] -= not cached
        if left[0] < 0:
            raise _Stop

    with pytest.raises(_Stop):
        run(plan(request, Registry()), Watch(step=step))
    kept: list[bool] = []
    run(plan(request, Registry()), Watch(step=lambda _n, cached: kept.append(cached)))
    assert any(kept)
    assert _tables(tmp_path / "a") == _tables(tmp_path / "b")


SCRIPT = """
import sys
from pathlib import Path
from facebench.registry import Registry
from facebench.run import Request, plan, run
world, folder = map(Path, sys.argv[1:])
request = Request(("timm:test_vit@random:0",), ("300w",), world, folder / "runs", device="cpu", cache=folder / "cache")
print("planned", flush=True)
run(plan(request, Registry()))
"""


def _start(world: Path, folder: Path) -> subprocess.Popen[str]:
    env = same_modules() | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SCRIPT, str(world), str(folder)]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_the_same(world: Path, tmp_path: Path) -> None:
    _run(_request(world, tmp_path / "a", backbones=("timm:test_vit@random:0",)))
    process = _start(world, tmp_path / "b")
    cache = tmp_path / "b" / "cache"
    deadline = time.monotonic() + 120
    while not list(cache.glob("*.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert list(cache.glob("*.safetensors"))
    _run(_request(world, tmp_path / "b", backbones=("timm:test_vit@random:0",)))
    assert _tables(tmp_path / "a") == _tables(tmp_path / "b")


@pytest.mark.slow
def test_two_processes_in_one_folder_both_end_right(world: Path, tmp_path: Path) -> None:
    _run(_request(world, tmp_path / "a", backbones=("timm:test_vit@random:0",)))
    pair = [_start(world, tmp_path / "b") for _ in range(2)]
    for process in pair:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
    assert _tables(tmp_path / "a") == _tables(tmp_path / "b")
    assert not [p for p in (tmp_path / "b").rglob(".*") if p.is_file()]


def test_the_plan_counts_pictures_and_time(world: Path, tmp_path: Path) -> None:
    request = _request(world, tmp_path, backbones=("timm:test_vit@random:0",))
    before = plan(request, Registry())
    assert [row.pictures for row in before.rows] == [0, 140]
    assert before.seconds > 0
    run(before)
    after = plan(replace(request, policy="always"), Registry())
    assert [row.pictures for row in after.rows] == [0, 0]
    assert after.seconds == 0


def test_limit_is_in_the_signature(world: Path, tmp_path: Path) -> None:
    result = _run(_request(world, tmp_path, limit=12))[1]
    assert result.counts.expected == 12
    assert parse_signature(result.signature)["limit"] == "12"
    assert any("official 689" in text for text in result.warnings)


def test_stages_are_told(world: Path, tmp_path: Path) -> None:
    stages: list[tuple[str, int]] = []
    _run(_request(world, tmp_path), Watch(stage=lambda _job, name, total: stages.append((name, total))))
    assert stages == [("floor", 30), ("train", 90), ("val", 20), ("val", 20), ("val", 20), ("test", 30)]


def test_an_unwritable_output_is_found_before_the_work(world: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write"):
        plan(_request(world, tmp_path, output=tmp_path / "file" / "runs"), Registry())


def test_a_training_split_of_one_picture_is_refused(tmp_path: Path) -> None:
    world = write_300w(tmp_path, train=1, val=2, test=2)
    with pytest.raises(DataError, match="at least two"):
        plan(_request(world, tmp_path), Registry())


def test_a_set_that_is_only_scored_is_refused(world: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="facebench score"):
        plan(_request(world, tmp_path, benchmarks=("merl-rav",)), Registry())


def test_an_input_that_is_no_multiple_of_the_patch_is_refused(world: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="multiple of its patch"):
        plan(_request(world, tmp_path, backbones=("timm:test_vit@random:0",), input_size=100), Registry())


def test_an_unknown_device_is_refused(world: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="device"):
        plan(_request(world, tmp_path, device="abacus"), Registry())


def test_a_broken_test_picture_fails_alone(tmp_path: Path) -> None:
    world = write_300w(tmp_path, train=20, val=4, test=6)
    victim = sorted((world / "300W" / "ibug").glob("*.jpg"))[0]
    victim.write_bytes(victim.read_bytes()[:-40])
    result = _run(_request(world, tmp_path))[1]
    assert (result.counts.expected, result.counts.scored, result.counts.failed) == (6, 5, 1)
    assert "cut off" in result.counts.reasons["ibug/image_000"]


def test_an_incomplete_row_is_made_again_once_its_picture_is_mended(tmp_path: Path) -> None:
    world = write_300w(tmp_path, train=20, val=4, test=6)
    victim = sorted((world / "300W" / "ibug").glob("*.jpg"))[0]
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-40])
    assert not _run(_request(world, tmp_path))[1].counts.complete
    victim.write_bytes(whole)
    planned = plan(_request(world, tmp_path), Registry())
    assert [row.done is None for row in planned.rows] == [False, True]
    mended = run(planned)[1]
    anew = _run(_request(world, tmp_path / "anew"))[1]
    assert mended.counts.complete
    assert mended.scores == anew.scores


def test_a_broken_training_picture_stops_the_run(tmp_path: Path) -> None:
    world = write_300w(tmp_path, train=20, val=4, test=6)
    victim = sorted((world / "300W" / "helen" / "trainset").glob("*.jpg"))[0]
    victim.write_bytes(victim.read_bytes()[:-40])
    with pytest.raises(DataError, match="cut off"):
        _run(_request(world, tmp_path))


@pytest.fixture(scope="module")
def parsing_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lapa(tmp_path_factory.mktemp("parsing"), train=70, val=12, test=16)


def test_parsing_is_ranked_above_the_floor(parsing_world: Path, tmp_path: Path) -> None:
    floor, pixels = _run(_request(parsing_world, tmp_path, benchmarks=("lapa",)))
    key = "lapa/test/mean-fg10/f1"
    assert floor.subject == "floor (majority label)"
    assert pixels.score(key).value > 1.5 * floor.score(key).value  # type: ignore[operator]
    assert pixels.counts.complete


def test_two_runs_give_the_same_label_maps(parsing_world: Path, tmp_path: Path) -> None:
    for name, batch in (("a", 16), ("b", 5)):
        backbones = ("pixels", "timm:test_vit@random:0")
        _run(_request(parsing_world, tmp_path / name, benchmarks=("lapa",), backbones=backbones, batch=batch))
    assert _tables(tmp_path / "a") == _tables(tmp_path / "b") != {}


def test_saved_label_maps_score_the_same(parsing_world: Path, tmp_path: Path) -> None:
    """Pooled F1 by hand, from the PNGs that the run left."""
    planned = plan(_request(parsing_world, tmp_path, benchmarks=("lapa",)), Registry())
    result = run(planned)[1]
    counts = np.zeros((11, 11), int)
    for k in range(16):
        truth = cv2.imread(str(parsing_world / f"LaPa/test/labels/{k}.png"), cv2.IMREAD_GRAYSCALE)
        found = cv2.imread(str(planned.rows[1].job.folder / f"predictions/{k}.png"), cv2.IMREAD_GRAYSCALE)
        np.add.at(counts, (truth.ravel(), found.ravel()), 1)
    skin = 2 * counts[1, 1] / (counts[1].sum() + counts[:, 1].sum())
    expected = result.score("lapa/test/skin/f1")
    assert expected.value == pytest.approx(100 * skin if expected.unit == "%" else skin, rel=1e-9)


def test_a_broken_label_map_fails_alone(tmp_path: Path) -> None:
    world = write_lapa(tmp_path, train=20, val=4, test=5)
    planned = plan(_request(world, tmp_path, benchmarks=("lapa",)), Registry())
    victim = world / "LaPa/test/labels/1.png"
    victim.write_bytes(victim.read_bytes()[:-30])
    for result in run(planned):
        assert (result.counts.scored, result.counts.failed) == (4, 1)
        assert "1.png" in result.counts.reasons["1"]


@pytest.mark.slow
def test_reconstruction_is_ranked_above_the_floor(tmp_path: Path) -> None:
    world = write_now(tmp_path, subjects=40, pictures=2, val=6)
    floor, pixels = _run(_request(world, tmp_path, benchmarks=("now",)))
    key = "now/val/all/median"
    assert floor.subject == "floor (mean head)"
    assert pixels.score(key).value < 0.7 * floor.score(key).value  # type: ignore[operator]
    assert pixels.dataset.split == "val"


@pytest.mark.slow
def test_two_runs_give_the_same_heads(tmp_path: Path) -> None:
    world = write_now(tmp_path, subjects=12, pictures=2, val=3)
    for name in ("a", "b"):
        _run(_request(world, tmp_path / name, benchmarks=("now",)))
    assert _tables(tmp_path / "a") == _tables(tmp_path / "b") != {}


def test_training_heads_of_one_identity_are_refused(tmp_path: Path) -> None:
    world = write_now(tmp_path, subjects=1, pictures=3, val=1)
    with pytest.raises(DataError, match="one subject alone"):
        plan(_request(world, tmp_path, benchmarks=("now",)), Registry())


def test_several_protocols_share_one_look_at_the_pictures(world: Path, tmp_path: Path) -> None:
    looked: list[tuple[int, bool]] = []
    request = _request(world, tmp_path / "a", protocols=("linear", "knn", "linear"))
    planned = plan(request, Registry())
    assert [(row.job.subject, row.job.protocol.NAME, row.pictures) for row in planned.rows] == [
        ("floor", "linear.v1", 0),
        ("floor", "knn.v1", 0),
        ("pixels", "linear.v1", 140),
        ("pixels", "knn.v1", 0),
    ]
    assert sum(row.seconds > 0 for row in planned.rows) == 1
    both = run(planned, Watch(step=lambda n, cached: looked.append((n, cached))))
    assert sum(n for n, cached in looked if not cached) == 140 + 2 * 30, "the floors look at boxes alone"
    for name, rows in (("linear", both[::2]), ("knn", both[1::2])):
        alone = _run(_request(world, tmp_path / name, protocols=(name,)))
        assert [r.signature for r in alone] == [r.signature for r in rows]
        assert [[s.value for s in r.scores] for r in alone] == [[s.value for s in r.scores] for r in rows]
    assert len({r.signature for r in both}) == 2


def test_the_second_protocol_takes_what_the_first_run_left(world: Path, tmp_path: Path) -> None:
    first = _run(_request(world, tmp_path))
    planned = plan(_request(world, tmp_path, protocols=("linear", "knn")), Registry())
    assert [row.done for row in planned.rows] == [first[0], None, first[1], None]
    assert sum(row.pictures for row in planned.rows) == 0
