"""Linear regression by its normal equations: exact, streaming, deterministic, every shrinkage from one pass.

Ridge regression needs two sums over the samples, x xᵀ and x yᵀ. They are added up in float64 shard by shard, so the
result depends neither on how the samples were cut into shards or batches (but for the last bits) nor on a learning
rate, a schedule or a seed. One eigendecomposition x xᵀ = U diag(e) Uᵀ then gives the weights of any shrinkage,

    W(a) = U diag(1 / (e + a · mean(e))) Uᵀ x yᵀ

with a measured in mean eigenvalues, so that the same list of shrinkages suits any backbone, width and sample size.
a = inf gives W = 0: whatever was subtracted from y, the floor, is then all that is predicted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SHRINKAGES: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, math.inf)
"""What is tried on val, in mean eigenvalues of x xᵀ; the last is the floor."""

RANK_TOLERANCE = 1e-12
"""Eigenvalues below this part of the largest are rounding of zero in float64."""


@dataclass(frozen=True, eq=False)
class RidgePath:
    """The solutions of one regression, for any shrinkage.

    Attributes:
        values: (D,) float64, eigenvalues of x xᵀ, none negative.
        vectors: (D, D) float64, its eigenvectors in columns.
        cross: (D, M) float64, Uᵀ x yᵀ.
        mean_x: (L, D) float64, subtracted from x before it is weighted.
        mean_y: (L, M) float64, added to what is predicted.
    """

    values: Tensor
    vectors: Tensor
    cross: Tensor
    mean_x: Tensor
    mean_y: Tensor

    def weights(self, shrinkage: float) -> Tensor:
        """W (D, M) float64 at `shrinkage` mean eigenvalues; zeros at infinity, and where x does not vary."""
        import torch

        scale = float(self.values.mean())
        if math.isinf(shrinkage) or scale <= 0:
            return torch.zeros_like(self.cross)
        return self.vectors @ (self.cross / (self.values + shrinkage * scale)[:, None])


class Moments:
    """Running sums of a regression y ~ x at L positions that share one W but each have means of their own.

    Centring each position by its own means is what makes the prediction a residual: what a position is on average is
    given, and W only explains deviations from it.
    """

    def __init__(self) -> None:
        self.count = 0
        self._xx: Tensor | None = None
        self._xy: Tensor
        self._x: Tensor
        self._y: Tensor

    def add(self, x: Tensor, y: Tensor) -> None:
        """Add n samples: `x` (n, L, D) and `y` (n, L, M)."""
        x, y = x.double(), y.double()
        self.add_products(x, x.flatten(0, 1).T @ y.flatten(0, 1), y.sum(dim=0))

    def add_products(self, x: Tensor, cross: Tensor, y_sum: Tensor) -> None:
        """Add n samples `x` (n, L, D), given their products with y: Σ x yᵀ (D, M) and Σ y (L, M), float64."""
        x = x.double()
        flat = x.flatten(0, 1)
        sums = (flat.T @ flat, cross, x.sum(dim=0), y_sum)
        if self._xx is None:
            self._xx, self._xy, self._x, self._y = sums
        else:
            self._xx += sums[0]
            self._xy += sums[1]
            self._x += sums[2]
            self._y += sums[3]
        self.count += len(x)

    def solve(self) -> RidgePath:
        """The regression of everything that was added."""
        import torch

        assert self._xx is not None, "nothing was added"
        mean_x, mean_y = self._x / self.count, self._y / self.count
        gram = self._xx - self.count * mean_x.T @ mean_x
        cross = self._xy - self.count * mean_x.T @ mean_y
        values, vectors = torch.linalg.eigh((gram + gram.T) / 2)
        return RidgePath(values.clamp_min(0), vectors, vectors.T @ cross, mean_x, mean_y)


@dataclass(frozen=True, eq=False)
class Wide:
    """A ridge regression with about as many inputs as samples, solved on the smaller side.

    Attributes:
        mean_x: (D,) float64.
        mean_y: (M,) float64.
        values: (R,) float64, the eigenvalues of x xᵀ that are not zero.
        scale: their mean over min(N - 1, D), the unit of shrinkages.
        projection: (D, R) float64: a sample's coordinates are (x - mean_x) @ projection.
        cross: (R, M) float64.
        scores: (N, R) float64, coordinates of the training samples.
    """

    mean_x: Tensor
    mean_y: Tensor
    values: Tensor
    scale: float
    projection: Tensor
    cross: Tensor
    scores: Tensor

    @classmethod
    def fit(cls, x: Tensor, y: Tensor) -> Wide:
        """Regression of `y` (N, M) on `x` (N, D)."""
        x, y = x.double(), y.double()
        mean_x, mean_y = x.mean(dim=0), y.mean(dim=0)
        values, scores, projection = _principal_axes(x - mean_x)
        scale = float(values.sum()) / max(1, min(len(x) - 1, x.shape[1]))
        return cls(mean_x, mean_y, values, scale, projection, scores.T @ (y - mean_y), scores)

    def predict(self, x: Tensor, shrinkages: Sequence[float]) -> list[Tensor]:
        """Predictions (n, M) for `x` (n, D), one for each shrinkage."""
        scores = (x.double() - self.mean_x) @ self.projection
        return [scores @ self._weights(a) + self.mean_y for a in shrinkages]

    def left_out(self, y: Tensor, shrinkage: float) -> Tensor:
        """Residuals (N, M) of the training samples, each predicted from all the others (exact, in closed form)."""
        y = y.double() - self.mean_y
        fitted = self.scores @ self._weights(shrinkage)
        leverage = (self.scores**2 / (self.values + shrinkage * self.scale)).sum(dim=1)
        # The mean is estimated too: one N-th more of each sample's own weight.
        return (y - fitted) / (1 - leverage - 1 / len(y)).clamp_min(1e-6)[:, None]

    def _weights(self, shrinkage: float) -> Tensor:
        return self.cross / (self.values + shrinkage * self.scale)[:, None]


def _principal_axes(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Eigenvalues (R,), scores (N, R) and axes (D, R) of centred `x` (N, D), through the smaller Gram matrix."""
    import torch

    wide = x.shape[0] < x.shape[1]
    values, vectors = torch.linalg.eigh(x @ x.T if wide else x.T @ x)
    keep = values > values.max().clamp_min(0) * RANK_TOLERANCE
    values, vectors = values[keep], vectors[:, keep]
    axes = (x.T @ vectors) / values.sqrt() if wide else vectors
    return values, x @ axes, axes
