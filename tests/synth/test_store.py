"""A set is whole or not there: interruption, a full disk, other plans, other processes, what lies in the way."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from facebench import staging
from facebench.errors import DataError
from facebench.synth import store
from facebench.synth.layouts.layout import Job, Made
from tests.source_tree import same_modules

PLAN = {"layout": "toy", "seed": 1}
JOBS = [Job(f"train-{i:08d}", "train", i, f"p{i}", identity=i, image=i) for i in range(20)]


def make(job):
    return Made(
        files={f"pictures/{job.place}.txt": job.place.encode()}, facts={"i": job.index}, scratch={job.key: b"x"}
    )


def write(final, *, plan=PLAN, overwrite=False, maker=make, workers=2, on_job=lambda: None):
    staging.require_free(final, overwrite=overwrite)
    with staging.staging(final, plan, store.BESIDE, overwrite=overwrite) as place:
        store.fill(place, JOBS, maker, workers=workers, on_job=on_job)
        made = store.entries(place, JOBS)
        (place.set / "list.txt").write_text("".join(f"{e.facts['i']}\n" for e in made))
        store.publish(place, plan)
    return final


def tree(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_finished_set_lies_in_place_and_nothing_beside_it(tmp_path):
    final = write(tmp_path / "Toy")
    assert [p.name for p in tmp_path.iterdir()] == ["Toy"]
    assert sorted(tree(final)) == sorted([f"pictures/p{i}.txt" for i in range(20)] + ["list.txt", store.PLAN_FILE])
    assert (final / "list.txt").read_text() == "".join(f"{i}\n" for i in range(20))
    assert store.written_plan(final) == PLAN


def test_progress_counts_every_job_once(tmp_path):
    calls = []
    write(tmp_path / "Toy", on_job=lambda: calls.append(1))
    assert len(calls) == 20


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_an_interrupted_writing_goes_on_from_where_it_was(tmp_path, workers):
    whole = tree(write(tmp_path / "whole" / "Toy"))
    drawn = []

    def stop_at_ten(job):
        if job.index == 10:
            raise KeyboardInterrupt
        drawn.append(job.index)
        return make(job)

    final = tmp_path / "Toy"
    with pytest.raises(KeyboardInterrupt):
        write(final, maker=stop_at_ten, workers=workers)
    assert not final.exists()
    assert drawn
    before = set(drawn)
    drawn.clear()

    def note(job):
        drawn.append(job.index)
        return make(job)

    calls = []
    write(final, maker=note, on_job=lambda: calls.append(1))
    assert set(drawn) == set(range(20)) - before
    assert len(calls) == 20
    assert tree(final) == whole


def test_a_killed_process_leaves_no_set_and_loses_nothing(tmp_path):
    final = tmp_path / "Toy"
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom tests.synth.test_store import write, make\n"
        "def die(job):\n    if job.index == 7: os._exit(9)\n    return make(job)\n"
        "write(Path(sys.argv[1]), maker=die, workers=1)"
    )
    ran = subprocess.run([sys.executable, "-c", program, str(final)], env=same_modules(), check=False)
    assert ran.returncode == 9
    assert not final.exists()
    drawn = []
    write(final, maker=lambda job: drawn.append(job.index) or make(job))
    assert sorted(drawn) == list(range(7, 20))


def test_a_full_disk_is_one_error_and_what_was_done_is_kept(tmp_path, monkeypatch):
    final, real = tmp_path / "Toy", Path.write_bytes

    def full(self, data):
        if "p9" in self.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(
        DataError, match=r"cannot write .*Toy: No space left on device; what was done is kept in .*; free"
    ):
        write(final)
    assert not final.exists()
    monkeypatch.setattr(Path, "write_bytes", real)
    drawn = []
    write(final, maker=lambda job: drawn.append(job.index) or make(job))
    assert 9 in drawn
    assert len(drawn) < 20


def test_a_cut_off_file_never_has_its_name(tmp_path, monkeypatch):
    real = Path.write_bytes

    def half(self, data):
        real(self, data[: len(data) // 2])
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match="Input"):
        staging.write_whole(tmp_path / "a.jpg", b"whole")
    assert not (tmp_path / "a.jpg").exists()


def test_what_another_plan_left_is_not_mixed_in(tmp_path):
    final = tmp_path / "Toy"

    def stop(job):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(final, maker=stop)
    with pytest.raises(DataError, match=r"another plan \(seed 1, not 2\); finish it .* or begin anew with --overwrite"):
        write(final, plan={"layout": "toy", "seed": 2})
    write(final, plan={"layout": "toy", "seed": 2}, overwrite=True)
    assert store.written_plan(final)["seed"] == 2


def test_jobs_of_a_set_that_was_just_put_in_place_are_not_taken_for_done(tmp_path):
    final = tmp_path / "Toy"
    with staging.staging(final, PLAN, store.BESIDE, overwrite=False) as place:
        store.fill(place, JOBS, make, workers=1)
        place.set.rename(final)  # and then the power went
    whole = write(final, overwrite=True)
    assert len(tree(whole)) == 22


def test_a_folder_that_is_not_empty_is_refused(tmp_path):
    final = tmp_path / "Toy"
    final.mkdir()
    write(final)
    with pytest.raises(DataError, match="is not empty; --overwrite"):
        write(final)


def test_overwriting_replaces_a_set_of_ours_and_keeps_one_that_is_not(tmp_path):
    final = write(tmp_path / "Toy")
    (final / "extra.txt").write_text("x")
    write(final, overwrite=True)
    assert not (final / "extra.txt").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["Toy"]
    (final / store.PLAN_FILE).unlink()  # now it could be a real set
    (final / "precious.jpg").write_text("x")
    write(final, overwrite=True)
    assert not (final / "precious.jpg").exists()
    assert (tmp_path / "Toy.before-1" / "precious.jpg").exists()


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "Toy").write_text("x")
    with pytest.raises(DataError, match="there is a file of that name"):
        write(tmp_path / "Toy", overwrite=True)
    with pytest.raises(DataError, match=r"cannot write .*Deeper: Not a directory$"):
        write(tmp_path / "Toy" / "Deeper")


def test_a_second_process_waits_its_turn(tmp_path):
    final = tmp_path / "Toy"
    with (
        staging.staging(final, PLAN, store.BESIDE, overwrite=False),
        pytest.raises(DataError, match="another process is writing"),
    ):
        write(final)
    write(final)


def test_damaged_facts_are_named(tmp_path):
    final = tmp_path / "Toy"
    with staging.staging(final, PLAN, store.BESIDE, overwrite=False) as place:
        store.fill(place, JOBS, make, workers=1)
        (place.beside(store.DONE) / f"{JOBS[3].key}.json").write_text("{")
    with pytest.raises(DataError, match=r"train-00000003.json is damaged; remove it"):
        write(final)


def test_facts_hold_no_nan(tmp_path):
    def bad(job):
        return Made(files={}, facts={"x": float("nan")})

    with pytest.raises(ValueError, match="not JSON compliant"):
        write(tmp_path / "Toy", maker=bad)


def test_the_plan_of_what_is_not_ours_is_none(tmp_path):
    assert store.written_plan(tmp_path) is None
    (tmp_path / store.PLAN_FILE).write_text("[1]")
    assert store.written_plan(tmp_path) is None
    assert json.loads((write(tmp_path / "Toy") / store.PLAN_FILE).read_text()) == PLAN
