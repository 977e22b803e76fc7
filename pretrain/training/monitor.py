"""What is told of a training: lines of the log, curves for TensorBoard, alarms, and who watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from facebench.errors import FacebenchError
from pretrain.batch import Clock
from pretrain.config import PretrainConfig
from pretrain.training.alarms import Alarms
from pretrain.training.folder import RunFolder
from pretrain.training.log import Log
from pretrain.training.window import Window


@dataclass(frozen=True)
class Watch:
    """Who is told what happens; every callback may be left out.

    Attributes:
        begin: the training begins: steps that are done already, and all steps.
        step: a step is done: its number, its loss, pictures a second since the last line.
        line: a line of the log.
        note: something a person must be told.
    """

    begin: Callable[[int, int], None] = lambda _done, _steps: None
    step: Callable[[int, float, float], None] = lambda _step, _loss, _rate: None
    line: Callable[[Mapping[str, Any]], None] = lambda _: None
    note: Callable[[str], None] = lambda _: None


class Monitor:
    """Adds up steps, and writes what `run.log_every` and the alarms ask for."""

    def __init__(self, config: PretrainConfig, folder: RunFolder, watch: Watch, *, step: int) -> None:
        """Open the log of a training that has done `step` steps; what was told of later ones is dropped."""
        self._config = config
        self._watch = watch
        self._log = Log(folder.log, step)
        self._curves = _curves(config, folder, step)
        self._window = Window()
        self._alarms = Alarms(config)
        self._done = step
        self._since, self._pictures = time.perf_counter(), 0
        self.last: dict[str, Any] = {}

    def begin(self, steps: int) -> None:
        """Tell that a training of `steps` begins, or goes on."""
        self._watch.begin(self._done, steps)
        self._since = time.perf_counter()

    def at_line(self, clock: Clock) -> bool:
        """Whether the step at `clock` ends with a line of the log."""
        done = clock.step + 1
        return done % self._config.run.log_every == 0 or done == clock.steps

    def step(self, clock: Clock, rate: float, terms: Mapping[str, float], states: Mapping[str, float]) -> None:
        """Tell of one step.

        Args:
            clock: of the step.
            rate: its learning rate.
            terms: its loss, its gradient's norm and the parts of the loss.
            states: what the method says of itself.
        """
        done = clock.step + 1
        self._window.add(terms, states)
        self._pictures += self._config.optim.batch
        speed = self._pictures / max(time.perf_counter() - self._since, 1e-9)
        self._watch.step(done, terms["loss"], speed)
        if self.at_line(clock):
            self._line(clock, done, rate, speed)

    def state(self) -> dict[str, Any]:
        """What a later call goes on from, to be stored."""
        return {"window": self._window.state(), "said": list(self._alarms.said), "last": self.last}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a stored state."""
        self._window.load(state["window"])
        self._alarms.load(state["said"])
        self.last = dict(state["last"])

    def picture(self, name: str, picture: Any, step: int) -> None:
        """Show a picture (H, W, 3) uint8 among the curves."""
        if self._curves is not None:
            self._curves.add_image(name, picture, step, dataformats="HWC")

    def close(self) -> None:
        """Close the files."""
        self._log.close()
        if self._curves is not None:
            self._curves.close()

    def _line(self, clock: Clock, done: int, rate: float, speed: float) -> None:
        values = _with_context_gain(self._window.take())
        self.last = {"step": done, "epoch": round(done / clock.steps_per_epoch, 4), "lr": rate} | values
        line = {**self.last, "images_per_second": round(speed, 2)}
        self._log.write(line)
        self._watch.line(line)
        if self._curves is not None:
            for name, value in line.items():
                self._curves.add_scalar(name, value, done)
        for text in self._alarms.check(values, clock):
            self._log.write({"step": done, "alarm": text})
            self._watch.note(f"alarm: {text}")
        self._since, self._pictures = time.perf_counter(), 0


def _with_context_gain(values: dict[str, float]) -> dict[str, float]:
    """How much better context does than tokens alone: of the means, since a mean of ratios hangs on the ranks."""
    if "context_gain" in values and values["align"] > 0:
        return values | {"context_gain": 1 - values["rec"] / values["align"]}
    return values


def _curves(config: PretrainConfig, folder: RunFolder, step: int) -> Any:
    """A TensorBoard writer; None where none is wanted."""
    if not config.run.tensorboard:
        return None
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as cause:
        raise FacebenchError(
            f"tensorboard does not import ({cause}); pip install 'facebench[pretrain]', or set run.tensorboard=false"
        ) from cause
    return SummaryWriter(str(folder.tensorboard), purge_step=step + 1)
