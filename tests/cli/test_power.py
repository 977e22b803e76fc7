from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from facebench.cli import execute
from facebench.record import read_results, write_results
from tests.cli.conftest import FACES, face_points


@pytest.fixture
def runs(data, tmp_path) -> tuple[Path, Path]:
    """Two sets of predictions, scored: every face is off by one pixel more than the last; the second by half of it."""
    records = []
    for name, factor in (("one", 1.0), ("two", 0.5)):
        shifts = [np.array([factor * (i + 1.0), 0.0]) for i in range(len(FACES))]
        np.savez(tmp_path / f"{name}.npz", ids=np.array(FACES), points=np.stack([face_points() + s for s in shifts]))
        record = tmp_path / f"{name}.json"
        words = ["score", "300w", str(tmp_path / f"{name}.npz"), "--data", str(data), "--name", "mine"]
        assert execute([*words, "-o", str(record)]) == 0
        records.append(record)
    return records[0], records[1]


def power(*words: object) -> int:
    return execute(["power", *map(str, words)])


def test_without_a_run_it_says_what_it_needs(capsys):
    assert power("300w", "--delta", 0.1) == 2
    assert "--base RESULT.json" in capsys.readouterr().err


def test_two_runs_share_what_they_share(runs, capsys):
    capsys.readouterr()
    assert power("300w", "--delta", 0.5, "--base", runs[0], "--candidate", runs[1], "--json") == 0
    found = json.loads(capsys.readouterr().out)
    (need,) = found["needs"]
    assert found["n"] == len(FACES)
    assert found["key"].startswith("300w/test/full/nme")
    # Differences are half a pixel, one pixel ... of 100: 0.5, 1, 1.5, 2, 2.5 %; their deviation is sqrt(0.5) %.
    assert need["error"] == pytest.approx(np.sqrt(0.5 / 5), rel=0.03)
    assert need["images"] == int(np.ceil(5 * (2.801585 * need["error"] / 0.5) ** 2))


def test_one_run_is_a_table_of_what_might_be_shared(runs, capsys):
    capsys.readouterr()
    assert power("300w/test", "--delta", 0.5, "--base", runs[0]) == 0
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()[2:]] == ["0%", "50%", "90%"]
    assert "--candidate" in err
    assert "fewer than 300 samples" in err


def test_another_score_may_be_named(runs, capsys):
    capsys.readouterr()
    assert power("300w", "--delta", 0.5, "--base", runs[0], "--key", "300w/test/challenge/nme-ioc", "--json") == 0
    assert json.loads(capsys.readouterr().out)["n"] == 2
    assert power("300w", "--delta", 0.5, "--base", runs[0], "--key", "300w/test/odd/nme-ioc") == 3
    assert "no score" in capsys.readouterr().err


def test_seeds_tell_their_noise(runs, tmp_path, capsys):
    for seed, record in enumerate(runs):
        (result,) = read_results(record)
        folder = tmp_path / "seeds" / str(seed)
        folder.mkdir(parents=True)
        (folder / result.samples.path).write_bytes((record.parent / result.samples.path).read_bytes())
        write_results(folder / "result.json", [result.model_copy(update={"seeds": (seed,)})])
    capsys.readouterr()
    assert power("300w", "--delta", 3, "--base", tmp_path / "seeds", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    # 3 % and 1.5 %: deviation 1.06; 2 (2.8016 * 1.0607 / 3)^2 = 1.96, and two are the fewest.
    assert found["seed_noise"] == pytest.approx(1.5 / np.sqrt(2))
    assert found["seeds"] == 2


def test_other_signatures_are_not_compared(runs, tmp_path, capsys):
    (result,) = read_results(runs[1])
    write_results(runs[1], [result.model_copy(update={"signature": result.signature.replace("box:unknown", "box:gt")})])
    assert power("300w", "--delta", 0.5, "--base", runs[0], "--candidate", runs[1]) == 5
    assert "box is unknown and gt" in capsys.readouterr().err
    assert power("300w", "--delta", 0.5, "--base", runs[0], "--candidate", tmp_path / "none.json") == 3


def test_a_table_that_was_changed_is_refused(runs, capsys):
    table = runs[0].with_suffix(".parquet")
    table.write_bytes(table.read_bytes() + b" ")
    assert power("300w", "--delta", 0.5, "--base", runs[0]) == 3
    assert "sha256" in capsys.readouterr().err
    table.unlink()
    assert power("300w", "--delta", 0.5, "--base", runs[0]) == 3
    assert power("wflw", "--delta", 0.5, "--base", runs[0]) == 3
    assert "it has 300w/test" in capsys.readouterr().err
