"""The nearest-neighbour head of a whole face: the weighted mean of what the nearest training faces have.

Faces are compared by one vector each, whichever val prefers: `pooled`, the mean of the tokens, or `map`, the summary of
the whole map (`facebench.heads.summary`), which still knows where in the crop things are. Val also chooses how many
neighbours are averaged and how sharply. With many neighbours and soft weights the head predicts the mean of all
training faces: the floor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from facebench.heads.neighbours import Choice, Support, choices, weighted
from facebench.heads.summary import Collector, Summary

if TYPE_CHECKING:
    from torch import Tensor

Pairs = Iterable[tuple["Tensor", "Tensor"]]
"""Shards: tokens (n, D, h, w) and what is asked for (n, ...)."""

Distances = Callable[["Tensor", "Tensor"], "Tensor"]
"""(found, truth), both (n, ...), to errors (n,)."""


@dataclass(frozen=True, eq=False)
class NeighbourHead:
    """A support set of faces, and what val chose.

    Attributes:
        summary: the way from tokens to `map`.
        inputs: `pooled` or `map`.
        support: vectors of the training faces, float64.
        answers: (N, ...) float64, theirs.
        choice: neighbours and temperature.
    """

    summary: Summary
    inputs: str
    support: Support
    answers: Tensor
    choice: Choice

    @property
    def chosen(self) -> Mapping[str, str]:
        """What val chose, for the record."""
        return {"inputs": self.inputs, **self.choice.chosen}

    def predict(self, tokens: Tensor, pooled: Tensor | None = None) -> Tensor:
        """Answers (n, ...) float64 of faces with `tokens` (n, D, h, w)."""
        del pooled  # of a backbone's own pooling; here it is the mean of the tokens
        (found,) = answers(self.support, self.answers, vectors(tokens, self.summary)[self.inputs], [self.choice])
        return found


def fit_neighbours(train: Callable[[], Pairs], val: Callable[[], Pairs], distances: Distances) -> NeighbourHead:
    """Collect the support set from `train`, choose inputs, neighbours and temperature on `val`; each is read once.

    The choice has the least mean error on val; of equal ones that with the fewest neighbours.
    """
    import torch

    collector, means, truths = Collector(), [], []
    for tokens, truth in train():
        collector.add(tokens)
        means.append(tokens.double().mean(dim=(2, 3)))
        truths.append(truth.double())
    summary, rows = collector.finish()
    known = torch.cat(truths)
    supports = {"pooled": Support.of(torch.cat(means)), "map": Support.of(rows.double())}
    tried = choices(len(known))
    errors = {(name, choice): 0.0 for name in supports for choice in tried}
    for tokens, truth in val():
        for name, queries in vectors(tokens, summary).items():
            for choice, found in zip(tried, answers(supports[name], known, queries, tried), strict=True):
                errors[name, choice] += float(distances(found, truth.double()).sum())
    name, choice = min(errors, key=lambda each: errors[each])
    return NeighbourHead(summary, name, supports[name], known, choice)


def vectors(tokens: Tensor, summary: Summary) -> dict[str, Tensor]:
    """Vectors (n, ·) float64 of faces with `tokens` (n, D, h, w), by the name of the inputs."""
    return {"pooled": tokens.double().mean(dim=(2, 3)), "map": summary(tokens).double()}


def answers(support: Support, known: Tensor, queries: Tensor, tried: Sequence[Choice]) -> list[Tensor]:
    """For each choice the answers (n, ...) of `queries` (n, D), given those of the support set, (N, ...)."""
    import torch

    flat = known.flatten(1)
    parts: list[list[Tensor]] = [[] for _ in tried]
    for cosines, near in support.nearest(queries, max(choice.neighbours for choice in tried)):
        values = flat[near]
        for found, choice in zip(parts, tried, strict=True):
            found.append(weighted(cosines, values, choice))
    return [torch.cat(found).reshape(len(queries), *known.shape[1:]) for found in parts]


def fit_neighbour_landmarks(train: Callable[[], Pairs], val: Callable[[], Pairs]) -> NeighbourHead:
    """For points (n, K, 2): val chooses by their mean distance."""
    return fit_neighbours(train, val, lambda found, truth: (found - truth).norm(dim=2).mean(dim=1))


def fit_neighbour_shape(
    train: Callable[[], Iterable[tuple[Tensor, Tensor, Tensor]]],
    val: Callable[[], Iterable[tuple[Tensor, Tensor, Tensor]]],
) -> NeighbourHead:
    """For coefficients (n, R), from triples of tokens, pooled features and truth: val chooses by the squared error."""
    return fit_neighbours(
        lambda: ((tokens, truth) for tokens, _, truth in train()),
        lambda: ((tokens, truth) for tokens, _, truth in val()),
        lambda found, truth: (found - truth).square().sum(dim=1),
    )
