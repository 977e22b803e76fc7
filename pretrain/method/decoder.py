"""The decoder: from encoded tokens to the standardised pixels of every patch; thrown away after pre-training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from pretrain.sections import DecoderConfig

if TYPE_CHECKING:
    from torch import Tensor


class Decoder(nn.Module):
    """A few pre-norm transformer blocks over all tokens, with fixed positions (as MAE's)."""

    positions: Tensor

    def __init__(self, config: DecoderConfig, *, width_in: int, grid: int, prefix: int, patch_pixels: int) -> None:
        """Decode tokens of width `width_in`, `prefix` of them before the grid * grid patches, to `patch_pixels`."""
        from timm.models.vision_transformer import Block

        super().__init__()
        self.prefix = prefix
        self.embed = nn.Linear(width_in, config.width)
        fixed = torch.cat([torch.zeros(prefix, config.width), sincos_positions(grid, config.width)])
        self.register_buffer("positions", fixed, persistent=False)
        self.blocks = nn.ModuleList(Block(config.width, config.heads, qkv_bias=True) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, patch_pixels)
        self.apply(_initialise)

    def forward(self, tokens: Tensor) -> Tensor:
        """Standardised pixels (N, L, 3 P P) of all `tokens` (N, prefix + L, D) of the encoder."""
        return self.decode(self.embed(tokens))

    def decode(self, x: Tensor) -> Tensor:
        """The same from tokens that are of the decoder's own width already (MAE puts its mask tokens there)."""
        x = x + self.positions
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x[:, self.prefix :]))  # type: ignore[no-any-return]


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


def sincos_positions(grid: int, width: int) -> Tensor:
    """Fixed positions (grid * grid, width): a quarter each of sine and cosine of the column, then of the row.

    Frequencies as in "Attention Is All You Need", from 1 down to 1/10000 (MAE, util/pos_embed.py).
    """
    frequencies = 10_000.0 ** -(torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    rows, columns = torch.meshgrid(*[torch.arange(grid, dtype=torch.float64)] * 2, indexing="ij")
    parts = []
    for axis in (columns, rows):
        angles = axis.reshape(-1, 1) * frequencies
        parts += [angles.sin(), angles.cos()]
    return torch.cat(parts, dim=1).float()
