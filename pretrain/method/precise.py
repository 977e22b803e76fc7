"""Full precision inside autocast, for what bfloat16 would spoil: cosines, distances, relations.

bfloat16 has eight bits: cosines near 1 would fall onto steps of 1/256, and tokens whose logits lie closer would tie.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def precise(like: Tensor) -> torch.autocast:
    """A context without autocast on the device of `like`; its float32 inputs stay float32."""
    return torch.autocast(like.device.type, enabled=False)
