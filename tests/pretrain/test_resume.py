"""Kill -9 at any moment, start again: the same losses, bit for bit."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pretrain.training.folder import RunFolder
from pretrain.training.log import read_log
from tests.source_tree import same_modules

pytestmark = pytest.mark.slow


def start(output: Path, method: str, *words: str, **environment: str) -> subprocess.Popen[str]:
    env = same_modules() | {"OMP_NUM_THREADS": "1"} | environment
    command = [sys.executable, "-m", "tests.pretrain.toy_run", str(output), method, *words]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str], *, seconds: float = 240) -> tuple[int, str]:
    """Exit code and what was said on stderr."""
    try:
        _, errors = process.communicate(timeout=seconds)
    finally:
        process.kill()
    return process.returncode, errors


def lines(output: Path) -> int:
    log = RunFolder(output).log
    return len(log.read_text().splitlines()) if log.exists() else 0


def losses(output: Path) -> list[tuple[int, float]]:
    return [(line["step"], line["loss"]) for line in read_log(RunFolder(output).log) if "alarm" not in line]


@pytest.mark.parametrize("method", ["paco-fr", "mae"])
def test_killed_again_and_again_it_tells_the_same(tmp_path: Path, method: str) -> None:
    code, errors = ended(start(tmp_path / "whole", method))
    assert code == 0, errors
    kills = 0
    for more in (3, 2, 6, 4, None):
        process = start(tmp_path / "killed", method, "pause=0.03")
        begun, deadline = lines(tmp_path / "killed"), time.monotonic() + 120
        while more is not None and process.poll() is None and time.monotonic() < deadline:
            if lines(tmp_path / "killed") >= begun + more:
                process.send_signal(signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.002)
        code, errors = ended(process)
        assert code in (0, -signal.SIGKILL), errors
    assert kills >= 3
    assert code == 0
    assert [step for step, _ in losses(tmp_path / "killed")] == list(range(1, 21))
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    same = [p.name for p in RunFolder(tmp_path / "whole").checkpoints()]
    assert [p.name for p in RunFolder(tmp_path / "killed").checkpoints()] == same


def test_sigterm_saves_and_ends_with_130(tmp_path: Path) -> None:
    ended(start(tmp_path / "whole", "toy"))
    process = start(tmp_path / "stopped", "toy", "pause=0.05")
    while lines(tmp_path / "stopped") < 7 and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 130
    done = losses(tmp_path / "stopped")[-1][0]
    assert RunFolder(tmp_path / "stopped").checkpoints()[0].name == f"step-{done:08d}.pt"
    assert done < 20
    assert ended(start(tmp_path / "stopped", "toy"))[0] == 0
    assert losses(tmp_path / "stopped") == losses(tmp_path / "whole")
