"""Nearest neighbours by the cosine of centred features, and their softmax weights; nothing is learnt.

A feature is centred by the mean of the support set: many networks add one large vector to every token, and without it
every cosine is near one. The weight of a neighbour is exp(cosine / temperature), over those of all k.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

NEIGHBOURS: tuple[int, ...] = (1, 3, 10, 30, 100)
"""k, tried on val. Caron et al. (DINO, 2021) vote with 10 to 200, Balazevic et al. (2023) with 30."""

TEMPERATURES: tuple[float, ...] = (0.02, 0.07, 0.2)
"""Tried on val: 0.02 of Balazevic et al., 0.07 of DINO, and a softer one."""

ELEMENTS = 20_000_000
"""Similarities held at once: 80 MB in single precision."""


@dataclass(frozen=True)
class Choice:
    """How many neighbours, and how sharply they are weighted."""

    neighbours: int
    temperature: float

    @property
    def chosen(self) -> dict[str, str]:
        """For the record."""
        return {"neighbours": str(self.neighbours), "temperature": f"{self.temperature:g}"}


def choices(support: int) -> tuple[Choice, ...]:
    """Every choice with at most `support` neighbours, fewest first; one alone has weight 1 at any temperature."""
    counts = sorted({min(k, support) for k in NEIGHBOURS})
    return tuple(Choice(k, t) for k, t in product(counts, TEMPERATURES) if k > 1 or t == TEMPERATURES[0])


@dataclass(frozen=True, eq=False)
class Support:
    """The support set.

    Attributes:
        centre: (D,) mean of the support set's features.
        units: (N, D) its features, centred, of length one; a feature that is the centre itself is zero.
    """

    centre: Tensor
    units: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Support:
        """The support set of `features` (N, D)."""
        centre = features.double().mean(dim=0).to(features.dtype)
        return cls(centre, _units(features - centre))

    def nearest(self, queries: Tensor, most: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Cosines and indices (q, min(most, N)) of the nearest to `queries` (Q, D), best first, part by part."""
        rows = max(1, ELEMENTS // len(self.units))
        for at in range(0, len(queries), rows):
            cosines = _units(queries[at : at + rows].to(self.units) - self.centre) @ self.units.T
            found = cosines.topk(min(most, len(self.units)), dim=1)
            yield found.values, found.indices


def weighted(cosines: Tensor, values: Tensor, choice: Choice) -> Tensor:
    """Means (q, V) of `values` (q, M, V), those of M >= k neighbours, best first, under the weights of the first k."""
    k = choice.neighbours
    weights = (cosines[:, :k].double() / choice.temperature).softmax(dim=1).to(values.dtype)
    return (weights[:, None] @ values[:, :k])[:, 0]


def _units(features: Tensor) -> Tensor:
    import torch

    return torch.nn.functional.normalize(features, dim=1)
