"""The linear parsing head: one regression lays out the face, one draws what each token sees.

Both are linear in the frozen tokens, closed-form, and predict what is left over by a mean. Over a grid of at least
112 x 112 cells, the share of class c in a cell is estimated as

    p = prior + up(A x) + B f

1. *Prior*: how often each cell is of class c in train.
2. *Layout*: the summary x of the whole map is regressed on the deviation of coarse (14 x 14) label maps.
3. *Detail*: each token f is regressed on the s x s sub-patches under it, as the residual from the layout. So 7 x 7
   tokens still draw an eye. The layout that a training picture is compared with is the one of all others
   (leave-one-out), or the detail would learn the layout's overfitting.

A least-squares share is timid about small classes; the label is argmax of p_c / freq_c^g, with the power g chosen on
val by the mean F1 over foreground classes; both shrinkages are chosen on val by the squared error. With infinite
shrinkage the head predicts the majority label of each cell, so weighted: the floor. (Plain majority, g = 0, is less
than zero skill: 11 F1 where the weighted one has 30.)
Tried (synthetic faces, val F1 at 56 cells): detail alone gives a random ViT 52.4 and a small net trained on parsing
82.3, layout alone 67.3 and 79.4, both 71.7 and 83.3; that net's own end-to-end head has 84.3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from facebench.heads.ridge import SHRINKAGES, Moments, RidgePath, Wide
from facebench.heads.subpatch import from_tokens, to_tokens
from facebench.heads.summary import Collector, Summary

if TYPE_CHECKING:
    from torch import Tensor

CELLS = 112
"""Least side of the grid of labels, cells: half of 224 pixels; an eye of LaPa is some ten cells wide."""

LAYOUT = 14
"""Side of the coarse label maps, cells."""

DETAIL_SHRINKAGES: tuple[float, ...] = (1e-3, 1e-2, 1e-1, math.inf)
POWERS: tuple[float, ...] = (0.0, 0.0625, 0.125, 0.1875, 0.25, 0.375)
"""g, tried on val; 0.5 was worse on every backbone tried."""

CHUNK = 8
"""Pictures laid out at once, to bound memory."""

Pairs = Iterable[tuple["Tensor", "Tensor"]]
"""Shards: tokens (n, D, h, w) and labels (n, G, G) uint8 over the crop, G = `grid_of(h)`."""


def grid_of(side: int) -> int:
    """G, cells on each side of the label grid of a map of `side` tokens."""
    return side * math.ceil(CELLS / side)


@dataclass(frozen=True, eq=False)
class ParsingHead:
    """A fitted head.

    Attributes:
        prior: (C, G, G) float32, share of each class in train.
        frequency: (C,) float32, share of each class over all cells.
        summary: the way from a map to the inputs of the layout.
        layout: the layout regression.
        layout_shrinkage: its shrinkage.
        detail: the detail regression.
        weights: (D, C s²) float32, its weights at `detail_shrinkage`.
        detail_shrinkage: its shrinkage.
        power: g.
    """

    prior: Tensor
    frequency: Tensor
    summary: Summary
    layout: Wide
    layout_shrinkage: float
    detail: RidgePath | None
    weights: Tensor | None
    detail_shrinkage: float
    power: float

    @property
    def chosen(self) -> Mapping[str, str]:
        """What val chose, for the record."""
        return {
            "layout_shrinkage": f"{self.layout_shrinkage:g}",
            "detail_shrinkage": f"{self.detail_shrinkage:g}",
            "power": f"{self.power:g}",
        }

    def predict(self, tokens: Tensor) -> Iterator[Tensor]:
        """Scores (C, G, G) float32 of each picture with `tokens` (n, D, h, w); the label is their argmax."""
        for at in range(0, len(tokens), CHUNK):
            yield from self.shares(tokens[at : at + CHUNK]) * class_weight(self.frequency, self.power)

    def shares(self, tokens: Tensor) -> Tensor:
        """Shares (n, C, G, G) float32 of pictures with `tokens` (n, D, h, w)."""
        return self._laid_out(tokens) + self._drawn(tokens)

    def _laid_out(self, tokens: Tensor) -> Tensor:
        coarse = self.layout.predict(self.summary(tokens), [self.layout_shrinkage])[0] - self.layout.mean_y
        return self.prior + self._up(coarse)

    def _drawn(self, tokens: Tensor) -> Tensor | float:
        if self.detail is None or self.weights is None:
            return 0.0
        flat = (tokens.double().flatten(2).transpose(1, 2) - self.detail.mean_x).float()
        return from_tokens(flat @ self.weights, tokens.shape[-1], len(self.prior))

    def _up(self, coarse: Tensor) -> Tensor:
        return upsample(coarse.reshape(len(coarse), -1, LAYOUT, LAYOUT).float(), self.prior.shape[-1])


def fit_parsing(train: Callable[[], Pairs], val: Callable[[], Pairs], *, classes: int) -> ParsingHead:
    """Fit the head on `train` and choose its shrinkages and power on `val`; `train` is read twice, `val` three times.

    Args:
        train: shards of the training split.
        val: shards of the choosing split.
        classes: C, background included.
    """
    head, coarse = _fit_layout(train, classes)
    head = _choose_layout(head, val, classes)
    left = head.layout.left_out(coarse, head.layout_shrinkage)
    detail = _fit_detail(head, train, coarse.double() - head.layout.mean_y - left, classes)
    return _choose_detail(replace(head, detail=detail), val, classes)


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Shares (n, C, G, G) float32 of `labels` (n, G, G): 1 for a cell's class."""
    import torch

    return torch.nn.functional.one_hot(labels.long(), classes).permute(0, 3, 1, 2).float()


def coarsen(shares: Tensor) -> Tensor:
    """Shares (n, C, G, G) averaged to (n, C * 14 * 14)."""
    import torch

    return torch.nn.functional.adaptive_avg_pool2d(shares, LAYOUT).flatten(1)


def upsample(coarse: Tensor, cells: int) -> Tensor:
    """Maps (n, C, g, g) as (n, C, cells, cells), bilinear, edge to edge."""
    import torch

    return torch.nn.functional.interpolate(coarse, (cells, cells), mode="bilinear", align_corners=False)


def _fit_layout(train: Callable[[], Pairs], classes: int) -> tuple[ParsingHead, Tensor]:
    import torch

    collector, coarse, total, count = Collector(), [], None, 0
    for tokens, labels in train():
        collector.add(tokens)
        for at in range(0, len(labels), CHUNK):
            shares = one_hot(labels[at : at + CHUNK], classes)
            coarse.append(coarsen(shares))
            summed = shares.double().sum(dim=0)
            total = summed if total is None else total + summed
        count += len(labels)
    assert total is not None, "train is empty"
    prior = (total / count).float()
    summary, rows = collector.finish()
    targets = torch.cat(coarse)
    frequency = prior.mean(dim=(1, 2))
    layout = Wide.fit(rows, targets)
    return ParsingHead(prior, frequency, summary, layout, math.inf, None, None, math.inf, 0.0), targets


def _choose_layout(head: ParsingHead, val: Callable[[], Pairs], classes: int) -> ParsingHead:
    """The shrinkage with the least squared error of coarse label maps."""
    errors = [0.0] * len(SHRINKAGES)
    for tokens, labels in val():
        truth = coarsen(one_hot(labels, classes)).double()
        for i, found in enumerate(head.layout.predict(head.summary(tokens), SHRINKAGES)):
            errors[i] += float((found - truth).square().sum())
    best = min(range(len(errors)), key=lambda i: (errors[i], -i))
    return replace(head, layout_shrinkage=SHRINKAGES[best])


def _fit_detail(head: ParsingHead, train: Callable[[], Pairs], laid_out: Tensor, classes: int) -> RidgePath:
    """Tokens on the residuals from the prior and from `laid_out` (N, C * 14 * 14), each picture's own left out."""
    moments, done = Moments(), 0
    for tokens, labels in train():
        for part, truth in _chunks(tokens, labels):
            residual = one_hot(truth, classes) - head.prior - head._up(laid_out[done : done + len(part)])
            moments.add(part.flatten(2).transpose(1, 2), to_tokens(residual, tokens.shape[-1]))
            done += len(part)
    return moments.solve()


def _choose_detail(head: ParsingHead, val: Callable[[], Pairs], classes: int) -> ParsingHead:
    """The shrinkage with the least squared error of shares, then the power with the best F1."""
    import torch

    assert head.detail is not None
    heads = [replace(head, weights=head.detail.weights(a).float(), detail_shrinkage=a) for a in DETAIL_SHRINKAGES]
    errors = [0.0] * len(heads)
    for tokens, labels in val():
        for part, truth in _chunks(tokens, labels):
            left = one_hot(truth, classes) - head._laid_out(part)
            for i, candidate in enumerate(heads):
                errors[i] += float((candidate._drawn(part) - left).square().sum(dtype=torch.float64))
    best = heads[min(range(len(heads)), key=lambda i: (errors[i], -i))]
    return replace(best, power=_choose_power(best, val, classes))


def _choose_power(head: ParsingHead, val: Callable[[], Pairs], classes: int) -> float:
    tables = PowerTables(head.frequency, classes)
    for tokens, labels in val():
        for part, truth in _chunks(tokens, labels):
            tables.add(head.shares(part), truth)
    return tables.best()


class PowerTables:
    """Confusion tables of a split at each power, to choose the one with the best mean F1."""

    def __init__(self, frequency: Tensor, classes: int) -> None:
        import torch

        self._frequency, self._classes = frequency, classes
        self._counts = torch.zeros(len(POWERS), classes * classes, dtype=torch.long)

    def add(self, shares: Tensor, labels: Tensor, *, stride: int = 2) -> None:
        """Count pictures of shares (n or 1, C, G, G) and true labels (n, G, G), every `stride` rows and columns."""
        import torch

        shares, labels = shares[..., ::stride, ::stride].contiguous(), labels[..., ::stride, ::stride]
        for j, power in enumerate(POWERS):
            pairs = labels.long() * self._classes + (shares * class_weight(self._frequency, power)).argmax(dim=1)
            self._counts[j] += torch.bincount(pairs.flatten(), minlength=self._classes**2).cpu()

    def best(self) -> float:
        """The power with the best mean F1; of equal ones the least."""
        return self.best_score()[1]

    def best_score(self) -> tuple[float, float]:
        """The best mean F1, a fraction, and the power that has it; of equal ones the least."""
        scores = [mean_f1(table.reshape(self._classes, self._classes)) for table in self._counts]
        best = max(range(len(scores)), key=lambda j: scores[j])
        return scores[best], POWERS[best]


def class_weight(frequency: Tensor, power: float) -> Tensor:
    """What the share of each class is multiplied by before the argmax, (C, 1, 1)."""
    return (frequency.clamp_min(1e-6) ** -power)[:, None, None]


def _chunks(tokens: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    for at in range(0, len(labels), CHUNK):
        yield tokens[at : at + CHUNK], labels[at : at + CHUNK]


def mean_f1(table: Tensor) -> float:
    """Mean F1 over the foreground classes that the truth has, of a confusion table (C, C) of counts, rows truth."""
    table = table.double()
    rows, columns = table.sum(dim=1)[1:], table.sum(dim=0)[1:]
    present = rows > 0
    f1 = 2 * table.diagonal()[1:] / (rows + columns).clamp_min(1)
    return float(f1[present].mean()) if bool(present.any()) else 0.0
