"""The configuration for two million faces, dry: every command of it, on shards made here, by two processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facebench.record import read_results
from pretrain.training.folder import RunFolder
from pretrain.training.log import read_log
from tests.pretrain.made_sources import write_folder
from tests.source_tree import same_modules

pytestmark = pytest.mark.slow

STEPS = 4
SMALLER = (
    f"optim.steps={STEPS}", "optim.batch=4", "optim.compile=false", "data.workers=1",
    "codebook.size=16", "codebook.kmeans_patches=512", "run.save_every=2", "run.keep=1", "run.log_every=1",
    "run.export_every=2", "run.picture_every=2",
)  # fmt: skip
"""What is changed: size of the batch, length, and number of tokens. Architecture, masks, precision and ranks stay."""


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "facebench", *map(str, words)]


def done(words: list[str], **environment: str) -> str:
    ended = subprocess.run(
        words, env=same_modules() | environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout


def kill_all(words: str) -> None:
    """End every process that was started with `words`, as a power cut would: torchrun and the ranks it began."""
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if words.encode() in place.read_bytes().split(b"\0"):
                os.kill(int(place.parent.name), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):  # it ended by itself meanwhile
            continue


def test_prepare_train_by_two_resume_export_run(tmp_path: Path) -> None:
    shards, output = tmp_path / "shards", tmp_path / "run"
    source = write_folder(tmp_path / "source", range(24))
    done(command("pretrain", "prepare", source, "-o", shards, "--min-side", "20"))

    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "facebench"]
    train = ["pretrain", "train", "paco_fr_vitb16_2m", f"data.shards={shards}", f"run.output={output}", *SMALLER]
    words = [sys.executable, *torchrun, *train]
    environment = same_modules() | {"OMP_NUM_THREADS": "1"}
    with (tmp_path / "errors.txt").open("w") as errors:
        first = subprocess.Popen(words, env=environment, stdout=errors, stderr=errors)
    until = time.monotonic() + 600
    while not RunFolder(output).checkpoints() and first.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    assert first.poll() is None, (tmp_path / "errors.txt").read_text()[-3000:]
    kill_all(f"run.output={output}")
    first.wait()
    (kept,) = RunFolder(output).checkpoints()
    assert kept.name == "step-00000002.pt"

    done(words, OMP_NUM_THREADS="1")
    lines = [line for line in read_log(RunFolder(output).log) if "loss" in line]
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))

    encoder = tmp_path / "encoder.safetensors"
    done(command("pretrain", "export", RunFolder(output).checkpoints()[0], "-o", encoder))
    done(command("run", "-b", f"paco-fr:{encoder}", "-e", "now", "-o", tmp_path / "runs"))
    judged = [result for result in read_results(tmp_path / "runs") if result.backbone is not None]
    assert [result.backbone.parameters for result in judged] == [85_798_656]
    assert all(score.value is not None for result in judged for score in result.scores if score.headline)
