"""What a training leaves in its folder while it goes: checkpoints, encoders, pictures. Rank 0 alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from pretrain.config import PretrainConfig
from pretrain.training import checkpoint as checkpoints
from pretrain.training import pictures
from pretrain.training.checkpoint import Checkpoint
from pretrain.training.export import PARTS, Part, header, weights_of, write_encoder
from pretrain.training.folder import RunFolder
from pretrain.training.learner import Learner
from pretrain.training.monitor import Monitor

if TYPE_CHECKING:
    from pretrain.batch import Batch, Clock

SHOWN = 8
"""Pictures of a panel."""


@dataclass
class Outputs:
    """Writes what is due.

    Attributes:
        config: of the run.
        folder: where to.
        learner: what is written.
        monitor: whose sums go into checkpoints, and who shows pictures.
        data_digest: of the list of pictures.
        device: where the method is.
        saved: the step of the newest checkpoint; None where there is none.
    """

    config: PretrainConfig
    folder: RunFolder
    learner: Learner
    monitor: Monitor
    data_digest: str
    device: str
    saved: int | None

    def due(self, clock: Clock, batches: Sequence[Batch]) -> None:
        """Write what is due after the step at `clock`; the end is for `finish`."""
        run, done = self.config.run, clock.step + 1
        if done == clock.steps:
            return
        if done % run.save_every == 0:
            self.save(clock)
        if run.export_every and done % run.export_every == 0:
            self._export("encoder", self.folder.encoder(done), clock)
        if run.picture_every and done % run.picture_every == 0:
            self._draw(batches, clock)

    def finish(self, clock: Clock, batches: Sequence[Batch]) -> None:
        """Write what is not there yet: a finished run that is called again writes nothing."""
        done = clock.step + 1
        self.save(clock)
        for part, path in zip(PARTS, (self.folder.encoder(done), self.folder.teacher(done)), strict=True):
            if not path.exists():
                self._export(part, path, clock)
        if batches:
            self._draw(batches, clock)

    def save(self, clock: Clock) -> None:
        """Write a checkpoint, unless this step has one."""
        done = clock.step + 1
        if self.saved == done:
            return
        made = Checkpoint(
            step=done,
            method=self.learner.method.state_dict(),
            optimizer=self.learner.optimizer.state_dict(),
            rng=checkpoints.generators(),
            metrics=self.monitor.state(),
            config=self.config,
            header=self._header(clock),
        )
        checkpoints.save(made, self.folder, keep=self.config.run.keep)
        self.saved = done

    def health(self, batches: Sequence[Batch], clock: Clock) -> Mapping[str, float]:
        """What the method measures now and then, on the first pictures of the step."""
        if not hasattr(self.learner.method, "health"):
            return {}
        with self._evaluating():
            found: Mapping[str, float] = self.learner.method.health(self._few(batches), clock)
        return found

    def _export(self, part: Part, path: Path, clock: Clock) -> None:
        weights = weights_of(self.learner.method.state_dict(), part)
        if weights:
            write_encoder(path, weights, self._header(clock), self.config.encoder, part=part)

    def _header(self, clock: Clock) -> dict[str, str]:
        epoch = (clock.step + 1) / clock.steps_per_epoch
        told = self.monitor.last
        return header(self.config, data_digest=self.data_digest, step=clock.step + 1, epoch=epoch, told=told)

    def _draw(self, batches: Sequence[Batch], clock: Clock) -> None:
        """Draw what the method offers to show."""
        with self._evaluating():
            panel = pictures.panel_of(self.learner.method, self._few(batches), clock)
            plate = pictures.plate_of(self.learner.method)
        done = clock.step + 1
        for name, path, picture in (
            ("reconstructions", self.folder.picture(done), panel),
            ("codebook", self.folder.codebook_picture, plate),
        ):
            if picture is not None:
                pictures.write(path, picture)
                self.monitor.picture(name, picture, done)

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """The method as it is used, without gradients."""
        self.learner.method.eval()
        with torch.no_grad(), self.learner.precision():
            yield
        self.learner.method.train()

    def _few(self, batches: Sequence[Batch]) -> Batch:
        """The first pictures of a step."""
        batch = batches[0].to(self.device)
        cut = {name: getattr(batch, name)[:SHOWN] for name in ("images", "replaced", "regions", "ids")}
        return dataclasses.replace(batch, **cut)
