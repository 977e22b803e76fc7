"""A method that learns: with its optimizer, on its device, shared by the ranks, and one step of it.

A step is: forward and backward of each micro-batch, gradients summed over them and averaged over the ranks, clipped,
AdamW, then what the method updates by itself. A picture weighs the same in whatever micro-batch of whatever rank it is.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from pretrain.sections import OptimConfig
from pretrain.training.schedule import learning_rate

if TYPE_CHECKING:
    from pretrain.batch import Batch, Clock, Outcome
    from pretrain.training.processes import Processes


class NotFinite(Exception):
    """A loss or a gradient that is NaN or infinite; what it was and which pictures went in."""

    def __init__(self, what: str, ids: Mapping[int, Sequence[str]]) -> None:
        """`ids` by rank."""
        super().__init__(what)
        self.what, self.ids = what, ids


@dataclass(frozen=True, eq=False)
class Step:
    """What one step was.

    Attributes:
        rate: learning rate.
        terms: loss, norm of the gradient before clipping, and the parts of the loss: means over the global batch.
        states: what the method says of itself.
        stop: whether some rank was asked to stop.
    """

    rate: float
    terms: Mapping[str, float]
    states: Mapping[str, float]
    stop: bool


class Learner:
    """A method and what changes it."""

    def __init__(self, method: Any, config: OptimConfig, processes: Processes) -> None:
        """Take `method`, whose state must be final: with several ranks, that of rank 0 is given to all."""
        self.method = method
        self._config, self._processes = config, processes
        self._parameters = [p for p in method.parameters() if p.requires_grad]
        if config.compile:
            compile_blocks(method)
        cuda = processes.device.startswith("cuda")
        self.optimizer = torch.optim.AdamW(
            method.parameter_groups(),
            lr=config.base_lr,
            betas=config.betas,
            weight_decay=config.weight_decay,
            fused=cuda,
        )
        self._forward: Any = method
        if processes.world > 1:
            # Parameters that only incubation trains have no gradient after it.
            self._forward = DistributedDataParallel(
                method, device_ids=[torch.device(processes.device)] if cuda else None, find_unused_parameters=True
            )

    def step(self, batches: Sequence[Batch], clock: Clock, *, stop: bool) -> Step:
        """Learn from the micro-batches of one step. Raises `NotFinite` before anything is changed."""
        rate = learning_rate(clock.step, clock.steps, self._config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("lr_scale", 1.0)
        self.optimizer.zero_grad(set_to_none=True)
        outcomes = [self._backward(batch, clock, last=batch is batches[-1]) for batch in batches]
        gradient = nn.utils.clip_grad_norm_(self._parameters, self._config.clip)
        terms, stop = self._agree(batches, outcomes, gradient, stop=stop)
        self._check(terms, batches, outcomes)
        self.optimizer.step()
        states = self.method.after_step(outcomes, clock, self.optimizer)
        return Step(rate, terms, {name: float(value) for name, value in states.items()}, stop)

    def _backward(self, batch: Batch, clock: Clock, *, last: bool) -> Outcome:
        share = len(batch.ids) / batch.total
        batch = batch.to(self._processes.device)
        # Drop-path and whatever else draws from torch's own generator depend on the step, not on what came before.
        torch.manual_seed(_seed(clock, batch.first))
        with self._gathering(last=last):
            with self.precision():
                outcome: Outcome = self._forward(batch, clock)
            (outcome.loss * (share * self._processes.world)).backward()  # type: ignore[no-untyped-call]
        return outcome

    def precision(self) -> AbstractContextManager[Any]:
        """Autocast to bfloat16 where it is asked for."""
        kind = torch.device(self._processes.device).type
        return torch.autocast(kind, torch.bfloat16, enabled=self._config.precision == "bf16")

    def _gathering(self, *, last: bool) -> AbstractContextManager[Any]:
        """Gradients of all but the last micro-batch stay on their rank."""
        shared = isinstance(self._forward, DistributedDataParallel)
        return self._forward.no_sync() if shared and not last else nullcontext()

    def _agree(
        self, batches: Sequence[Batch], outcomes: Sequence[Outcome], gradient: torch.Tensor, *, stop: bool
    ) -> tuple[dict[str, float], bool]:
        """Means over the global batch, and whether any rank stops: one exchange, one wait for the device."""
        names = sorted(outcomes[0].parts)
        rows = []
        for batch, outcome in zip(batches, outcomes, strict=True):
            values = [outcome.loss, *(outcome.parts[name] for name in names)]
            share = len(batch.ids) / batch.total
            rows.append(torch.stack([value.detach().float() for value in values]) * share)
        world = self._processes.world
        flags = torch.stack([gradient.float() / world, gradient.new_tensor(float(stop))])
        loss, *rest = self._processes.sum(torch.cat([torch.stack(rows).sum(0), flags])).tolist()
        *parts, norm, stops = rest
        return {"loss": loss, "gradient": norm} | dict(zip(names, parts, strict=True)), stops > 0

    def _check(self, terms: Mapping[str, float], batches: Sequence[Batch], outcomes: Sequence[Outcome]) -> None:
        """Raise `NotFinite` on every rank, with the pictures of the micro-batches that had no finite loss."""
        if all(math.isfinite(terms[name]) for name in ("loss", "gradient")):
            return
        bad = [b for b, outcome in zip(batches, outcomes, strict=True) if not bool(outcome.loss.isfinite())]
        found = self._processes.gather([name for b in bad for name in b.ids])
        if not any(found):  # every loss is finite and the gradient is not
            found = self._processes.gather([name for b in batches for name in b.ids])
        what = (
            f"the loss is {terms['loss']}"
            if any(map(bool, bad)) or not math.isfinite(terms["loss"])
            else (f"the gradient's norm is {terms['gradient']}")
        )
        raise NotFinite(what, {rank: ids for rank, ids in enumerate(found) if ids})


def compile_blocks(method: nn.Module) -> None:
    """Let torch compile every transformer block in place: one graph serves all of a width, and names stay."""
    for block in _blocks(method):
        block.compile()


def _blocks(method: nn.Module) -> Iterator[nn.Module]:
    for name, module in method.named_modules():
        if name.rpartition(".")[2] == "blocks":
            yield from module.children()


def _seed(clock: Clock, first: int) -> int:
    digest = hashlib.sha256(f"step/{clock.seed}/{clock.step}/{first}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
