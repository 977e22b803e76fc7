"""Two sides, benchmark by benchmark: the difference with its interval, a verdict in words, and where it comes from.

One command is one family of tests: p-values of all headline scores are adjusted together after Holm, and the verdict
follows the adjusted one. Slices are a family of their own in each contest: they say where to look, not who won.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from facebench.cells import Cell
from facebench.errors import NotComparable
from facebench.metric import sample_count
from facebench.paired import Difference, differences, holm
from facebench.verdicts.causes import Cause, causes
from facebench.verdicts.joined import Contest, Joined, contests, join
from facebench.verdicts.rows import Row

if TYPE_CHECKING:
    from facebench.metric import Columns
    from facebench.registry import Registry
    from facebench.shapes import FloatArray

Verdict = Literal["better", "worse", "not separable"]

ALPHA = 0.05
SMALLEST_SLICE = 20
"""Samples that a slice needs: below, its interval says nothing that its width does not hide."""

PER_CHUNK = 256
"""Samples whose own scores are reduced at once."""

MOVED = 20
"""How many samples of each end a comparison names."""


@dataclass(frozen=True, eq=False)
class Contrast:
    """One score of both sides.

    Attributes:
        cell: what was measured, and in which direction it is better.
        difference: candidate less base, with interval and p.
        adjusted: p after Holm.
        verdict: of the candidate.
    """

    cell: Cell
    difference: Difference
    adjusted: float | None
    verdict: Verdict


@dataclass(frozen=True)
class Moved:
    """One sample whose own score changed.

    Attributes:
        id: of the sample.
        base: its score, in the metric's unit.
        candidate: its score.
        gain: how much better the candidate is, whatever the metric's direction.
    """

    id: str
    base: float
    candidate: float
    gain: float


@dataclass(frozen=True, eq=False)
class Report:
    """What is found on one benchmark.

    Attributes:
        contest: the rows.
        joined: their samples.
        headline: contrasts of the headline scores.
        slices: contrasts of the first headline metric on subsets, the largest difference first.
        moved: the samples that changed most, the best first; at most `MOVED` of each end.
        causes: what the records say differently.
        doubts: what a reader must be told.
    """

    contest: Contest
    joined: Joined
    headline: tuple[Contrast, ...]
    slices: tuple[Contrast, ...]
    moved: tuple[Moved, ...]
    causes: tuple[Cause, ...]
    doubts: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `facebench compare` finds.

    Attributes:
        base: name of the base.
        candidate: name of the candidate.
        reports: one a benchmark that could be compared.
        refused: why the others could not.
    """

    base: str
    candidate: str
    reports: tuple[Report, ...]
    refused: tuple[str, ...]
    lacking: tuple[str, ...]

    @property
    def about(self) -> str:
        """What the verdicts are about."""
        several = self.reports and all(report.contest.methods for report in self.reports)
        return "these methods" if several else "these two checkpoints, not the methods behind them"


def compare(base: Sequence[Row], candidate: Sequence[Row], registry: Registry, *, seed: int = 0) -> Comparison:
    """Compare two sides on everything that both have.

    Args:
        base: rows of the base; several of one benchmark are replicates.
        candidate: rows of the candidate.
        registry: where data sets and evaluators are looked up.
        seed: of resamples and permutations.

    Raises:
        NotComparable: no benchmark of the two could be compared.
    """
    shared, lacking = contests(base, candidate)
    joined, refused = [], []
    for contest in shared:
        try:
            joined.append((contest, join(contest, registry)))
        except NotComparable as cause:
            refused.append(str(cause))
    if not joined:
        raise NotComparable("; ".join(refused))
    found = [_differences(both, both.headline, seed) for _, both in joined]
    adjusted = iter(holm([difference.p for part in found for difference in part]))
    reports = []
    for (contest, both), part in zip(joined, found, strict=True):
        keys = zip(both.headline, part, strict=True)
        headline = tuple(_contrast(both.cells[key], difference, next(adjusted)) for key, difference in keys)
        reports.append(
            Report(
                contest=contest,
                joined=both,
                headline=headline,
                slices=_slices(both, seed),
                moved=_moved(both),
                causes=causes(contest.base[0].result, contest.candidate[0].result),
                doubts=_doubts(both, headline),
            )
        )
    names = (base[0].result.subject, candidate[0].result.subject)
    return Comparison(*names, tuple(reports), tuple(refused), lacking)


def verdict_of(cell: Cell, difference: Difference, p: float | None) -> Verdict:
    """What `difference` says of the candidate, at the level `ALPHA`."""
    if p is None or p >= ALPHA or not difference.value:
        return "not separable"
    return "better" if (difference.value < 0) == (cell.metric.direction == "lower") else "worse"


def _differences(both: Joined, keys: Sequence[str], seed: int) -> list[Difference]:
    cells = [(both.cells[key].metric, both.cells[key].mask) for key in keys]
    return differences(cells, both.base, both.candidate, both.clusters, seed=seed)


def _contrast(cell: Cell, difference: Difference, adjusted: float | None) -> Contrast:
    return Contrast(cell, difference, adjusted, verdict_of(cell, difference, adjusted))


def _slices(both: Joined, seed: int) -> tuple[Contrast, ...]:
    """The first headline metric on every subset that is large enough."""
    if not both.headline:
        return ()
    first = both.cells[both.headline[0]].metric
    keys = [
        key
        for key, cell in both.cells.items()
        if cell.metric is first and not cell.whole and cell.mask.sum() >= SMALLEST_SLICE
    ]
    found = _differences(both, keys, seed)
    adjusted = holm([difference.p for difference in found])
    parts = zip(keys, found, adjusted, strict=True)
    contrasts = [_contrast(both.cells[key], difference, p) for key, difference, p in parts]
    return tuple(sorted(contrasts, key=lambda contrast: -abs(contrast.difference.value or 0.0)))


def _moved(both: Joined) -> tuple[Moved, ...]:
    """The samples that changed most under the first headline metric that a single sample has."""
    for key in (*both.headline, *both.cells):
        cell = both.cells[key]
        if not cell.whole:
            continue
        base, candidate = (np.mean([own_scores(cell, t) for t in side], axis=0) for side in (both.base, both.candidate))
        defined = np.isfinite(base) & np.isfinite(candidate)
        if defined.mean() > 0.5:
            break
    else:
        return ()
    gain = np.where(defined, (base - candidate) * (1 if cell.metric.direction == "lower" else -1), 0.0)
    order = [int(i) for i in np.argsort(-gain, kind="stable") if gain[i] != 0]
    chosen = order if len(order) <= 2 * MOVED else [*order[:MOVED], *order[-MOVED:]]
    return tuple(Moved(both.ids[i], float(base[i]), float(candidate[i]), float(gain[i])) for i in chosen)


def own_scores(cell: Cell, columns: Columns) -> FloatArray:
    """The metric of each sample by itself, (N,); NaN where one sample does not define it."""
    n = sample_count(columns)
    parts = [np.arange(start, min(start + PER_CHUNK, n)) for start in range(0, n, PER_CHUNK)]
    chunks = [cell.metric.values({name: c[part] for name, c in columns.items()}, np.eye(len(part))) for part in parts]
    return np.concatenate(chunks) if chunks else np.empty(0)


def _doubts(both: Joined, headline: Sequence[Contrast]) -> tuple[str, ...]:
    alone = [f"{both.alone:,} samples were scored by one side only and are left out"] if both.alone else []
    return tuple(dict.fromkeys([*alone, *(doubt for contrast in headline for doubt in contrast.difference.doubts)]))
