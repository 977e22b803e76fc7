"""The folder of a run: where each thing lies, and that one training at a time writes there.

Below `run.output`:

    config.yaml                          every choice, resolved
    log.jsonl                            one line every `run.log_every` steps
    tensorboard/                         the same as curves
    checkpoints/step-00001000.pt         everything; the newest `run.keep` of them
    encoders/step-00001000.safetensors   what `facebench run -b paco-fr:FILE` reads
    teachers/step-00001000.safetensors   the running mean of the encoder, at the end
    pictures/step-00001000.png           reconstructions; codebook.png, the prototypes of the tokens
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from facebench.errors import DataError, UsageError
from facebench.staging import held as hold

_STEP = re.compile(r"step-(\d+)$")


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run below `root`."""

    root: Path

    @property
    def log(self) -> Path:
        """The JSON lines."""
        return self.root / "log.jsonl"

    @property
    def tensorboard(self) -> Path:
        """Folder of the TensorBoard files."""
        return self.root / "tensorboard"

    def checkpoint(self, step: int) -> Path:
        """The checkpoint after `step` steps."""
        return self.root / "checkpoints" / f"{_named(step)}.pt"

    def encoder(self, step: int) -> Path:
        """The exported encoder after `step` steps."""
        return self.root / "encoders" / f"{_named(step)}.safetensors"

    def teacher(self, step: int) -> Path:
        """The exported teacher after `step` steps."""
        return self.root / "teachers" / f"{_named(step)}.safetensors"

    def picture(self, step: int) -> Path:
        """Reconstructions after `step` steps."""
        return self.root / "pictures" / f"{_named(step)}.png"

    @property
    def codebook_picture(self) -> Path:
        """Prototypes of the codebook."""
        return self.root / "pictures" / "codebook.png"

    @property
    def begun(self) -> bool:
        """Whether a training has left something that another one would spoil."""
        return bool(self.checkpoints()) or any((self.root / "encoders").glob("step-*"))

    def checkpoints(self) -> tuple[Path, ...]:
        """Checkpoints that lie there, newest first."""
        found = {path: step_of(path) for path in (self.root / "checkpoints").glob("step-*.pt")}
        return tuple(sorted((p for p, step in found.items() if step is not None), key=lambda p: -(found[p] or 0)))


def step_of(path: Path) -> int | None:
    """The step that a file is named for; None where it is named otherwise."""
    match = _STEP.search(path.stem)
    return int(match[1]) if match else None


def _named(step: int) -> str:
    return f"step-{step:08d}"


@contextmanager
def held(folder: RunFolder) -> Iterator[None]:
    """Hold the folder for this process; the system lets go of it however the process ends.

    Raises:
        UsageError: another training writes there.
        DataError: nothing can be written there.
    """
    lock = folder.root / ".lock"
    try:
        folder.root.mkdir(parents=True, exist_ok=True)
        lock.touch()
    except OSError as cause:
        raise DataError(f"cannot write to {folder.root}: {cause.strerror or cause}; name another run.output") from cause
    busy = UsageError(f"another training writes to {folder.root}; wait for it, or name another run.output")
    with hold(lock, busy):
        yield
