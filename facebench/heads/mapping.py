"""The mapping head: a small network from the pooled features to coefficients of a mesh basis, as MICA has it.

Zielonka et al., "Towards Metrical Reconstruction of Human Faces", ECCV 2022: a frozen face encoder's one vector goes
through fully connected layers of `HIDDEN` leaky units (slope 0.2, He start, last layer times 0.25) to the coefficients
of a head. What differs, so that it serves any backbone and any size of training set:

    - Inputs are pooled features less their training mean, over their training deviation; MICA's are unit vectors.
    - The loss is the distance of the coefficients, which is that of all vertices together, since the basis is
      orthonormal; MICA sums over vertices by hand-set weights of its regions. The whole backbone stays frozen.
    - It predicts the residual from the mean head. Val chooses after how many steps, and which part of the residual is
      taken; none of it is the floor.

Not closed-form: it has a seed, and what moves features by one part in 10^7, such as another batch size, grows over the
steps to some percent of a residual. The same batch size and seed give the same bytes; linear heads have no such limits.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from facebench.heads.shape import Triples

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

HIDDEN = (256, 256, 256, 256)
"""Widths: `hidden_layers_size` and `mapping_layers` + 1 of MICA's configuration."""

SLOPE = 0.2
LAST = 0.25  # of the last layer's start, so that training begins near the mean head

STEPS = 2000
BATCH = 32
RATE = 3e-4  # falls to zero by a cosine
DECAY = 1e-2
LOOK_EVERY = 50  # steps from one look at val to the next

PARTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of the residual; what is tried on val."""


@dataclass(frozen=True, eq=False)
class MappingHead:
    """A fitted head.

    Attributes:
        network: standardised features to residuals, in units of `spread`.
        centre, deviation: (D,) float64 of the training features.
        mean: (R,) float64, the mean training coefficients.
        spread: root mean square of a training residual's coefficients.
        part: of the residual that is taken.
        steps: that the network was trained for.
    """

    network: nn.Module
    centre: Tensor
    deviation: Tensor
    mean: Tensor
    spread: float
    part: float
    steps: int

    @property
    def chosen(self) -> Mapping[str, str]:
        """What val chose, for the record."""
        return {"inputs": "pooled", "steps": str(self.steps), "part": f"{self.part:g}"}

    def predict(self, pooled: Tensor) -> Tensor:
        """Coefficients (n, R) float64 for `pooled` (n, D)."""
        import torch

        with torch.no_grad():
            residual: Tensor = self.network((pooled.double() - self.centre) / self.deviation)
        return self.mean + self.part * self.spread * residual


def fit_mapping(train: Callable[[], Triples], val: Callable[[], Triples], *, seed: int) -> MappingHead:
    """Fit the head on `train`, choose steps and part on `val`; each is read once."""
    import torch

    x, y = _gather(train())
    centre, deviation = x.mean(dim=0), x.std(dim=0, correction=0)
    deviation = torch.where(deviation > 1e-9 * deviation.max(), deviation, torch.ones_like(deviation))
    mean = y.mean(dim=0)
    spread = float((y - mean).square().mean().sqrt()) or 1.0
    x_val, y_val = _gather(val())
    targets, wanted = (y - mean) / spread, (y_val - mean) / spread
    inputs, seen = (x - centre) / deviation, (x_val - centre) / deviation
    draw = torch.Generator().manual_seed(seed)
    network = build_network(x.shape[1], y.shape[1], draw).to(x.device)
    best = (float(wanted.square().sum()), 0.0, 0, copy.deepcopy(network))
    for step in _train(network, inputs, targets, draw):
        found = network(seen).detach()
        errors = [(float((wanted - part * found).square().sum()), part) for part in PARTS]
        error, part = min(errors)
        if error < best[0]:
            best = (error, part, step, copy.deepcopy(network))
    _, part, steps, network = best
    return MappingHead(network.requires_grad_(requires_grad=False), centre, deviation, mean, spread, part, steps)


def build_network(inputs: int, outputs: int, draw: Generator) -> nn.Module:
    """The untrained network, float64."""
    import torch
    from torch import nn

    widths = (inputs, *HIDDEN, outputs)
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(pairwise(widths)):
        layer = nn.Linear(a, b, dtype=torch.float64, device="meta").to_empty(device="cpu")  # draws nothing by itself
        nn.init.zeros_(layer.bias)
        if i < len(HIDDEN):
            nn.init.kaiming_normal_(layer.weight, a=SLOPE, nonlinearity="leaky_relu", generator=draw)
            layers += [layer, nn.LeakyReLU(SLOPE)]
        else:
            nn.init.kaiming_uniform_(layer.weight, a=5**0.5, generator=draw)
            layer.weight.data *= LAST
            layers.append(layer)
    return nn.Sequential(*layers)


def _gather(triples: Triples) -> tuple[Tensor, Tensor]:
    """Pooled features (N, D) and coefficients (N, R), float64."""
    import torch

    pairs = [(pooled.double(), truth.double()) for _, pooled, truth in triples]
    return torch.cat([x for x, _ in pairs]), torch.cat([y for _, y in pairs])


def _train(network: nn.Module, inputs: Tensor, targets: Tensor, draw: Generator) -> Iterator[int]:
    """Train for STEPS steps in place; yields the number of steps whenever val is to be looked at."""
    import torch

    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    waiting: list[int] = []
    for step in range(1, STEPS + 1):
        if not waiting:
            waiting = torch.randperm(len(inputs), generator=draw).tolist()
        batch, waiting = waiting[:BATCH], waiting[BATCH:]
        apart = (network(inputs[batch]) - targets[batch]).square().sum(dim=1)
        loss = (apart + 1e-12).sqrt().mean()  # the root has no slope at zero
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % LOOK_EVERY == 0:
            yield step
