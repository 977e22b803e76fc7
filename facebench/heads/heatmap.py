"""The linear landmark head: one regression says where the face is, one heatmap says where each point is in it.

Both are linear in the frozen tokens, closed-form, and predict what is left over by a mean:

1. *Shape.* The summary of the whole map is regressed on the points: mean shape + A x. Its leave-one-out errors on the
   training faces give each point's spread.
2. *Evidence.* Each token is regressed on the s x s sub-patches of K heatmaps under it, as a residual from the mean
   heatmap at its place: e = B f. So 7 x 7 tokens still draw heatmaps of 56 x 56 cells.
3. *Decoding* (soft-argmax). Point k lies at the mean of  N(shape_k, spread_k) exp(b e_k / rms(e))  over the cells,
   corrected by the same mean at b = 0, so that b = 0 gives the shape regression exactly.

The shrinkages of both regressions and the sharpness b are chosen on val. With infinite shrinkage and b = 0 the head
predicts the mean shape: the floor. Tried and left: evidence alone, decoded under the mean heatmap (a random ViT: 13.9 %
where the shape regression has 8.4 % and both together 6.8 %; synthetic faces, val NME), all four depths of a ViT in
place of the last (8.4 to 8.5 %), the whole width in place of 64 channels (8.38 to 8.43 %).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from facebench.heads.ridge import SHRINKAGES, Moments, RidgePath, Wide
from facebench.heads.subpatch import from_tokens, to_tokens
from facebench.heads.summary import Collector, Summary

if TYPE_CHECKING:
    from torch import Tensor

CELLS = 56
"""Least side of a heatmap, cells: a quarter of 224 pixels, HRNet's heatmap stride."""

SIGMA = 1.0
"""Spread of a target heatmap, cells (HRNet's 300W setting; 2 and 4 were worse on every backbone tried)."""

REACH = 4
"""Cells on each side of a point that its target heatmap covers: 4 sigma, where it is below 0.001."""

WINDOW = 3.0
"""Spreads on each side of the shape's point that decoding looks at."""

EVIDENCE_SHRINKAGES: tuple[float, ...] = (1e-3, 1e-2, 1e-1)
SHARPNESSES: tuple[float, ...] = (0.0, 0.125, 0.25, 0.5, 1.0, 2.0)
"""b, tried on val; 0 leaves the shape regression alone."""

CHUNK = 16
"""Faces decoded at once, to bound memory."""

Pairs = Iterable[tuple["Tensor", "Tensor"]]
"""Shards: tokens (n, D, h, w) and points (n, K, 2) in units of the crop's side, from edge 0 to edge 1."""


@dataclass(frozen=True, eq=False)
class LandmarkHead:
    """A fitted head; points are in units of the crop's side, from edge 0 to edge 1.

    Attributes:
        summary: the way from a map to the inputs of the shape regression.
        shape: the shape regression.
        shape_shrinkage: its shrinkage.
        spread: (K, 2) float64, leave-one-out error of the shape regression, standard deviation.
        evidence: the regression of tokens on heatmap residuals.
        weights: (D, K s²) float32, its weights at `evidence_shrinkage`, already divided by the rms.
        evidence_shrinkage: its shrinkage.
        sharpness: b.
    """

    summary: Summary
    shape: Wide
    shape_shrinkage: float
    spread: Tensor
    evidence: RidgePath
    weights: Tensor
    evidence_shrinkage: float
    sharpness: float

    @property
    def chosen(self) -> Mapping[str, str]:
        """What val chose, for the record."""
        return {
            "shape_shrinkage": f"{self.shape_shrinkage:g}",
            "evidence_shrinkage": f"{self.evidence_shrinkage:g}",
            "sharpness": f"{self.sharpness:g}",
        }

    def predict(self, tokens: Tensor) -> Tensor:
        """Points (n, K, 2) float64 of faces with `tokens` (n, D, h, w)."""
        import torch

        start = self._start(tokens, [self.shape_shrinkage])[0]
        if not self.sharpness:
            return start
        parts = range(0, len(tokens), CHUNK)
        slices = [slice(i, i + CHUNK) for i in parts]
        return torch.cat([self._decode(tokens[p], start[p], [self.sharpness])[0] for p in slices])

    def _start(self, tokens: Tensor, shrinkages: Sequence[float]) -> list[Tensor]:
        found = self.shape.predict(self.summary(tokens), shrinkages)
        return [p.reshape(len(tokens), -1, 2) for p in found]

    def _decode(self, tokens: Tensor, start: Tensor, sharpnesses: Sequence[float]) -> list[Tensor]:
        """Points at each sharpness, given those of the shape regression."""
        import torch

        flat = (tokens.double().flatten(2).transpose(1, 2) - self.evidence.mean_x).float()
        evidence = from_tokens(flat @ self.weights, tokens.shape[-1], start.shape[1])
        index, centres = _window(start, self.spread, evidence.shape[-1])
        n, k = (torch.arange(size, device=tokens.device) for size in start.shape[:2])
        near = evidence[n[:, None, None, None], k[:, None, None], index[:, :, 1, :, None], index[:, :, 0, None, :]]
        # Only the shift that evidence makes is computed in single precision, around the start.
        centres = (centres - start[..., None]).float()
        log_prior = -0.5 * (centres / self.spread[..., None].float()) ** 2
        log_prior = log_prior[:, :, 1, :, None] + log_prior[:, :, 0, None, :]
        origin = _mean_place(log_prior, centres)
        places = (_mean_place(log_prior + b * near, centres) if b else origin for b in sharpnesses)
        return [start + (place - origin) for place in places]


def fit_landmarks(train: Callable[[], Pairs], val: Callable[[], Pairs]) -> LandmarkHead:
    """Fit the head on `train` and choose its shrinkages and sharpness on `val`.

    `train` is read once, `val` three times. The choice is by the mean distance of points in units of the crop's side.
    """
    head, points = _fit_shape(train)
    head = _choose_shape(head, val)
    left = head.shape.left_out(points, head.shape_shrinkage).reshape(len(points), -1, 2)
    cell = 1 / (head.evidence.mean_y.numel() / left.shape[1]) ** 0.5
    # A point that never moves would make an infinitely sharp prior; a cell is as fine as evidence gets.
    head = replace(head, spread=left.square().mean(dim=0).sqrt().clamp_min(cell))
    return _choose_evidence(head, val)


def _fit_shape(train: Callable[[], Pairs]) -> tuple[LandmarkHead, Tensor]:
    import torch

    moments, collector, points = Moments(), Collector(), []
    for tokens, truth in train():
        moments.add_products(tokens.flatten(2).transpose(1, 2), *heat_products(tokens, truth))
        collector.add(tokens)
        points.append(truth.flatten(1).double())
    targets = torch.cat(points)
    summary, rows = collector.finish()
    shape, path = Wide.fit(rows, targets), moments.solve()
    spread = torch.ones(targets.shape[1] // 2, 2, dtype=torch.float64, device=targets.device)
    head = LandmarkHead(summary, shape, math.inf, spread, path, torch.zeros_like(path.cross), math.inf, 0.0)
    return head, targets


def _choose_shape(head: LandmarkHead, val: Callable[[], Pairs]) -> LandmarkHead:
    errors, count = [0.0] * len(SHRINKAGES), 0
    for tokens, truth in val():
        for i, points in enumerate(head._start(tokens, SHRINKAGES)):
            errors[i] += float(_distance(points, truth).sum())
        count += len(truth)
    assert count, "val is empty"
    return replace(head, shape_shrinkage=SHRINKAGES[_best(errors)])


def _choose_evidence(head: LandmarkHead, val: Callable[[], Pairs]) -> LandmarkHead:
    """The sharpness at the middle shrinkage first, then the shrinkage at that sharpness."""
    heads = [_with_evidence(head, a) for a in EVIDENCE_SHRINKAGES]
    middle = heads[len(heads) // 2]
    sharpness = SHARPNESSES[_best(_errors([middle], SHARPNESSES, val))]
    if not sharpness:
        return middle
    return replace(heads[_best(_errors(heads, [sharpness], val))], sharpness=sharpness)


def _errors(heads: Sequence[LandmarkHead], sharpnesses: Sequence[float], val: Callable[[], Pairs]) -> list[float]:
    """Sum of the distances on val, for each head the one at each sharpness."""
    errors = [0.0] * (len(heads) * len(sharpnesses))
    for tokens, truth in val():
        for at in range(0, len(tokens), CHUNK):
            part, places = tokens[at : at + CHUNK], truth[at : at + CHUNK]
            start = heads[0]._start(part, [heads[0].shape_shrinkage])[0]
            found = [points for head in heads for points in head._decode(part, start, sharpnesses)]
            for i, points in enumerate(found):
                errors[i] += float(_distance(points, places).sum())
    return errors


def _with_evidence(head: LandmarkHead, shrinkage: float) -> LandmarkHead:
    """The head with evidence at `shrinkage`, in units of its own rms over the training faces."""
    import torch

    path = head.evidence
    weights = path.weights(shrinkage)
    gram_root = path.vectors.T @ weights * path.values.sqrt()[:, None]
    count = len(head.shape.scores) * path.mean_x.shape[0] * weights.shape[1]
    rms = torch.sqrt(gram_root.square().sum() / count)
    return replace(head, weights=(weights / rms.clamp_min(1e-300)).float(), evidence_shrinkage=shrinkage)


def heat_products(tokens: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Σ f yᵀ (D, K s²) and Σ y (side², K s²) of tokens f (n, D, side, side) and heatmaps y of `points` (n, K, 2).

    A target heatmap is a Gaussian of `SIGMA` cells and height 1 over side * s cells, cut off at `REACH` cells and at
    the edge of the crop; token by token it is y. Only the few tokens that a Gaussian reaches are multiplied.
    """
    import torch

    side = tokens.shape[-1]
    s = math.ceil(CELLS / side)
    axes = _gaussians(points, side * s)
    total = to_tokens(torch.einsum("nky,nkx->kyx", axes[:, :, 1], axes[:, :, 0])[None], side)[0]
    first = ((points.double() * side * s - 0.5).round().long() - REACH).div(s, rounding_mode="floor")
    flat = tokens.double().flatten(2).transpose(1, 2)
    axes = axes.reshape(*axes.shape[:3], side, s)
    cross = flat.new_zeros(points.shape[1], flat.shape[2], s * s)
    n, k = (torch.arange(size, device=tokens.device) for size in points.shape[:2])
    span = range((2 * REACH) // s + 2)
    for down, right in ((d, r) for d in span for r in span):
        x, y = first[..., 0] + right, first[..., 1] + down
        inside = ((x >= 0) & (x < side) & (y >= 0) & (y < side)).double()
        x, y = x.clamp(0, side - 1), y.clamp(0, side - 1)
        rows = axes[n[:, None], k, 1, y] * inside[..., None]
        heat = (rows[..., :, None] * axes[n[:, None], k, 0, x][..., None, :]).flatten(2)
        cross += flat[n[:, None], y * side + x].permute(1, 2, 0) @ heat.transpose(0, 1)
    return cross.transpose(0, 1).flatten(1), total


def _gaussians(points: Tensor, cells: int) -> Tensor:
    """The two factors (n, K, 2, cells) of target heatmaps, along x and along y."""
    import torch

    centres = torch.arange(cells, dtype=torch.float64, device=points.device)
    places = (points.double() * cells - 0.5)[..., None]
    reached = (centres - places.round()).abs() <= REACH
    return torch.exp(-0.5 * ((centres - places) / SIGMA) ** 2) * reached


def _window(start: Tensor, spread: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """Cells (n, K, 2, w) along x and y that decoding looks at, and their centres in units of the crop's side."""
    import torch

    reach = min(math.ceil(WINDOW * float(spread.max()) * cells), (cells - 1) // 2)
    middle = (start * cells - 0.5).round().long().clamp(reach, cells - 1 - reach)
    index = middle[..., None] + torch.arange(-reach, reach + 1, device=start.device)
    return index, (index.double() + 0.5) / cells


def _mean_place(log_density: Tensor, centres: Tensor) -> Tensor:
    """Mean (x, y) under densities (n, K, w, w) given by their logarithm, over cells at `centres` (n, K, 2, w)."""
    import torch

    density = torch.softmax(log_density.flatten(2), dim=2).reshape(log_density.shape)
    along = torch.stack([density.sum(dim=2), density.sum(dim=3)], dim=2)
    return (along * centres).sum(dim=3)


def _distance(points: Tensor, truth: Tensor) -> Tensor:
    apart = (points - truth.double()).square().sum(dim=2)
    return apart.sqrt().mean(dim=1)


def _best(errors: Sequence[float]) -> int:
    """Index of the least error; of equal ones the last, which shrinks most."""
    return min(range(len(errors)), key=lambda i: (errors[i], -i))
