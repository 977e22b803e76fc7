"""Multiply-adds of a picture: closed forms, the size that is run, and networks that the counter cannot see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from facebench.backbones.cost import counted
from facebench.backbones.pixels import BACKBONE as PIXELS
from facebench.backbones.timm import BACKBONE as TIMM


def vit(width: int, depth: int, patch: int, side: int, hidden: int, prefix: int = 1) -> float:
    """10^9 multiply-adds of a ViT without its head: patches, four projections, two products of attention, the MLP."""
    patches = (side // patch) ** 2
    tokens = patches + prefix
    block = 4 * tokens * width**2 + 2 * tokens**2 * width + 2 * tokens * width * hidden
    return (patches * width * 3 * patch**2 + depth * block) / 1e9


@pytest.mark.parametrize("side", [224, 448])
def test_a_vit_costs_what_its_closed_form_says_at_the_size_that_is_run(side: int) -> None:
    record = TIMM.open("vit_tiny_patch16_224@random:0", side).record
    assert record.gmacs == pytest.approx(vit(192, 12, 16, side, 768), rel=1e-9)


def test_published_numbers_are_met() -> None:
    """timm's table of ImageNet models has 1.26 GMACs for ViT-Ti/16 (its classifier is 0.0002 of them)."""
    assert vit(192, 12, 16, 224, 768) == pytest.approx(1.26, abs=0.01)
    assert vit(768, 12, 16, 224, 3072) == pytest.approx(17.6, abs=0.1)  # DeiT's paper: 17.6 for ViT-B/16


def test_convolutions_by_hand() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Conv2d(8, 8, 3, padding=1, groups=8))
    made, gmacs = counted(network, torch.zeros(1, 3, 32, 32))
    assert made.shape == (1, 8, 16, 16)
    assert gmacs == pytest.approx(16 * 16 * 8 * (27 + 9) / 1e9)


def test_raw_pixels_cost_nothing() -> None:
    assert PIXELS.open("", None).record.gmacs == 0.0


def test_what_the_counter_cannot_see_through_is_unknown_and_runs_all_the_same() -> None:
    from torch.utils._python_dispatch import _get_current_dispatch_mode

    def shy(x: Tensor) -> Tensor:
        if _get_current_dispatch_mode() is not None:
            raise RuntimeError("not while somebody looks")
        return x + 1

    made, gmacs = counted(shy, torch.zeros(1))
    assert (float(made), gmacs) == (1.0, None)


def test_the_networks_own_failure_is_raised() -> None:
    with pytest.raises(RuntimeError, match="shape"):
        counted(nn.Linear(3, 1), torch.zeros(1, 5))


def test_a_module_of_the_users_own_is_counted(tmp_path: Path) -> None:
    from facebench.backbones.module import BACKBONE

    (tmp_path / "mine.py").write_text(
        "from torch import nn\n\n\ndef make():\n    net = nn.Conv2d(3, 4, 8, stride=8)\n"
        "    net.mean, net.std, net.input_size = (0, 0, 0), (1, 1, 1), 32\n    return net\n"
    )
    backbone: Any = BACKBONE.open(f"{tmp_path / 'mine.py'}:make", None)
    assert backbone.record.gmacs == pytest.approx(16 * 4 * 3 * 64 / 1e9)
