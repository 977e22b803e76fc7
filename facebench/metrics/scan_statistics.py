"""What one picture contributes to the NoW numbers, and how a set is reduced: small, and exact.

Conventions:
    - A distance is stored as the number of its bin of BIN = 1e-3 mm and, in twelve bits, its place within the bin: to
      2.5e-7 mm. The bins are counted, the places sorted by distance, so a picture takes some two bytes a vertex.
    - `sum` and `squares` are those of the distances as they were measured.
    - Distances from FARTHEST_BIN on share the last bin: a median that falls there is undefined, not a number.
    - A row of weights says how often each picture counts; pictures with more vertices weigh more.

Metrics:
    - `median`, over all vertices of all pictures: exact to 2.5e-7 mm for the set and for every resample of it. The bins
      say in which of them it lies, the places where.
    - `mean` and `std` (ddof 0), from n, sum and sum of squares.
    - `mean` of a region of the face (`scan_regions`), likewise over all vertices of all pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from facebench.metric import Columns, Metric, Statistics
from facebench.metrics.scan_regions import REGIONS
from facebench.pooled import Pooled
from facebench.shapes import AnyArray, FloatArray, IntArray

BIN = 1e-3  # mm
FARTHEST_BIN = 1_000_000  # a metre
_PLACES = 1 << 12
_STEP = 512  # bins; two searches of so many cells find one of a million
_CHUNK = 1 << 22  # numbers held at once


def distance_statistics(distances: FloatArray, regions: Mapping[str, AnyArray]) -> Statistics:
    """Sufficient statistics of one picture.

    Args:
        distances: (n,) mm.
        regions: name to (n,) bool for each of `REGIONS`.
    """
    scaled = np.sort(np.asarray(distances, dtype=np.float64)) / BIN
    bins = np.minimum(scaled, FARTHEST_BIN).astype(np.int64)
    places = np.minimum((scaled - bins) * _PLACES, _PLACES - 1).astype(np.uint16)
    return {
        "histogram": np.bincount(bins).astype(np.uint32),
        "places": places,
        "n": len(scaled),
        "sum": float(np.sum(distances)),
        "squares": float(np.dot(distances, distances)),
        "region-n": np.array([[np.count_nonzero(regions[name]) for name in REGIONS]], dtype=np.int64),
        "region-sum": np.array([[float(np.sum(distances[regions[name]])) for name in REGIONS]]),
    }


def pooled_median(columns: Columns, weights: FloatArray) -> FloatArray:
    """Median of all distances for each row of `weights` (B, N): (B,) mm, NaN where undefined."""
    counts = _float(columns["n"])
    some = counts > 0
    if not some.any():
        return np.full(len(weights), np.nan)
    distances = _Distances(columns["places"][some], [np.cumsum(h, dtype=np.int64) for h in columns["histogram"][some]])
    drawn = weights[:, some]
    half = drawn @ counts[some] / 2
    # The middle two of an even number: where half are reached, and where half are passed.
    low, high = (distances.find(drawn, half, strict=strict) for strict in (False, True))
    return np.where(half > 0, (low + high) / 2, np.nan)


@dataclass(frozen=True, eq=False)
class _Cell:
    """A run of bins.

    Attributes:
        start: its first bin.
        before, upto: (N,) how many distances of each picture lie below it, and below its end.
    """

    start: int
    before: IntArray
    upto: IntArray


@dataclass(frozen=True, eq=False)
class _Distances:
    """The distances of N pictures: their places by distance, and how many lie up to the end of each bin."""

    places: AnyArray
    ends: list[IntArray]

    def find(self, weights: FloatArray, half: FloatArray, *, strict: bool) -> FloatArray:
        """First distance at which the weight counted reaches (strict: passes) `half`, for each row: (B,) mm."""
        # Every weighted median lies between the least and the greatest median of a picture.
        low = min(int(np.searchsorted(e, e[-1] / 2, side="left")) for e in self.ends)
        high = max(int(np.searchsorted(e, e[-1] / 2, side="right")) for e in self.ends)
        values = np.full(len(weights), np.nan)
        for cell, rows in self._split(np.arange(low, high + _STEP + 1, _STEP), weights, half, strict=strict):
            bins = np.arange(cell.start, cell.start + _STEP + 1)
            for single, some in self._split(bins, weights[rows], half[rows], strict=strict):
                values[rows[some]] = self._within(single, weights[rows[some]], half[rows[some]], strict=strict)
        return values

    def _split(
        self, edges: IntArray, weights: FloatArray, half: FloatArray, *, strict: bool
    ) -> Iterator[tuple[_Cell, IntArray]]:
        """Rows by the cell between two `edges` (bins) in which they reach `half`."""
        counts = np.array([_below(e, edges) for e in self.ends])
        upto = counts[:, 1:].astype(np.float64)
        cells = np.empty(len(weights), dtype=np.int64)
        for rows in np.array_split(np.arange(len(weights)), max(1, len(weights) * upto.shape[1] // _CHUNK)):
            counted = weights[rows] @ upto
            short = counted <= half[rows, None] if strict else counted < half[rows, None]
            cells[rows] = np.minimum(short.sum(axis=1), upto.shape[1] - 1)
        for k in np.unique(cells):
            yield _Cell(int(edges[k]), counts[:, k], counts[:, k + 1]), np.flatnonzero(cells == k)

    def _within(self, cell: _Cell, weights: FloatArray, half: FloatArray, *, strict: bool) -> FloatArray:
        """The distance in the one bin of `cell` at which each row reaches `half`: (B,) mm."""
        if cell.start >= FARTHEST_BIN:
            return np.full(len(weights), np.nan)
        before, upto = cell.before, cell.upto
        inside = [p[start:stop] for p, start, stop in zip(self.places, before, upto, strict=True)]
        pooled, owner = np.concatenate(inside), np.repeat(np.arange(len(inside)), upto - before)
        order = np.argsort(pooled, kind="stable")
        if not len(order):
            return np.full(len(weights), np.nan)
        values = np.empty(len(weights))
        for rows in np.array_split(np.arange(len(weights)), max(1, len(weights) * len(order) // _CHUNK)):
            reached = (weights[rows] @ before)[:, None] + np.cumsum(weights[rows][:, owner[order]], axis=1)
            short = reached <= half[rows, None] if strict else reached < half[rows, None]
            values[rows] = pooled[order][np.minimum(short.sum(axis=1), len(order) - 1)]
        return BIN * (cell.start + values / _PLACES)


def _below(ends: IntArray, bins: IntArray) -> IntArray:
    """How many distances of a picture lie below each of `bins`."""
    return np.asarray(np.where(bins > 0, ends[np.clip(bins, 1, len(ends)) - 1], 0))


def _sums_and_counts(columns: Columns) -> FloatArray:
    return np.stack([_float(columns["sum"]), _float(columns["n"])])


def _moments(columns: Columns) -> FloatArray:
    """Count, and sum and sum of squares about the plain mean, so that their difference loses no digits: (3, N)."""
    n, sums, squares = (_float(columns[name]) for name in ("n", "sum", "squares"))
    origin = sums.sum() / n.sum() if n.sum() else 0.0
    return np.stack([n, sums - n * origin, squares - 2 * origin * sums + n * origin**2])


def _ratio(sums: FloatArray) -> FloatArray:
    return np.asarray(sums[:, 0] / sums[:, 1])


def _deviation(sums: FloatArray) -> FloatArray:
    total, first, second = sums.T
    return np.asarray(np.sqrt(np.maximum(second / total - (first / total) ** 2, 0)))


def _region_sums(region: int, columns: Columns) -> FloatArray:
    return np.stack([_float(columns[name])[:, 0, region] for name in ("region-sum", "region-n")])


pooled_mean = Pooled(_sums_and_counts, _ratio)
"""Mean of all distances, for each row of weights (B, N): (B,) mm."""

pooled_std = Pooled(_moments, _deviation)
"""Standard deviation of all distances (ddof 0), for each row of weights (B, N): (B,) mm."""


def _float(column: AnyArray) -> FloatArray:
    return np.asarray(column, dtype=np.float64)


_FAR = "half of the distances reach a metre: a wrong unit, or landmarks that do not belong to the mesh"

METRICS: tuple[Metric, ...] = (
    Metric(name="median", unit="mm", direction="lower", reduce=pooled_median, undefined=_FAR),
    Metric(name="mean", unit="mm", direction="lower", reduce=pooled_mean),
    Metric(name="std", unit="mm", direction="lower", reduce=pooled_std),
    *(
        Metric(
            name="mean", unit="mm", direction="lower", reduce=Pooled(partial(_region_sums, k), _ratio), slice=name,
            undefined=f"no scan vertex lies in the {name}",
        )
        for k, name in enumerate(REGIONS)
    ),
)  # fmt: skip
"""Over the columns of `distance_statistics`."""
