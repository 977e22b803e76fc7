"""A training in a process of its own: `python -m tests.pretrain.toy_run OUTPUT METHOD [WORD=VALUE ...]`.

`die=12` kills this process, or under several ranks the last one, by SIGKILL in step 12; `freeze=12` stops it there
without ending it. `pause=0.01` waits after each step, `patience=5` is how long ranks wait, `accumulate=2` cuts steps.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Generator, Sequence
from pathlib import Path

import torch

from facebench.errors import FacebenchError
from pretrain.batch import Batch
from pretrain.training import outputs
from pretrain.training.processes import joined
from pretrain.training.train import train
from tests.pretrain.toy import Noise, Toy, configured, tiny


class Mortal(Noise):
    """Noise that ends the process, or stops it, where it is told to."""

    words: dict[str, str]

    def steps(self, first: int, *, rank: int, world: int, patch: int) -> Generator[Sequence[Batch]]:
        for step, batches in enumerate(super().steps(first, rank=rank, world=world, patch=patch), start=first):
            for word, number in (("die", signal.SIGKILL), ("freeze", signal.SIGSTOP)):
                if rank == world - 1 and self.words.get(word) == str(step):
                    os.kill(os.getpid(), number)
            time.sleep(float(self.words.get("pause", "0")))
            yield batches


def main() -> None:
    output, method, *rest = sys.argv[1:]
    words = dict(word.split("=") for word in rest)
    optim = {"accumulate": int(words.get("accumulate", "1"))}
    made = configured if method == "toy" else tiny
    config = made(Path(output), optim=optim) if method == "toy" else tiny(method, Path(output), optim=optim)
    source = Mortal(config)
    object.__setattr__(source, "words", words)
    torch.manual_seed(5)
    if method == "toy":
        outputs.write_encoder = lambda *_args, **_kwargs: None  # type: ignore[assignment]
    with joined("cpu", patience=float(words.get("patience", "60"))) as processes:
        train(config, source, processes=processes, build=(lambda _config: Toy()) if method == "toy" else None)


if __name__ == "__main__":
    try:
        main()
    except FacebenchError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
