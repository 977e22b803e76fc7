"""The optional token head: the belief of a dropped patch, predicted from its context.

INFERRED, and off by default: it makes the codebook a target as well (mc-BEiT). Only patches that were replaced by the
plain mask token are asked about; the others carry their token already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

REFINED = 0.2
"""mc-BEiT's omega: share of the target that comes from similar patches (its run script)."""


class TokenHead(nn.Module):
    """A linear layer from patch features to the K tokens."""

    def __init__(self, *, width: int, size: int) -> None:
        """Read features of `width` numbers, name one of `size` tokens."""
        super().__init__()
        self.layer = nn.Linear(width, size)

    def forward(self, features: Tensor, belief: Tensor, dropped: Tensor) -> Tensor:
        """Cross-entropy over the `dropped` (N, M) patches.

        Args:
            features: (N, M, D), encoder outputs of the replaced patches.
            belief: (N, M, K), what the Belief Predictor makes of the whole patches; no gradient.
            dropped: (N, M) bool.
        """
        unit = functional.normalize(features.detach().float(), dim=-1)
        alike = (unit @ unit.transpose(1, 2)).softmax(-1)
        belief = belief.detach()
        target = (1 - REFINED) * belief + REFINED * alike @ belief
        errors = -(target * self.layer(features).float().log_softmax(-1)).sum(-1)
        part = dropped.float()
        return torch.as_tensor((errors * part).sum() / part.sum().clamp_min(1))
