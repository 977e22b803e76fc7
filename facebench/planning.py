"""How many images, or head seeds, it takes to see a difference of a given size.

Conventions:
    - Two-sided test at the 5 % level, found four times in five (power 80 %).
    - The variance of a difference falls with the number of images: n needed = n (z SE / delta)^2, z = 1.960 + 0.842, SE
      the standard error of the difference on the n images of the stored runs, by the bootstrap over clusters. Images
      are taken to come in clusters as they do there.
    - Two stored runs say how much of their error they share. One alone does not: its candidate is then taken to be as
      variable and to share a named part of it, from nothing to nine tenths; a pair of similar backbones shares much.
    - Seeds: with s the standard deviation of a score over head seeds, k seeds on either side leave 2 s^2 / k. More of
      them do not replace images: they tell of the method, not of faces that nobody has seen.

Source: Cohen, Statistical Power Analysis for the Behavioral Sciences (1988), 2.4; Chow, Shao and Wang, Sample Size
Calculations in Clinical Research (2008), 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from facebench.confidence import FEW_CLUSTERS, normal_quantile
from facebench.errors import UsageError
from facebench.metric import Columns, Metric
from facebench.paired import POWER, SIGNIFICANCE, differences
from facebench.shapes import BoolArray
from facebench.stats import RESAMPLES, intervals

SHARED = (0.0, 0.5, 0.9)
"""Correlations of the two subjects' scores that are tried where there is one run alone."""


@dataclass(frozen=True)
class Need:
    """What it takes.

    Attributes:
        shared: correlation of the two scores over resamples of the images; None where it was measured on two runs.
        error: standard error of the difference on the images there are, published unit.
        images: how many images would be needed.
        detectable: the smallest difference that the images there are would show.
    """

    shared: float | None
    error: float
    images: int
    detectable: float


@dataclass(frozen=True)
class Plan:
    """What a benchmark can tell.

    Attributes:
        delta: the difference that is to be seen, published unit.
        n, clusters: images there are, and independent units among them.
        needs: one for two runs; for one run, one for each of `SHARED`.
        seed_noise: standard deviation of the score over seeds; None where it is not known.
        seeds: seeds on either side that it would take; None where the noise is not known.
        doubts: what speaks against the numbers.
    """

    delta: float
    n: int
    clusters: int
    needs: tuple[Need, ...]
    seed_noise: float | None
    seeds: int | None
    doubts: tuple[str, ...]


def plan(
    cell: tuple[Metric, BoolArray],
    base: Columns,
    candidate: Columns | None,
    clusters: Sequence[str],
    *,
    delta: float,
    seed_noise: float | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Plan:
    """Images and seeds that a difference of `delta` would take.

    Args:
        cell: metric and the mask (N,) of its samples.
        base: statistics of the one run, first axis N.
        candidate: those of the other, in the same order; None where there is one run.
        clusters: (N,) name of each sample's cluster.
        delta: above 0, published unit.
        seed_noise: standard deviation of the score over seeds, where it is known.
        seed: of the resamples.
        resamples: B.

    Raises:
        UsageError: `delta` is no positive number, or the stored statistics show no variation to plan with.
    """
    if not (delta > 0 and math.isfinite(delta)):
        raise UsageError(f"--delta is {delta:g}; it must be above 0, in the published unit")
    mask = cell[1]
    n = int(mask.sum())
    units = len({name for name, chosen in zip(clusters, mask, strict=True) if chosen})
    errors, doubts = _errors(cell, base, candidate, clusters, seed=seed, resamples=resamples)
    needs = tuple(Need(shared, e, images_needed(n, e, delta), _quantiles() * e) for shared, e in errors.items())
    fewest = f"{FEW_CLUSTERS} clusters are the fewest that an interval can be trusted on"
    small = [fewest] if any(need.images * units < FEW_CLUSTERS * n for need in needs) else []
    return Plan(
        delta=delta,
        n=n,
        clusters=units,
        needs=needs,
        seed_noise=seed_noise,
        seeds=None if seed_noise is None else seeds_needed(seed_noise, delta),
        doubts=(*doubts, *small),
    )


def _errors(
    cell: tuple[Metric, BoolArray],
    base: Columns,
    candidate: Columns | None,
    clusters: Sequence[str],
    *,
    seed: int,
    resamples: int,
) -> tuple[dict[float | None, float], tuple[str, ...]]:
    """Standard error of the difference by how much is shared, and what speaks against it."""
    if candidate is not None:
        found = differences([cell], base, candidate, clusters, seed=seed, resamples=resamples, permutations=1)[
            0
        ].interval
        if found is None or not found.error:
            raise UsageError("the two runs do not differ on any image, so there is no variation to plan with")
        return {None: found.error}, found.doubts
    (single,) = intervals([cell], base, clusters, seed=seed, resamples=resamples)
    if single is None or not single.error:
        raise UsageError("the score does not vary over the images of the run, so there is nothing to plan with")
    return {shared: single.error * math.sqrt(2 * (1 - shared)) for shared in SHARED}, single.doubts


def _quantiles(power: float = POWER, significance: float = SIGNIFICANCE) -> float:
    return normal_quantile(1 - significance / 2) + normal_quantile(power)


def images_needed(n: int, error: float, delta: float) -> int:
    """Images at which `delta` is found with 80 % power, where `n` images leave the standard `error`."""
    return max(1, math.ceil(n * (_quantiles() * error / delta) ** 2))


def seeds_needed(noise: float, delta: float) -> int:
    """Seeds on either side at which `delta` is found with 80 % power, where a seed moves a score by `noise`."""
    return max(2, math.ceil(2 * (_quantiles() * noise / delta) ** 2))
