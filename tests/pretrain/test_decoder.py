"""The decoder: its positions by loops, and what it does with tokens before the patches."""

from __future__ import annotations

import math

import pytest
import torch

from pretrain.method.decoder import Decoder, sincos_positions
from pretrain.sections import DecoderConfig


def test_positions_by_loops():
    grid, width = 3, 16
    found = sincos_positions(grid, width)
    for row in range(grid):
        for column in range(grid):
            wanted = []
            for place in (column, row):  # MAE: the column comes first
                angles = [place / 10_000 ** (i / (width / 4)) for i in range(width // 4)]
                wanted += [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
            assert found[row * grid + column].tolist() == pytest.approx(wanted, abs=1e-6)


def test_positions_are_all_different():
    assert len(torch.unique(sincos_positions(14, 32), dim=0)) == 196


def decoder(prefix=2, depth=1):
    torch.manual_seed(0)
    config = DecoderConfig(width=16, depth=depth, heads=4)
    return Decoder(config, width_in=6, grid=3, prefix=prefix, patch_pixels=12)


@pytest.mark.parametrize("prefix", [0, 1, 2])
def test_patches_come_out_and_what_stands_before_them_does_not(prefix):
    assert decoder(prefix)(torch.randn(2, prefix + 9, 6)).shape == (2, 9, 12)


def test_every_patch_may_look_at_every_token():
    made, tokens = decoder(), torch.randn(1, 11, 6).requires_grad_()
    made(tokens)[0, 4].square().sum().backward()
    assert float(tokens.grad.abs().sum(-1).min()) > 0


def test_without_blocks_it_is_a_layer_for_each_patch():
    made, tokens = decoder(depth=0), torch.randn(1, 11, 6).requires_grad_()
    made(tokens)[0, 4].square().sum().backward()
    assert tokens.grad[0].abs().sum(-1).nonzero().flatten().tolist() == [6]  # after two prefix tokens


def test_fixed_positions_are_not_learnt_and_not_stored():
    assert all("positions" not in name for name in decoder().state_dict())
