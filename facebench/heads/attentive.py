"""Attentive heads: learnt queries that read the frozen tokens by cross-attention, as V-JEPA's attentive probe does.

Bardes et al., "Revisiting Feature Prediction for Learning Visual Representations from Video" (2024): a frozen encoder,
a learnt query, one cross-attention block, a linear layer. Here a query stands for what is asked (a landmark each, or
one for the head), tokens carry learnt places, and the output is added to the linear head's prediction:

    prediction = linear + part * spread * reader(tokens)

The reader learns what the linear head leaves over on faces that this head was *not* fitted on, or it would learn the
linear head's overfitting. Val chooses after how many steps and which part is taken; none of it is the linear head. So
on val an attentive head is never worse than the linear one, and the gain is what attention finds beyond it.

Trained by AdamW in single precision from a seed: the same features, seed and number of threads give the same bytes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

WIDTH = 128
"""Of the queries and the projected tokens."""

HEADS = 4
EXPANSION = 2  # of the perceptron behind the attention

STEPS = 600
BATCH = 32
RATE = 1e-3  # falls to zero by a cosine
DECAY = 0.05
LOOK_EVERY = 50  # steps from one look at val to the next

PARTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of the reader's output; what is tried on val."""


@dataclass(frozen=True, eq=False)
class Standard:
    """Tokens made comparable: each channel less its training mean, over its training deviation.

    Attributes:
        centre, deviation: (D, 1, 1) float32.
    """

    centre: Tensor
    deviation: Tensor

    @staticmethod
    def of(tokens: Tensor) -> Standard:
        """The standard of training tokens (N, D, h, w)."""
        import torch

        centre = tokens.double().mean(dim=(0, 2, 3), keepdim=True)[0]
        deviation = (tokens.double() - centre).square().mean(dim=(0, 2, 3), keepdim=True)[0].sqrt()
        usual = torch.where(deviation > 1e-9 * deviation.max(), deviation, torch.ones_like(deviation))
        return Standard(centre.float(), usual.float())

    def __call__(self, tokens: Tensor) -> Tensor:
        """Standardised tokens, float32."""
        return (tokens.float() - self.centre) / self.deviation


@dataclass(frozen=True, eq=False)
class Reading:
    """A trained reader and what val chose of it.

    Attributes:
        standard: how tokens are made comparable.
        reader: tokens (n, D, h, w) to (n, Q, outputs).
        spread: root mean square of what the linear head left over.
        part: of the reader's output that is taken.
        steps: that the reader was trained for.
    """

    standard: Standard
    reader: nn.Module
    spread: float
    part: float
    steps: int

    @property
    def chosen(self) -> Mapping[str, str]:
        """What val chose, for the record."""
        return {"attentive_part": f"{self.part:g}", "attentive_steps": str(self.steps)}

    def __call__(self, tokens: Tensor) -> Tensor | float:
        """What is added to the linear prediction, (n, Q, outputs) float64; 0 where nothing is."""
        import torch

        if self.part == 0:
            return 0.0
        with torch.no_grad():
            found: Tensor = self.reader(self.standard(tokens)).double()
        return self.part * self.spread * found


def fit_reading(
    tokens: Tensor, left: Tensor, val_tokens: Tensor, val_error: Callable[[Tensor | float], float], *, seed: int
) -> Reading:
    """Train a reader on what the linear head leaves over.

    Args:
        tokens: (N, D, h, w) of the training faces.
        left: (N, Q, outputs) of each of them, by a linear head that did not see it.
        val_tokens: (M, D, h, w).
        val_error: the error on val when (M, Q, outputs), or 0, is added to the linear head's predictions.
        seed: of weights and order.
    """
    import torch

    draw = torch.Generator().manual_seed(seed)
    spread = float(left.double().square().mean().sqrt()) or 1.0
    standard = Standard.of(tokens)
    inputs, targets, seen = standard(tokens), (left / spread).float(), standard(val_tokens)
    _, channels, height, width = tokens.shape
    reader = build_reader(channels, (height, width), left.shape[1], left.shape[2], draw).to(tokens.device)

    def distance(found: Tensor, wanted: Tensor) -> Tensor:
        return ((found - wanted).square().sum(dim=-1) + 1e-6).sqrt().mean()

    best = (val_error(0.0), 0.0, 0, copy.deepcopy(reader))
    for step in train_steps(reader, inputs, targets, distance, draw):
        with torch.no_grad():
            found = torch.cat([reader(seen[i : i + BATCH]) for i in range(0, len(seen), BATCH)]).double()
        error, part = min((val_error(part * spread * found if part else 0.0), part) for part in PARTS)
        if error < best[0]:
            best = (error, part, step, copy.deepcopy(reader))
    _, part, steps, reader = best
    return Reading(standard, reader.requires_grad_(requires_grad=False), spread, part, steps)


def train_steps(
    network: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    loss_of: Callable[[Tensor, Tensor], Tensor],
    draw: Generator,
    *,
    steps: int = STEPS,
    batch: int = BATCH,
    look_every: int = LOOK_EVERY,
) -> Iterator[int]:
    """Train `network` in place; yields the number of steps whenever val is to be looked at."""
    import torch

    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    waiting: list[int] = []
    for step in range(1, steps + 1):
        if not waiting:
            waiting = torch.randperm(len(inputs), generator=draw).tolist()
        part, waiting = waiting[:batch], waiting[batch:]
        network.train()
        loss = loss_of(network(inputs[part]), targets[part])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        network.eval()
        if step % look_every == 0:
            yield step


def build_reader(channels: int, grid: tuple[int, int], queries: int, outputs: int, draw: Generator) -> nn.Module:
    """The untrained reader: (n, D, h, w) to (n, Q, outputs), zeros at the start."""
    import torch
    from torch import nn

    class Reader(nn.Module):
        """Queries, one cross-attention block, a linear layer."""

        def __init__(self) -> None:
            super().__init__()
            self.project = nn.Linear(channels, WIDTH)
            self.places = nn.Parameter(torch.zeros(grid[0] * grid[1], WIDTH))
            self.queries = nn.Parameter(torch.zeros(queries, WIDTH))
            self.norm_queries, self.norm_tokens = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.attend = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
            self.norm = nn.LayerNorm(WIDTH)
            self.perceptron = nn.Sequential(
                nn.Linear(WIDTH, EXPANSION * WIDTH), nn.GELU(), nn.Linear(EXPANSION * WIDTH, WIDTH)
            )
            self.out = nn.Linear(WIDTH, outputs)

        def forward(self, tokens: Tensor) -> Tensor:
            seen = self.norm_tokens(self.project(tokens.flatten(2).transpose(1, 2)) + self.places)
            asked = self.norm_queries(self.queries).expand(len(tokens), -1, -1)
            read = self.queries + self.attend(asked, seen, seen, need_weights=False)[0]
            found: Tensor = self.out(read + self.perceptron(self.norm(read)))
            return found

    reader: Any = drawn(Reader, draw)
    for name in ("places", "queries"):
        nn.init.normal_(getattr(reader, name), std=0.5, generator=draw)
    nn.init.zeros_(reader.out.weight)
    nn.init.zeros_(reader.out.bias)
    return reader.eval()  # type: ignore[no-any-return]


def drawn(build: Callable[[], Any], draw: Generator) -> Any:
    """`build()` with every weight drawn from `draw` alone."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(torch.randint(2**31, (1,), generator=draw)))
        return build()
