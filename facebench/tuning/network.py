"""Backbone, feature pyramid and UPerNet head, as FaRL puts them together.

    maps of four depths ── pyramid (4x, 2x, 1x, 1/2 of a ViT's grid; the stages of a hierarchical network) ── UPerHead

UPerHead: Xiao et al., "Unified Perceptual Parsing for Scene Understanding", ECCV 2018, as in mmsegmentation: pooling to
1, 2, 3 and 6 cells on the coarsest map, lateral 1x1 convolutions, a top-down path, 3x3 convolutions, all fused at the
finest map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812  (torch's own name for it)

if TYPE_CHECKING:
    from torch import Tensor

POOLS = (1, 2, 3, 6)
DROPOUT = 0.1


class Pyramid(nn.Module):
    """Maps of a plain ViT, all of one grid, at four scales (FaRL's FPN); maps of falling size stay as they are."""

    def __init__(self, shapes: Sequence[Sequence[int]]) -> None:
        super().__init__()
        sides = [shape[-1] for shape in shapes]
        self.widths = [shape[0] for shape in shapes]
        plain = len(set(sides)) == 1 and len(sides) > 1
        rises = [2, 1, 0, -1][-len(sides) :] if plain else [0] * len(sides)
        self.steps = nn.ModuleList(_rise(width, rise) for width, rise in zip(self.widths, rises, strict=True))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps from fine to coarse."""
        return [step(one) for step, one in zip(self.steps, maps, strict=True)]


def _rise(width: int, times: int) -> nn.Module:
    """2^times as fine: transposed convolutions, or a max-pool where `times` is negative."""
    if times < 0:
        return nn.MaxPool2d(2, 2, ceil_mode=True)
    up: list[nn.Module] = []
    for i in range(times):
        up += [nn.BatchNorm2d(width), nn.GELU()] if i else []
        up.append(nn.ConvTranspose2d(width, width, 2, 2))
    return nn.Sequential(*up)


class UPerHead(nn.Module):
    """Scores (n, C, h, w) of the finest map of a pyramid."""

    def __init__(self, widths: Sequence[int], classes: int, width: int) -> None:
        super().__init__()
        self.pools = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(cells), _block(widths[-1], width, 1)) for cells in POOLS
        )
        self.bottleneck = _block(widths[-1] + len(POOLS) * width, width, 3)
        self.laterals = nn.ModuleList(_block(w, width, 1) for w in widths[:-1])
        self.smooth = nn.ModuleList(_block(width, width, 3) for _ in widths[:-1])
        self.fuse = _block(len(widths) * width, width, 3)
        self.scores = nn.Sequential(nn.Dropout2d(DROPOUT), nn.Conv2d(width, classes, 1))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """From maps, fine to coarse."""
        coarse = maps[-1]
        pooled = [_to(pool(coarse), coarse) for pool in self.pools]
        levels = [*(lateral(one) for lateral, one in zip(self.laterals, maps, strict=False))]
        levels.append(self.bottleneck(torch.cat([coarse, *pooled], dim=1)))
        for i in range(len(levels) - 1, 0, -1):
            levels[i - 1] = levels[i - 1] + _to(levels[i], levels[i - 1])
        smooth = [conv(one) for conv, one in zip(self.smooth, levels, strict=False)]
        fine = smooth[0] if smooth else levels[0]
        made: Tensor = self.scores(self.fuse(torch.cat([_to(one, fine) for one in (*smooth, levels[-1])], dim=1)))
        return made


def _block(inputs: int, outputs: int, kernel: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def _to(small: Tensor, large: Tensor) -> Tensor:
    size = (large.shape[-2], large.shape[-1])
    return F.interpolate(small, size, mode="bilinear", align_corners=False)


class Network(nn.Module):
    """Pictures (n, 3, S, S) in [0, 1] to scores (n, C, side, side).

    Attributes:
        backbone: the module that is tuned; `encode` calls it.
        side: of the scores, upsampled bilinearly.

    `seed` is of the new weights, `width` of the head (None: that of the deepest map).
    """

    def __init__(self, encoder: Any, classes: int, side: int, *, seed: int, width: int | None = None) -> None:
        super().__init__()
        self.encode, self.side = encoder.encode, side
        self.backbone = encoder.module
        shapes = encoder.record.details["maps"]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.pyramid = Pyramid(shapes)
            self.head = UPerHead(self.pyramid.widths, classes, width or self.pyramid.widths[-1])

    def forward(self, images: Tensor) -> Tensor:
        """Scores."""
        scores = self.head(self.pyramid(self.encode(images).maps))
        return F.interpolate(scores, (self.side, self.side), mode="bilinear", align_corners=False)


def softargmax(scores: Tensor) -> Tensor:
    """Points (n, K, 2) in units of the crop's side: the mean place of each heatmap sigmoid(scores) (n, K, G, G)."""
    heat = scores.float().sigmoid()
    places = (torch.arange(heat.shape[-1], device=heat.device) + 0.5) / heat.shape[-1]
    total = heat.sum(dim=(2, 3)).clamp_min(1e-9)
    return torch.stack([(heat.sum(2) * places).sum(-1), (heat.sum(3) * places).sum(-1)], dim=-1) / total[..., None]
