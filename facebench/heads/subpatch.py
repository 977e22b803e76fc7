"""Tokens that speak for the s x s cells under them: between (side x side) tokens and maps of side * s cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def to_tokens(maps: Tensor, side: int) -> Tensor:
    """Maps (n, C, G, G) as (n, side², C s²): each token's own s x s cells of each of C maps, s = G / side."""
    n, channels, cells, _ = maps.shape
    s = cells // side
    parts = maps.reshape(n, channels, side, s, side, s).permute(0, 2, 4, 1, 3, 5)
    return parts.reshape(n, side * side, channels * s * s)


def from_tokens(values: Tensor, side: int, channels: int) -> Tensor:
    """The inverse: (n, side², C s²) as maps (n, C, G, G)."""
    n = len(values)
    s = round((values.shape[2] / channels) ** 0.5)
    parts = values.reshape(n, side, side, channels, s, s).permute(0, 3, 1, 4, 2, 5)
    return parts.reshape(n, channels, side * s, side * s)
