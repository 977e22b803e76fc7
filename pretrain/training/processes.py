"""The processes of one training: this one alone, or one a rank under torchrun.

torchrun sets RANK, WORLD_SIZE and LOCAL_RANK; where it did not, there is one process. Ranks talk by gloo on CPUs and by
NCCL on GPUs. A rank that is lost is noticed by the others: at once where its connection closes, otherwise after
`patience` seconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import torch
import torch.distributed as dist

from facebench.errors import FacebenchError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

PATIENCE = 600.0
"""Seconds that a rank waits for the others in one exchange."""

START_PATIENCE = timedelta(hours=6)
"""How long the others wait for rank 0 to read the first pictures and cluster their patches."""

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """Who this process is.

    Attributes:
        rank: its number, from 0.
        world: how many there are.
        device: torch's name of its device.
    """

    rank: int = 0
    world: int = 1
    device: str = "cpu"

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files and talks."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Sum of `values` over the ranks, without a gradient; `values` itself is changed."""
        if self.world > 1:
            dist.all_reduce(values)
        return values

    def gather(self, thing: T) -> list[T]:
        """What each rank gave, in their order."""
        if self.world == 1:
            return [thing]
        found: list[T] = [thing] * self.world
        dist.all_gather_object(found, thing)
        return found

    def from_first(self, thing: T) -> T:
        """What rank 0 gave."""
        if self.world == 1:
            return thing
        box = [thing]
        dist.broadcast_object_list(box, src=0)
        return box[0]


@contextmanager
def joined(device: str = "auto", *, patience: float = PATIENCE) -> Iterator[Processes]:
    """The processes of this training, connected for as long as the context lasts.

    Args:
        device: `auto`, or torch's name; on several GPUs each rank takes its own.
        patience: seconds that a rank waits for the others.

    Raises:
        UsageError: the device is not there.
        FacebenchError: the ranks do not find each other.
    """
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    device = _device(device)
    if world == 1:
        yield Processes(device=device)
        return
    backend = "nccl" if device.startswith("cuda") else "gloo"
    try:
        dist.init_process_group(backend, timeout=timedelta(seconds=patience))
    except (RuntimeError, ValueError) as cause:
        raise FacebenchError(f"rank {rank} of {world} found no others: {_line(cause)}") from cause
    try:
        yield Processes(rank, world, device)
        dist.barrier()  # whoever leaves first would close connections that the others still use
    finally:
        dist.destroy_process_group()


@contextmanager
def waiting_for_first(processes: Processes) -> Iterator[None]:
    """Let rank 0 do what is inside while the others, who skip it, wait longer than they would in a step."""
    if processes.world == 1:
        yield
        return
    group = dist.new_group(backend="gloo", timeout=START_PATIENCE)
    yield
    dist.barrier(group)


def is_lost_rank(cause: RuntimeError) -> bool:
    """Whether an error of torch says that another rank is gone or silent."""
    text = str(cause).lower()
    words = ("gloo", "nccl", "connection closed", "connection reset", "timed out waiting", "broken pipe")
    return isinstance(cause, dist.DistError) or any(word in text for word in words)


def lost_rank(cause: RuntimeError, step: int, processes: Processes, resume: str) -> FacebenchError:
    """The error for a rank that went away in `step`; `resume` says from where the same command goes on."""
    return FacebenchError(
        f"rank {processes.rank} of {processes.world} stopped in step {step}: another rank is gone or silent "
        f"({_line(cause)}); the same command under torchrun goes on from {resume}"
    )


def _device(name: str) -> str:
    local = os.environ.get("LOCAL_RANK", "0")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        name = f"cuda:{local}"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as cause:
        raise UsageError(f"device {name!r} cannot be used: {_line(cause)}") from cause
    if name.startswith("cuda"):
        torch.cuda.set_device(name)
    return name


def _line(cause: BaseException) -> str:
    text = str(cause).strip()
    return text.splitlines()[0][:160] if text else type(cause).__name__
