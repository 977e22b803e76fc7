"""The loop: steps until the end, an interruption, or something that cannot go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from facebench.errors import FacebenchError
from pretrain.batch import Clock
from pretrain.config import PretrainConfig
from pretrain.training.folder import RunFolder
from pretrain.training.interrupt import Stop
from pretrain.training.learner import Learner, NotFinite
from pretrain.training.monitor import Monitor
from pretrain.training.outputs import Outputs
from pretrain.training.processes import Processes, is_lost_rank, lost_rank
from pretrain.training.schedule import step_count

if TYPE_CHECKING:
    from pretrain.batch import Batch
    from pretrain.data.source import Source

NAMED = 16
"""Pictures that an error names before it only counts."""


@dataclass
class Training:
    """A training at some step.

    Attributes:
        config: every choice.
        source: the pictures.
        folder: of the run.
        processes: who this process is.
        learner: the method and its optimizer.
        monitor: tells of steps; None on all ranks but the first.
        outputs: writes files; None on all ranks but the first.
        stop: whether somebody asked for the end.
        done: steps that are done.
    """

    config: PretrainConfig
    source: Source
    folder: RunFolder
    processes: Processes
    learner: Learner
    monitor: Monitor | None
    outputs: Outputs | None
    stop: Stop
    done: int

    def __post_init__(self) -> None:
        self.steps = step_count(self.config.optim, self.source.pictures)
        self.steps_per_epoch = self.source.pictures / self.config.optim.batch

    def run(self) -> None:
        """Take the steps that are left, and write what is written at the end."""
        batches: Sequence[Batch] = ()
        if self.monitor is not None:
            self.monitor.begin(self.steps)
        try:
            batches = self._all_steps()
        except NotFinite as cause:
            raise self._not_finite(cause) from cause
        except RuntimeError as cause:
            if self.processes.world > 1 and is_lost_rank(cause):
                raise lost_rank(cause, self.done, self.processes, self._resume()) from cause
            raise
        if self.outputs is not None:
            self.outputs.finish(self._clock(self.done - 1), batches)

    def _all_steps(self) -> Sequence[Batch]:
        """The batches of the last step."""
        batches: Sequence[Batch] = ()
        who = self.processes
        steps = self.source.steps(self.done, rank=who.rank, world=who.world, patch=self.learner.method.side)
        with closing(steps):
            while self.done < self.steps:
                batches = self._next(steps)
                self._step(batches)
        return batches

    def _next(self, steps: Iterator[Sequence[Batch]]) -> Sequence[Batch]:
        try:
            return next(steps)
        except FacebenchError:
            if self.stop.asked:  # Ctrl-C at a terminal strikes the processes of the loader as well
                self._interrupt()
            raise

    def _step(self, batches: Sequence[Batch]) -> None:
        clock = self._clock(self.done)
        made = self.learner.step(batches, clock, stop=self.stop.asked)
        self.done += 1
        if self.monitor is not None and self.outputs is not None:
            health: Mapping[str, float] = {}
            if self.monitor.at_line(clock):
                health = self.outputs.health(batches, clock)
            self.monitor.step(clock, made.rate, made.terms, {**made.states, **health})
            self.outputs.due(clock, batches)
        if made.stop:
            self._interrupt()

    def _interrupt(self) -> NoReturn:
        """End between two steps, after a checkpoint."""
        if self.outputs is not None and self.done:
            self.outputs.save(self._clock(self.done - 1))
        raise KeyboardInterrupt

    def _clock(self, step: int) -> Clock:
        return Clock(step, self.steps, self.steps_per_epoch, self.config.run.seed)

    def _not_finite(self, cause: NotFinite) -> FacebenchError:
        seen = "; ".join(f"{_named(ids)} (rank {rank})" for rank, ids in cause.ids.items())
        return FacebenchError(
            f"{cause.what} in step {self.done}; the pictures were {seen}; last good checkpoint: {self._resume()}"
        )

    def _resume(self) -> str:
        found = self.folder.checkpoints()
        return str(found[0]) if found else "none, it begins anew"


def _named(ids: Sequence[str]) -> str:
    return ", ".join(ids[:NAMED]) + (f" and {len(ids) - NAMED} more" if len(ids) > NAMED else "")
