"""The decoder of the attentive protocol for parsing: a few convolutions over the frozen tokens, cross-entropy.

Each token is projected to the s x s cells under it, so that 6 x 6 tokens still draw on a grid of at least `FINE` cells;
with learnt places added, two 3 x 3 convolutions lead to class scores. Labels are dense, so a decoder stands where the
other tasks have a query. Its softmax estimates the share of each class in a cell, as the linear head does, and is
blended with it:

    p = (1 - part) linear + part softmax(decoder),   label = argmax p_c / freq_c^g

Val chooses after how many steps, the part and the power g by the mean F1 over foreground classes; part 0 is the linear
head.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from facebench.heads.attentive import PARTS, Standard, drawn, train_steps
from facebench.heads.label_map import CHUNK, Pairs, ParsingHead, PowerTables, class_weight, fit_parsing, upsample

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

WIDTH = 64
FINE = 28
"""Least side of the decoder's grid, cells."""

STEPS = 800
BATCH = 8
LOOK_EVERY = 100


@dataclass(frozen=True, eq=False)
class AttentiveParsingHead:
    """A linear head and the decoder that is blended with it.

    Attributes:
        linear: the linear head.
        standard: how tokens are made comparable.
        decoder: standardised tokens to class scores on its own grid.
        part: of the decoder's shares.
        power: g.
        steps: that the decoder was trained for.
    """

    linear: ParsingHead
    standard: Standard
    decoder: nn.Module
    part: float
    power: float
    steps: int

    @property
    def chosen(self) -> Mapping[str, str]:
        """What val chose, for the record."""
        said = {"decoder_part": f"{self.part:g}", "decoder_steps": str(self.steps), "power": f"{self.power:g}"}
        return {**self.linear.chosen, **said}

    def predict(self, tokens: Tensor) -> Iterator[Tensor]:
        """Scores (C, G, G) float32 of each picture with `tokens` (n, D, h, w); the label is their argmax."""
        for at in range(0, len(tokens), CHUNK):
            yield from self._shares(tokens[at : at + CHUNK]) * class_weight(self.linear.frequency, self.power)

    def _shares(self, tokens: Tensor) -> Tensor:
        shares = self.linear.shares(tokens)
        if self.part == 0:
            return shares
        return (1 - self.part) * shares + self.part * self.drawn(tokens, shares.shape[-1])

    def drawn(self, tokens: Tensor, cells: int) -> Tensor:
        """The decoder's shares (n, C, cells, cells)."""
        import torch

        with torch.no_grad():
            return upsample(self.decoder(self.standard(tokens)), cells).softmax(dim=1)


def fit_attentive_parsing(
    train: Callable[[], Pairs], val: Callable[[], Pairs], *, classes: int, seed: int
) -> AttentiveParsingHead:
    """Fit the linear head and the decoder; val chooses the decoder's steps, its part and the power."""
    import torch

    linear = fit_parsing(train, val, classes=classes)
    tokens, labels = _gather(train())
    standard, draw = Standard.of(tokens), torch.Generator().manual_seed(seed)
    inputs = standard(tokens)
    decoder = build_decoder(tokens.shape[1], tokens.shape[-1], classes, draw).to(tokens.device)
    head = AttentiveParsingHead(linear, standard, decoder, 0.0, linear.power, 0)
    choose = _Choice(linear, *_gather(val()), classes)

    def loss_of(scores: Tensor, wanted: Tensor) -> Tensor:
        coarse = wanted[:, ::2, ::2].long()  # every second cell, a quarter of the time
        return torch.nn.functional.cross_entropy(upsample(scores, coarse.shape[-1]), coarse)

    best, chosen = choose.score(head, 0.0), head
    for step in train_steps(decoder, inputs, labels, loss_of, draw, steps=STEPS, batch=BATCH, look_every=LOOK_EVERY):
        for part in PARTS[1:]:
            found = choose.score(head, part)
            if found[0] > best[0]:
                best, chosen = (
                    found,
                    replace(head, decoder=copy.deepcopy(decoder), part=part, power=found[1], steps=step),
                )
    chosen.decoder.requires_grad_(requires_grad=False)
    return chosen


class _Choice:
    """Mean F1 on val, every second cell, at the power that suits it best."""

    def __init__(self, linear: ParsingHead, tokens: Tensor, labels: Tensor, classes: int) -> None:
        import torch

        self._tokens, self._labels, self._classes = tokens, labels[:, ::2, ::2], classes
        parts = (linear.shares(tokens[at : at + CHUNK])[..., ::2, ::2] for at in range(0, len(tokens), CHUNK))
        self._linear, self._frequency = torch.cat(list(parts)), linear.frequency

    def score(self, head: AttentiveParsingHead, part: float) -> tuple[float, float]:
        """(mean F1, power) of `head` with `part` of its decoder."""
        tables = PowerTables(self._frequency, self._classes)
        for at in range(0, len(self._tokens), CHUNK):
            shares = self._linear[at : at + CHUNK]
            if part:
                drawn = head.drawn(self._tokens[at : at + CHUNK], shares.shape[-1])
                shares = (1 - part) * shares + part * drawn
            tables.add(shares, self._labels[at : at + CHUNK], stride=1)
        return tables.best_score()


def build_decoder(channels: int, side: int, classes: int, draw: Generator) -> nn.Module:
    """The untrained decoder: tokens (n, D, side, side) to scores (n, C, g, g)."""
    import torch
    from torch import nn

    s = math.ceil(FINE / side)

    class Decoder(nn.Module):
        """A projection with places, two convolutions, class scores."""

        def __init__(self) -> None:
            super().__init__()
            self.project = nn.Conv2d(channels, WIDTH * s * s, 1)
            self.spread = nn.PixelShuffle(s)
            self.places = nn.Parameter(torch.zeros(1, WIDTH, side * s, side * s))
            self.first, self.second = (nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in range(2))
            self.norms = nn.ModuleList(nn.GroupNorm(8, WIDTH) for _ in range(2))
            self.out = nn.Conv2d(WIDTH, classes, 1)

        def forward(self, tokens: Tensor) -> Tensor:
            x = self.spread(self.project(tokens)) + self.places
            for convolve, norm in zip((self.first, self.second), self.norms, strict=True):
                x = x + nn.functional.gelu(norm(convolve(x)))
            scores: Tensor = self.out(x)
            return scores

    decoder: Any = drawn(Decoder, draw)
    return decoder.eval()  # type: ignore[no-any-return]


def _gather(pairs: Pairs) -> tuple[Tensor, Tensor]:
    """Tokens (N, D, h, w) float32 and labels (N, G, G) uint8 of all shards."""
    import torch

    both = [(tokens.float(), labels) for tokens, labels in pairs]
    return torch.cat([tokens for tokens, _ in both]), torch.cat([labels for _, labels in both])
