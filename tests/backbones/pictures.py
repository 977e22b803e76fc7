"""Seeded noise in the form of pictures."""

from __future__ import annotations

import torch
from torch import Tensor


def noise(n: int, side: int, *, seed: int = 0) -> Tensor:
    """Pictures (n, 3, side, side) float32 in [0, 1]."""
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(seed))
