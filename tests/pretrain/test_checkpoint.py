"""Checkpoints: whole or not there, the newest few, and never taken for something they are not."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from facebench.errors import DataError, FacebenchError, UsageError
from pretrain.training import checkpoint as checkpoints
from pretrain.training.checkpoint import Checkpoint, load, load_method, newest, save
from pretrain.training.folder import RunFolder
from pretrain.training.whole_file import write_whole
from tests.pretrain.toy import Toy, configured
from tests.source_tree import same_modules


def made(step: int, output: Path, method: torch.nn.Module | None = None, **sections: Any) -> Checkpoint:
    return Checkpoint(
        step=step,
        method=(method or Toy()).state_dict(),
        optimizer={"state": {}, "param_groups": []},
        rng=checkpoints.generators(),
        metrics={"window": {}, "said": ["used"], "last": {"loss": 0.5}},
        config=configured(output, **sections),
        header={"data_digest": "d" * 64},
    )


def saved(folder: RunFolder, *steps: int, keep: int = 9) -> list[Path]:
    return [save(made(step, folder.root), folder, keep=keep) for step in steps]


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    before = made(7, tmp_path)
    after = load(save(before, folder, keep=1))
    assert (after.step, after.metrics, after.config, after.header) == (7, before.metrics, before.config, before.header)
    assert after.method.keys() == before.method.keys()
    assert all(torch.equal(after.method[name], before.method[name]) for name in before.method)
    assert torch.equal(after.rng["cpu"], before.rng["cpu"])


def test_only_plain_tensors_are_in_it(tmp_path: Path) -> None:
    (path,) = saved(RunFolder(tmp_path), 1)
    content = torch.load(path, weights_only=True)
    assert content["format"] == checkpoints.FORMAT


def test_the_newest_are_kept(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    saved(folder, 5, 10, 100, 15, keep=2)
    assert [p.name for p in folder.checkpoints()] == ["step-00000100.pt", "step-00000015.pt"]
    assert {p.name for p in (tmp_path / "checkpoints").iterdir()} == {"step-00000100.pt", "step-00000015.pt"}


@pytest.mark.parametrize("damage", ["cut off", "one byte", "empty"])
def test_a_damaged_one_is_passed_over_and_said(tmp_path: Path, damage: str) -> None:
    folder = RunFolder(tmp_path)
    good, bad = saved(folder, 5, 10)
    content = bytearray(bad.read_bytes())
    if damage == "one byte":
        weights = torch.load(bad, weights_only=True)["method"]["decoder.weight"].numpy().tobytes()
        content[content.index(weights) + 5] ^= 1
    bad.write_bytes({"cut off": content[:-300], "one byte": content, "empty": b""}[damage])
    notes: list[str] = []
    assert newest(folder, note=notes.append) == good
    assert len(notes) == 1
    assert str(bad) in notes[0]
    with pytest.raises(FacebenchError, match=r"step-00000010\.pt is no whole checkpoint"):
        load(bad)


def test_no_whole_one_is_an_error_and_none_at_all_is_a_beginning(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert newest(folder, note=lambda _: None) is None
    for path in saved(folder, 5, 10):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="remove them to begin anew"):
        newest(folder, note=lambda _: None)


def test_files_that_are_none_of_ours(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "plain.pt")
    torch.save({"format": Toy()}, tmp_path / "code.pt")
    with pytest.raises(FacebenchError, match=r"plain\.pt is no checkpoint of a pre-training"):
        load(tmp_path / "plain.pt")
    with pytest.raises(FacebenchError, match=r"code\.pt is no checkpoint of a pre-training"):
        load(tmp_path / "code.pt")
    with pytest.raises(UsageError, match="does not exist"):
        load(tmp_path / "gone.pt")


def test_another_architecture_is_named(tmp_path: Path) -> None:
    (path,) = saved(RunFolder(tmp_path), 1)
    with pytest.raises(FacebenchError, match=r"has other shapes \d+ \(encoder\.0\.weight, "):
        load_method(Toy(width=16), load(path), path)
    other = Toy()
    other.more = torch.nn.Linear(2, 2, bias=False)
    with pytest.raises(FacebenchError, match=r"it holds test_vit\): it lacks 1 \(more\.weight\)$"):
        load_method(other, load(path), path)


FULL = """
import resource, signal, sys
from pathlib import Path
from facebench.errors import DataError
from pretrain.training.checkpoint import save
from pretrain.training.folder import RunFolder
from tests.pretrain.test_checkpoint import made
from tests.pretrain.toy import Toy
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    save(made(10, Path(sys.argv[1]), Toy(width=400)), RunFolder(Path(sys.argv[1])), keep=1)
except DataError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_write_that_the_system_cuts_short_leaves_the_old_one(tmp_path: Path) -> None:
    """For real: the process may not write more than 20 kB into a file."""
    folder = RunFolder(tmp_path)
    (old,) = saved(folder, 5)
    before = old.read_bytes()
    command = [sys.executable, "-c", FULL, str(tmp_path)]
    ran = subprocess.run(command, env=same_modules(), capture_output=True, text=True, check=True)
    assert "step-00000010.pt: File too large; the checkpoint before it is whole" in ran.stdout
    assert str(old) in ran.stdout
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == [old.name]
    assert old.read_bytes() == before
    assert load(old).step == 5


def test_a_full_disk_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder(tmp_path)
    (old,) = saved(folder, 5)

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pretrain.training.whole_file.os.fsync", full)
    with pytest.raises(DataError, match=r"No space left on device; the checkpoint before it is whole: .*; free some"):
        save(made(10, tmp_path), folder, keep=1)
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == [old.name]
    assert load(old).step == 5


def test_an_error_of_ours_while_writing_is_no_full_disk(tmp_path: Path) -> None:
    def wrong(_file: Any) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        write_whole(tmp_path / "x", wrong)
    assert list(tmp_path.iterdir()) == []


def test_generators_are_put_back() -> None:
    with torch.random.fork_rng(devices=[]):
        state = checkpoints.generators()
        first = torch.rand(3)
        checkpoints.set_generators(state)
        assert torch.equal(torch.rand(3), first)
