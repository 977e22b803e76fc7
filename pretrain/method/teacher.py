"""The teacher: a running mean of the encoder that sees whole pictures and takes no gradient.

INFERRED: momentum as in iBOT and DINO, from 0.996 to 1 along half a cosine.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch


def teacher_of(encoder: Any) -> Any:
    """A copy of `encoder` that takes no gradient."""
    teacher = copy.deepcopy(encoder)
    for parameter in teacher.parameters():
        parameter.requires_grad_(False)
    teacher.set_grad_checkpointing(False)
    return teacher.eval()


def momentum_at(start: float, progress: float) -> float:
    """Momentum at `progress` (0 to 1) of the training."""
    return 1 - (1 - start) * (math.cos(math.pi * progress) + 1) / 2


@torch.no_grad()
def follow(teacher: Any, encoder: Any, momentum: float) -> None:
    """Move the teacher's parameters towards the encoder's; buffers are copied."""
    for slow, fast in zip(teacher.parameters(), encoder.parameters(), strict=True):
        slow.lerp_(fast.detach(), 1 - momentum)
    for slow, fast in zip(teacher.buffers(), encoder.buffers(), strict=True):
        slow.copy_(fast)
