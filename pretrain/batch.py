"""What flows through pre-training: a batch of pictures in, an outcome of the method out.

The loader decides which patches are replaced, so a mask is a pure function of (seed, epoch, picture) and neither the
number of ranks nor that of workers can change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Batch:
    """Pictures of one rank and one micro-batch.

    Attributes:
        images: (N, 3, S, S) float32, RGB in [0, 1].
        replaced: (N, L) bool, the patches that are replaced, row by row; the same number in each picture.
        regions: (N, L) int64, the region of each patch, an index into `pretrain.method.regions.REGIONS`.
        ids: names of the pictures in the shards.
        first: place of the first picture in the global batch of the step, so that random draws can be those of the
            whole batch.
        total: pictures of the global batch of the step.
    """

    images: Tensor
    replaced: Tensor
    regions: Tensor
    ids: tuple[str, ...]
    first: int
    total: int

    def to(self, device: str) -> Batch:
        """The same batch on `device`."""
        return replace(
            self,
            images=self.images.to(device, non_blocking=True),
            replaced=self.replaced.to(device, non_blocking=True),
            regions=self.regions.to(device, non_blocking=True),
        )


@dataclass(frozen=True)
class Clock:
    """Where in the training a step is.

    Attributes:
        step: number of the step, from 0.
        steps: steps of the whole training.
        steps_per_epoch: steps of one pass over the pictures, as a real number.
        seed: of the run.
    """

    step: int
    steps: int
    steps_per_epoch: float
    seed: int

    @property
    def epoch(self) -> float:
        """Passes over the pictures so far."""
        return self.step / self.steps_per_epoch

    @property
    def progress(self) -> float:
        """Share of the training that lies behind, 0 to below 1."""
        return self.step / self.steps


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a method makes of a batch.

    Attributes:
        loss: scalar, what is minimised.
        parts: each term of the loss before its weight, and what is watched beside them; detached scalars.
        state: what `after_step` needs of this batch (choices, patches); detached.
    """

    loss: Tensor
    parts: Mapping[str, Tensor]
    state: Mapping[str, Tensor] = field(default_factory=dict)


class Method(Protocol):
    """A way to pre-train an encoder; a `torch.nn.Module` with a few words more.

    Attributes:
        encoder: the timm VisionTransformer that is exported.
        teacher: its running mean, or None; a module whose parameters take no gradient.
        side: P, pixels; what the loader cuts masks and regions by.

    Where it also has `health(batch, clock)`, numbers that cost passes of their own, and `panels(batch, clock)`,
    pictures by name, the trainer asks for them now and then.
    """

    encoder: Any
    teacher: Any
    side: int

    def __call__(self, batch: Batch, clock: Clock) -> Outcome:
        """Loss of `batch`. What is random depends on (seed, step, place in the global batch) alone."""
        ...

    def start(self, batches: Any) -> None:
        """Set what is learnt from data before the first step (the codebook), from an iterator of batches."""
        ...

    def after_step(self, outcomes: Any, clock: Clock, optimizer: Any) -> Mapping[str, float]:
        """Update what no gradient updates (teacher, usage, restarts) and return what is to be logged."""
        ...

    def parameter_groups(self) -> Any:
        """Parameters with their weight decay and rate: dicts for the optimizer, `lr_scale` among the keys."""
        ...
