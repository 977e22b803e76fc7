"""The Belief Predictor: from the pixels of one patch to a belief over the codebook.

KNOWN: tokens are "predicted and selected" from the original pixel values of the patches that they replace. INFERRED:
its form, a small network that sees one patch and nothing else, and asks by cosine similarity to the tokens' keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from pretrain.method.patches import Patches
from pretrain.sections import BeliefConfig

if TYPE_CHECKING:
    from torch import Tensor

LEAST_SCALE = 1e-3
"""Least factor of the cosines: the softmax of the belief must not turn round."""


class BeliefPredictor(nn.Module):
    """Patch to query: standardised pixels, brightness and contrast through two hidden layers, onto the unit sphere."""

    def __init__(self, config: BeliefConfig, *, patch_pixels: int, width: int, key_dim: int) -> None:
        """Ask with queries of `key_dim` numbers about patches of `patch_pixels`; hidden layers as wide as `width`."""
        super().__init__()
        hidden = config.hidden or width
        self.layers = nn.Sequential(
            nn.Linear(patch_pixels + 2, hidden),
            nn.GELU(),
            nn.LayerNorm(hidden),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Linear(hidden, key_dim),
        )
        self.scale_max = config.scale_max
        self.scale = nn.Parameter(torch.tensor(float(config.scale)))

    def forward(self, patches: Patches) -> Tensor:
        """Queries (..., key_dim), of length 1."""
        seen = torch.cat([patches.pixels, patches.mean, patches.log_std], dim=-1)
        return functional.normalize(self.layers(seen).float(), dim=-1)

    def sharpness(self) -> Tensor:
        """What cosines are multiplied by before the softmax: learnt."""
        return self.scale.float()

    @torch.no_grad()
    def bound(self) -> None:
        """Hold the scale within its bounds; after a step, so that its gradient can bring it back."""
        self.scale.clamp_(LEAST_SCALE, self.scale_max)
