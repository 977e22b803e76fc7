"""Two real processes over gloo: the loss curve of one, a lost rank, a silent rank, an interruption."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pretrain.training.folder import RunFolder
from pretrain.training.log import read_log
from tests.pretrain.test_resume import ended, lines, losses, start
from tests.source_tree import same_modules

pytestmark = pytest.mark.slow

TOLERANCE = 2e-5
"""Relative difference of the losses of one and of two processes: the same sums in another order, in float32."""

OWN = ("images_per_second", "alarm", "code_reliance")
"""What may differ: the clock's, and what is measured on the pictures that rank 0 sees."""


def start_two(output: Path, method: str, *words: str) -> list[subprocess.Popen[str]]:
    """Two ranks, as torchrun would start them, but with nobody who ends one when the other is gone."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [start(output, method, *words, RANK=str(r), LOCAL_RANK=str(r), **common) for r in range(2)]


def both_ended(pair: list[subprocess.Popen[str]]) -> None:
    for process in pair:
        code, errors = ended(process)
        assert code == 0, errors


@pytest.mark.parametrize(("method", "accumulate"), [("toy", 1), ("toy", 2), ("paco-fr", 1), ("mae", 1), ("simmim", 2)])
def test_two_processes_tell_what_one_tells(tmp_path: Path, method: str, accumulate: int) -> None:
    # Terms over a whole batch see a micro-batch: as many pictures of it in one process as in two.
    code, errors = ended(start(tmp_path / "one", method, f"accumulate={accumulate}"))
    assert code == 0, errors
    both_ended(start_two(tmp_path / "two", method, f"accumulate={accumulate}"))
    one, two = (read_log(RunFolder(tmp_path / name).log) for name in ("one", "two"))
    assert len(one) == len(two)
    for a, b in zip(one, two, strict=True):
        named = {name for name in a if name not in OWN}
        assert named == {name for name in b if name not in OWN}
        for name in named:
            assert b[name] == pytest.approx(a[name], rel=TOLERANCE, abs=TOLERANCE), (a["step"], name)


def test_under_torchrun(tmp_path: Path) -> None:
    command = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "tests.pretrain.toy_run"]
    words = [sys.executable, "-m", *command, str(tmp_path / "two"), "toy"]
    subprocess.run(words, env=same_modules(), check=True, timeout=240)
    assert ended(start(tmp_path / "one", "toy"))[0] == 0
    for (step, a), (other, b) in zip(losses(tmp_path / "one"), losses(tmp_path / "two"), strict=True):
        assert step == other
        assert b == pytest.approx(a, rel=TOLERANCE)


@pytest.mark.parametrize("word", ["die=12", "freeze=12"])
def test_a_lost_rank_stops_the_other_and_the_run_goes_on(tmp_path: Path, word: str) -> None:
    both_ended(start_two(tmp_path / "whole", "toy"))
    first, second = start_two(tmp_path / "lost", "toy", word, "patience=5")
    begun = time.monotonic()
    code, errors = ended(first)
    second.kill()
    second.communicate()
    assert code == 1
    assert time.monotonic() - begun < 90
    assert "rank 0 of 2 stopped in step 12: another rank is gone or silent" in errors
    assert "the same command under torchrun goes on from" in errors
    assert "step-00000010.pt" in errors
    assert "Traceback" not in errors
    both_ended(start_two(tmp_path / "lost", "toy"))
    assert losses(tmp_path / "lost") == losses(tmp_path / "whole")


def test_an_interruption_of_one_rank_stops_both_after_a_checkpoint(tmp_path: Path) -> None:
    pair = start_two(tmp_path, "toy", "pause=0.05")
    while lines(tmp_path) < 6 and pair[0].poll() is None:
        time.sleep(0.01)
    pair[1].send_signal(signal.SIGTERM)
    assert [ended(process)[0] for process in pair] == [130, 130]
    done = losses(tmp_path)[-1][0]
    assert RunFolder(tmp_path).checkpoints()[0].name == f"step-{done:08d}.pt"
    assert done < 20
