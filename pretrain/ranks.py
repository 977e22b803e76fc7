"""Sums over the ranks of a distributed run; with one process, each is its argument.

A term over the *global* batch (the balance of the codebook, Sinkhorn's columns, usage) must not depend on how many
processes share the batch, so its sums run over all of them.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

if TYPE_CHECKING:
    from torch import Tensor


def world_size() -> int:
    """Number of ranks."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Number of this rank, from 0."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def summed(value: Tensor) -> Tensor:
    """Sum of `value` over the ranks, with a gradient.

    Every rank computes the same loss from the same sum, and its backward pass adds the gradients of all ranks; their
    mean, which is what DistributedDataParallel takes, is then the gradient of the global term.
    """
    if world_size() == 1:
        return value
    from torch.distributed.nn.functional import all_reduce

    return all_reduce(value)  # type: ignore[no-any-return, no-untyped-call]


def total(value: Tensor) -> Tensor:
    """Sum of `value` over the ranks, without a gradient."""
    return _reduced(value, dist.ReduceOp.SUM)


def largest(value: Tensor) -> Tensor:
    """Largest `value` over the ranks, without a gradient."""
    return _reduced(value, dist.ReduceOp.MAX)


def _reduced(value: Tensor, how: object) -> Tensor:
    value = value.detach()
    if world_size() == 1:
        return value
    value = value.clone()
    dist.all_reduce(value, op=how)
    return value


def generator(device: torch.device, *parts: int | str) -> torch.Generator:
    """A generator on `device` whose draws depend on `parts` alone."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    made = torch.Generator(device=device)
    made.manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    return made
