"""Resamples of a split, and what any number of metrics are worth on each: one weight matrix serves them all.

Conventions:
    - Samples that are not independent (several faces of one picture, several pictures of one subject) are drawn
      together, by cluster. Row b of a weight matrix (B, G) says how often each of G clusters counts in resample b.
    - A reduction by sums (`facebench.pooled`) needs its terms summed within each cluster, once. The different sums of
      all metrics and subsets stand side by side in one matrix, and each resample is a row of one matrix product.
    - Any other reduction is called with weights (B, N) on the samples themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from facebench.metric import Columns, Metric
from facebench.pooled import Pooled
from facebench.shapes import AnyArray, BoolArray, FloatArray, IntArray

CHUNK_ELEMENTS = 1_000_000
"""Weights held at once, 8 MB of float64: they are multiplied before they leave the cache."""

SLOW_ROWS = 2000
"""Rows, the first of all, on which a reduction that is not by sums is tried: a median of scans takes milliseconds."""

SEED_BITS = (1 << 64) - 1


def take(columns: Columns, mask: BoolArray) -> dict[str, AnyArray]:
    """The rows of every column where `mask` (N,) holds."""
    return {name: column[mask] for name, column in columns.items()}


def members_of(clusters: Sequence[str]) -> IntArray:
    """Number of each sample's cluster, (N,), from 0, in the order of their names."""
    return np.asarray(np.unique(np.asarray(clusters, dtype=str), return_inverse=True)[1], dtype=np.int64)


def draws(clusters: int, *, resamples: int, seed: int) -> Iterator[FloatArray]:
    """Weights (b, G) of a bootstrap over G clusters, in chunks; the same rows whatever the chunks."""
    from facebench.resample_kernel import count_draws

    for first, rows in _chunks(clusters, resamples):
        weights = np.empty((rows, clusters))
        count_draws(np.uint64(seed & SEED_BITS), first, weights)
        yield weights


def swaps(clusters: int, *, permutations: int, seed: int) -> Iterator[FloatArray]:
    """Rows (b, G) that say for each of G clusters whether its two labels are swapped, 1 or 0.

    All 2^G of them, where these are no more than `permutations`; the first is then the one that swaps nothing.
    """
    if exhaustive(clusters, permutations):
        numbers = np.arange(1 << clusters)
        yield ((numbers[:, None] >> np.arange(clusters)) & 1).astype(np.float64)
        return
    from facebench.resample_kernel import draw_swaps

    for first, rows in _chunks(clusters, permutations):
        chosen = np.empty((rows, clusters))
        draw_swaps(np.uint64(seed & SEED_BITS), first, chosen)
        yield chosen


def exhaustive(clusters: int, permutations: int) -> bool:
    """Whether every swap of labels is tried, so that the test is exact."""
    return clusters < 63 and 1 << clusters <= permutations


def _chunks(width: int, rows: int) -> Iterator[tuple[int, int]]:
    step = max(1, CHUNK_ELEMENTS // width)
    for first in range(0, rows, step):
        yield first, min(step, rows - first)


@dataclass(frozen=True, eq=False)
class Part:
    """A metric on some samples of a split.

    Attributes:
        metric: what is reduced.
        columns: statistics of these samples, first axis n.
        members: (n,) number of each one's cluster.
        clusters: G, clusters of the split.
        seeds: how many tables of the same samples lie under one another; each counts as one in so many.
        terms: (T, n) terms of a pooled metric, where they were taken with those of other samples.
    """

    metric: Metric
    columns: Columns
    members: IntArray
    clusters: int
    seeds: int = 1
    terms: FloatArray | None = field(default=None, repr=False)

    @cached_property
    def sums(self) -> FloatArray | None:
        """(T, G) terms of a pooled metric summed within each cluster; None for any other."""
        reduce = self.metric.reduce
        if not isinstance(reduce, Pooled):
            return None
        terms = self._terms
        if np.array_equal(self.members, np.arange(self.clusters)):
            return np.asarray(terms, dtype=np.float64)
        sums = [np.bincount(self.members, weights=term, minlength=self.clusters) for term in terms]
        return np.asarray(np.stack(sums) / self.seeds)

    @cached_property
    def _terms(self) -> FloatArray:
        assert isinstance(self.metric.reduce, Pooled)
        return self.metric.reduce.terms(self.columns) if self.terms is None else self.terms

    def finish(self, sums: FloatArray) -> FloatArray:
        """Values (B,) of the sums (B, T) of a pooled metric."""
        assert isinstance(self.metric.reduce, Pooled)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.metric.reduce.finish(sums), dtype=np.float64)

    def values(self, weights: FloatArray) -> FloatArray:
        """Values (B,) under weights (B, G) of the clusters."""
        if not len(self.members):
            return np.full(len(weights), np.nan)
        if self.sums is not None:
            return self.finish(weights @ self.sums.T)
        return self.metric.values(self.columns, weights[:, self.members] / self.seeds)

    @cached_property
    def value(self) -> float:
        """The value with every cluster once; NaN where undefined."""
        return float(self.values(np.ones((1, self.clusters)))[0])

    def left_out(self) -> FloatArray:
        """Values (g,) with one cluster left out (the jackknife), for each of the g clusters that have a sample."""
        present = np.unique(self.members)
        if self.sums is not None:
            return self.finish(self.sums.sum(axis=1)[None] - self.sums.T[present])
        found = []
        for first, rows in _chunks(self.clusters, len(present)):
            weights = np.ones((rows, self.clusters))
            weights[np.arange(rows), present[first : first + rows]] = 0.0
            found.append(self.values(weights))
        return np.concatenate(found) if found else np.empty(0)

    @property
    def n(self) -> int:
        """Number of samples, each once however many seeds there are."""
        return len(self.members) // self.seeds

    @property
    def events(self) -> FloatArray | None:
        """(n,) events of a share that are defined on every sample and measured once; None for anything else."""
        reduce = self.metric.reduce
        if not isinstance(reduce, Pooled) or reduce.events is None or self.seeds > 1 or not self.n:
            return None
        events = np.asarray(reduce.events(self.columns), dtype=np.float64)
        return events if np.isfinite(events).all() else None

    @property
    def support(self) -> int:
        """Samples that the value really rests on.

        With a share the rarer of event and no event; with other sums Kish's effective number of the term that has the
        fewest: (sum of t)^2 / (sum of t^2), which is 18 for a class in 50 pictures whose sizes differ much.
        """
        reduce = self.metric.reduce
        if not self.n or not isinstance(reduce, Pooled):
            return self.n
        if reduce.events is not None:
            events = reduce.events(self.columns)
            return min(int(np.sum(events == value)) for value in (0, 1)) // self.seeds
        sizes = np.abs(self._terms)
        squares = (sizes**2).sum(axis=1)
        return (
            int(np.min(np.divide(sizes.sum(axis=1) ** 2, squares, out=np.zeros_like(squares), where=squares > 0)))
            // self.seeds
        )


def parts_of(cells: Sequence[tuple[Metric, BoolArray]], tables: Sequence[Columns], members: IntArray) -> list[Part]:
    """One part a cell, a metric and the mask (N,) of its samples, of one subject; one table a seed."""
    clusters, seeds = int(members.max()) + 1, len(tables)
    cut: dict[bytes, tuple[Columns, IntArray]] = {}
    for _, mask in cells:
        key = mask.tobytes()
        if key not in cut:
            columns = stacked([table if mask.all() else take(table, mask) for table in tables])
            cut[key] = (columns, np.tile(members[mask], seeds))
    return [Part(metric, *cut[mask.tobytes()], clusters, seeds) for metric, mask in cells]


def paired_parts(
    cells: Sequence[tuple[Metric, BoolArray]],
    base: Sequence[Columns],
    candidate: Sequence[Columns],
    members: IntArray,
) -> list[tuple[Part, Part]]:
    """Parts of two subjects on the same samples; terms that hang on a whole table hang on both of theirs."""
    one, other = parts_of(cells, base, members), parts_of(cells, candidate, members)
    return [_with_common_terms(a, b) for a, b in zip(one, other, strict=True)]


def _with_common_terms(base: Part, candidate: Part) -> tuple[Part, Part]:
    reduce, rows = base.metric.reduce, len(base.members)
    if not isinstance(reduce, Pooled) or not rows:
        return base, candidate
    terms = reduce.terms(stacked([base.columns, candidate.columns]))
    return replace(base, terms=terms[:, :rows]), replace(candidate, terms=terms[:, rows:])


def stacked(tables: Sequence[Columns]) -> Columns:
    """The rows of several tables under one another; statistics that one of them lacks are left out."""
    if len(tables) == 1:
        return tables[0]
    shared = [name for name in tables[0] if all(name in table for table in tables)]
    return {name: np.concatenate([table[name] for table in tables]) for name in shared}


@dataclass(frozen=True, eq=False)
class Sums:
    """The sums of many pooled parts side by side, each different one once.

    Attributes:
        matrix: (G, U).
        places: for each part the columns of `matrix` that are its terms; None for a part that is not pooled.
    """

    matrix: FloatArray
    places: list[IntArray | None]


def side_by_side(sums: Sequence[FloatArray | None], clusters: int) -> Sums:
    """Sums (T, G) of many parts as one matrix."""
    seen: dict[bytes, int] = {}
    kept: list[FloatArray] = []
    places: list[IntArray | None] = []
    for rows in sums:
        if rows is None:
            places.append(None)
            continue
        where = []
        for row in rows:
            key = np.ascontiguousarray(row).tobytes()
            if key not in seen:
                seen[key] = len(kept)
                kept.append(row)
            where.append(seen[key])
        places.append(np.array(where, dtype=np.int64))
    matrix = np.stack(kept, axis=1) if kept else np.empty((clusters, 0))
    return Sums(np.ascontiguousarray(matrix), places)


def resampled(parts: Sequence[Part], *, resamples: int, seed: int) -> list[FloatArray]:
    """Values of every part in the same resamples, NaN where undefined; all parts are of one split.

    Returns:
        (B,) for each; for a reduction that is not by sums the first `SLOW_ROWS` of them.
    """
    together = side_by_side([part.sums if part.n else None for part in parts], parts[0].clusters)
    found: list[list[FloatArray]] = [[] for _ in parts]
    done = 0
    for weights in draws(parts[0].clusters, resamples=resamples, seed=seed):
        sums = weights @ together.matrix
        for values, part, place in zip(found, parts, together.places, strict=True):
            if place is not None:
                values.append(part.finish(sums[:, place]))
            elif done < SLOW_ROWS:
                values.append(part.values(weights[: SLOW_ROWS - done]))
        done += len(weights)
    return [np.concatenate(values) for values in found]


def swapped(pairs: Sequence[tuple[Part, Part]], *, permutations: int, seed: int) -> list[FloatArray]:
    """Differences, candidate less base, of every pair under the same swaps of their labels by cluster.

    Returns:
        (B,) for each; for a reduction that is not by sums the first `SLOW_ROWS`, unless they are all swaps there are.
    """
    clusters = pairs[0][0].clusters
    most = permutations if exhaustive(clusters, permutations) else SLOW_ROWS
    moved = [None if a.sums is None or b.sums is None or not a.n else b.sums - a.sums for a, b in pairs]
    together = side_by_side(moved, clusters)
    found: list[list[FloatArray]] = [[] for _ in pairs]
    done = 0
    for chosen in swaps(clusters, permutations=permutations, seed=seed):
        sums = chosen @ together.matrix
        for values, (base, candidate), place in zip(found, pairs, together.places, strict=True):
            if place is not None:
                values.append(_swapped_sums(base, candidate, sums[:, place]))
            elif done < most:
                values.append(_swapped_apart(base, candidate, chosen[: most - done]))
        done += len(chosen)
    return [np.concatenate(values) for values in found]


def _swapped_sums(base: Part, candidate: Part, moved: FloatArray) -> FloatArray:
    assert base.sums is not None
    assert candidate.sums is not None
    return candidate.finish(candidate.sums.sum(axis=1) - moved) - base.finish(base.sums.sum(axis=1) + moved)


def _swapped_apart(base: Part, candidate: Part, chosen: FloatArray) -> FloatArray:
    if not base.n:
        return np.full(len(chosen), np.nan)
    both = stacked([base.columns, candidate.columns])
    one, other = chosen[:, base.members] / base.seeds, chosen[:, candidate.members] / candidate.seeds
    kept = np.concatenate([1 / base.seeds - one, other], axis=1)
    given = np.concatenate([one, 1 / candidate.seeds - other], axis=1)
    return base.metric.values(both, given) - base.metric.values(both, kept)
