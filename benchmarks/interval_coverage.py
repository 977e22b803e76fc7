"""How often the intervals of facebench hold the truth: simulated sets of a known population, by metric and size.

    python benchmarks/interval_coverage.py                 # the table of docs/statistics.md; some minutes of one core
    python benchmarks/interval_coverage.py --trials 200    # a look

A cell is the share of simulated sets whose 95 % interval holds the value of the population; its own standard error is
0.7 points at 1,000 trials. A star marks cells where most of the intervals carry a warning (fewer than 300 samples, 30
events or 30 clusters). The script ends with 1 where a cell without a star is outside 93 to 97 %.

The population: errors of a face lognormal about 4 % with one face in fifty three times as wrong; the candidate's are
the same faces' with noise of their own. A class in every picture and one in a twentieth of them, with sizes that vary
and hits that vary with the picture. Scans: six pictures of each subject, distances with a scale of the subject and of
the picture.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from facebench.confidence import Interval
from facebench.metric import Columns, Metric
from facebench.metrics import landmarks, parsing
from facebench.paired import differences
from facebench.schemes import LabelScheme
from facebench.shapes import AnyArray, FloatArray
from facebench.stats import Method, intervals

SIZES = (30, 100, 300, 1000, 2500)
SUBJECTS = (20, 80, 160)
PICTURES = 6
DISTANCES = 40
POPULATION = 1_000_000
LOW, HIGH = 0.93, 0.97

SCHEME = LabelScheme("coverage", ("background", "common", "rare"), headline="mean-fg")
NME, FR10, AUC10, _, FR16, _, _ = landmarks.metrics_of(("ioc",), {"ioc": (7.0, 16.0)})
F1 = {m.slice: m for m in parsing.metrics_of(SCHEME) if m.name == "f1"}
CELLS: Mapping[str, Metric] = {
    "NME, mean": NME,
    "AUC": AUC10,
    "FR of a tenth": FR10,
    "FR of a hundredth": FR16,
    "F1, class of every picture": F1["common"],
    "F1, class of one in twenty": F1["rare"],
}


@dataclass(frozen=True)
class Tally:
    """Trials of a cell: how many, in how many the truth was held, and how many came with a warning."""

    trials: int = 0
    held: int = 0
    warned: int = 0

    def add(self, interval: Interval | None, truth: float) -> Tally:
        if interval is None:
            return Tally(self.trials + 1, self.held, self.warned + 1)
        held = interval.low - 1e-12 <= truth <= interval.high + 1e-12
        return Tally(self.trials + 1, self.held + held, self.warned + bool(interval.doubts))

    @property
    def share(self) -> float:
        return self.held / self.trials

    @property
    def starred(self) -> bool:
        return 2 * self.warned > self.trials


def faces(n: int, rng: np.random.Generator) -> tuple[Columns, Columns]:
    """Statistics of `n` faces, under a base and a candidate that is a little better."""
    hard = rng.lognormal(np.log(0.037), 0.42, n) * np.where(rng.random(n) < 0.02, 3, 1)
    size = np.stack([rng.lognormal(8, 0.6, n), rng.lognormal(6, 1.0, n) * (rng.random(n) < 0.05)], axis=1).astype(int)
    skill = rng.normal(2.0, 0.8, (n, 1))
    made = []
    for shift, gain in ((0.0, 0.0), (-0.03, 0.05)):
        errors = hard * rng.lognormal(shift, 0.2, n)
        share = 1 / (1 + np.exp(-(skill + gain + rng.normal(0, 0.4, (n, 2)))))
        made.append({"error-ioc": errors, "confusion": _confusion(size, share, rng)})
    return made[0], made[1]


def _confusion(size: AnyArray, share: FloatArray, rng: np.random.Generator) -> AnyArray:
    hits = rng.binomial(size, share)
    found = np.zeros((len(size), 3, 3), dtype=np.int64)
    for k in (0, 1):
        found[:, k + 1, k + 1], found[:, k + 1, 0] = hits[:, k], size[:, k] - hits[:, k]
        found[:, 0, k + 1] = rng.binomial(size[:, k], 0.1)
    found[:, 0, 0] = 50_000
    return found


def scans(subjects: int, rng: np.random.Generator) -> tuple[Columns, Columns, list[str]]:
    """Distances of the pictures of `subjects`, under a base and a candidate, and the cluster of each."""
    level = np.repeat(rng.normal(0, 0.15, subjects), PICTURES)
    of_picture = level + rng.normal(0, 0.1, subjects * PICTURES)
    made = []
    for shift in (0.0, -0.05):
        own = of_picture + shift + rng.normal(0, 0.05, len(of_picture))
        made.append({"distances": rng.lognormal(own[:, None], 0.7, (len(own), DISTANCES))})
    return made[0], made[1], [str(k // PICTURES) for k in range(subjects * PICTURES)]


def median(columns: Columns, weights: FloatArray) -> FloatArray:
    """Median of all distances of all pictures: what NoW's is, without its store of a million bins."""
    distances = np.asarray(columns["distances"])
    order = np.argsort(distances, axis=None)
    reached = np.cumsum(weights[:, order // distances.shape[1]], axis=1)
    return np.asarray(distances.ravel()[order][(2 * reached >= reached[:, -1:]).argmax(axis=1)])


MEDIAN = Metric("median", "mm", "lower", median)


def truths() -> dict[str, tuple[float, float]]:
    """Value of the population of each cell, under the base and the candidate."""
    rng = np.random.default_rng(2**31)
    tables = faces(POPULATION, rng)
    found = {name: _both(metric, *tables) for name, metric in CELLS.items()}
    # The log of a distance is a sum of normal variables, so half of them lie below its mean.
    return found | {"NoW, median": (1.0, float(np.exp(-0.05)))}


def _both(metric: Metric, base: Columns, candidate: Columns) -> tuple[float, float]:
    values = metric.value(base), metric.value(candidate)
    assert values[0] is not None
    assert values[1] is not None
    return values[0], values[1]


def trial(
    cells: Mapping[str, Metric], tables: tuple[Columns, Columns], clusters: list[str], *, resamples: int, method: Method
) -> Iterator[tuple[str, Interval | None, Interval | None]]:
    """Interval of the base's score and of the difference, of each cell."""
    base, candidate = tables
    whole = [(metric, np.ones(len(clusters), dtype=bool)) for metric in cells.values()]
    single = intervals(whole, base, clusters, resamples=resamples, method=method)
    pairs = differences(whole, base, candidate, clusters, resamples=resamples, permutations=1)
    yield from zip(cells, single, (d.interval for d in pairs), strict=True)


def simulate(trials: int, resamples: int, method: Method) -> dict[tuple[str, str], Tally]:
    """Tallies by row (metric, and whether it is of the difference) and size."""
    true, found = truths(), defaultdict[tuple[str, str], Tally](Tally)
    for n in SIZES:
        clusters = [f"{i:05d}" for i in range(n)]
        for k in range(trials):
            tables = faces(n, np.random.default_rng([n, k]))
            for name, single, pair in trial(CELLS, tables, clusters, resamples=resamples, method=method):
                _count(found, name, str(n), single, pair, true[name])
    for subjects in SUBJECTS:
        for k in range(max(1, trials // 4)):
            *tables, clusters = scans(subjects, np.random.default_rng([subjects, k]))
            for name, single, pair in trial(
                {"NoW, median": MEDIAN}, (tables[0], tables[1]), clusters, resamples=resamples // 4, method=method
            ):
                _count(found, name, f"{subjects} subjects", single, pair, true[name])
    return dict(found)


def _count(
    found: dict[tuple[str, str], Tally],
    name: str,
    size: str,
    single: Interval | None,
    pair: Interval | None,
    true: tuple[float, float],
) -> None:
    found[name, size] = found[name, size].add(single, true[0])
    found[f"{name}: difference", size] = found[f"{name}: difference", size].add(pair, true[1] - true[0])


def show(found: Mapping[tuple[str, str], Tally], names: list[str], sizes: list[str]) -> None:
    print(f"{'':<40}" + "".join(f"{size:>14}" for size in sizes))
    for name in names:
        cells = [found[name, size] for size in sizes]
        print(f"{name:<40}" + "".join(f"{100 * c.share:>12.1f}{'*' if c.starred else ' ':<2}" for c in cells))
    print()


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--trials", type=int, default=1000, help="simulated sets a cell; a quarter of it for scans")
    options.add_argument("--resamples", type=int, default=1000, help="of each bootstrap; a quarter of it for scans")
    options.add_argument("--method", choices=("percentile", "bca"), default="percentile", help="of single scores")
    chosen = options.parse_args()
    found = simulate(chosen.trials, chosen.resamples, chosen.method)
    print(f"coverage of 95 % intervals, percent; {chosen.trials} sets a cell, {chosen.method}\n")
    for ending in ("", ": difference"):
        show(found, [name + ending for name in CELLS], [str(n) for n in SIZES])
    medians = ["NoW, median", "NoW, median: difference"]
    show(found, medians, [f"{subjects} subjects" for subjects in SUBJECTS])
    outside = [key for key, tally in found.items() if not tally.starred and not LOW <= tally.share <= HIGH]
    print("outside 93 to 97 % without a warning: " + ("; ".join(map(", n = ".join, outside)) or "none"))
    return int(bool(outside))


if __name__ == "__main__":
    sys.exit(main())
