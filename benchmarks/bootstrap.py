"""Intervals of 19 pooled F1s and their mean on a set of LaPa's largest sister: ours, scipy's and a plain loop.

    python benchmarks/bootstrap.py             # 10,000 resamples of 2,824 images; scipy and the loop on a part of them
    python benchmarks/bootstrap.py --whole     # all of them on all; some minutes

2,824 images and 19 classes are those of CelebAMask-HQ's test set. Every method computes the same numbers: the F1 of
each class from the summed counts, and the mean over the foreground. The loop sees the very weights that ours sees, so
its values must be the same to 1e-9; scipy draws its own.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable

import numpy as np
from scipy.stats import bootstrap

from facebench.metrics.parsing import metrics_of
from facebench.paired import differences
from facebench.resampling import draws, members_of, parts_of, resampled
from facebench.schemes import LabelScheme
from facebench.shapes import AnyArray, FloatArray
from facebench.stats import intervals

RESAMPLES, IMAGES, CLASSES = 10_000, 2_824, 19
PART = 100
LIMIT, TOLERANCE = 0.5, 1e-9


def confusions(n: int, classes: int) -> AnyArray:
    """Confusion matrices (n, C, C) of pictures of half a megapixel in which classes 14 to 18 are in every tenth."""
    rng = np.random.default_rng(0)
    matrices = rng.integers(0, 60, (n, classes, classes))
    matrices[:, range(classes), range(classes)] = rng.integers(500, 30_000, (n, classes))
    rare = rng.random((n, classes)) < np.where(np.arange(classes) >= 14, 0.1, 1.0)
    return np.asarray(matrices * (rare[:, :, None] & rare[:, None, :]))


def f1_of_sum(matrix: AnyArray) -> FloatArray:
    """F1 of each class and, first, their mean over the foreground, percent: (C + 1,)."""
    f1 = 200 * np.diag(matrix) / (matrix.sum(axis=0) + matrix.sum(axis=1))
    return np.concatenate([[f1[1:].mean()], f1])


def loop(matrices: AnyArray, weights: FloatArray) -> FloatArray:
    """The plain loop: (B, C + 1)."""
    return np.stack([f1_of_sum(np.repeat(matrices, row.astype(int), axis=0).sum(axis=0)) for row in weights])


def timed(call: Callable[[], object], *, best_of: int = 1) -> tuple[float, object]:
    found, times = None, []
    for _ in range(best_of):
        start = time.perf_counter()
        found = call()
        times.append(time.perf_counter() - start)
    return min(times), found


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--whole", action="store_true", help="scipy and the loop on all resamples too")
    rows = RESAMPLES if options.parse_args().whole else PART
    matrices = confusions(IMAGES, CLASSES)
    scheme = LabelScheme("bench", tuple(f"class{k}" for k in range(CLASSES)), headline="mean-fg")
    metrics = [m for m in metrics_of(scheme) if m.name == "f1" and m.slice != "mean-present-fg"]
    cells = [(metric, np.ones(IMAGES, dtype=bool)) for metric in metrics]
    names, columns = [f"{i:05d}" for i in range(IMAGES)], {"confusion": matrices}
    cold, _ = timed(lambda: intervals(cells, columns, names, resamples=100))
    ours, _ = timed(lambda: intervals(cells, columns, names, resamples=RESAMPLES), best_of=5)
    paired, _ = timed(lambda: differences(cells, columns, {"confusion": matrices[::-1].copy()}, names), best_of=3)
    weights = np.concatenate(list(draws(IMAGES, resamples=rows, seed=0)))
    parts = parts_of(cells, [columns], members_of(names))
    values = np.stack(resampled(parts, resamples=rows, seed=0), axis=1)
    looped, plain = timed(lambda: loop(matrices, weights))
    deviation = float(np.abs(values - np.asarray(plain)).max())
    theirs, _ = timed(lambda: _scipy(matrices, rows))
    scale = RESAMPLES / rows
    print(f"{RESAMPLES:,} resamples x {IMAGES:,} images x {CLASSES} classes, {os.cpu_count()} cores")
    print(f"{'facebench':<42}{ours:>9.3f} s   (first call of a process: {cold:.1f} s)")
    print(f"{'facebench, paired, with 10,000 swaps':<42}{paired:>9.3f} s")
    for name, seconds in (("scipy.stats.bootstrap, percentile", theirs), ("plain loop", looped)):
        said = "" if scale == 1 else f"   ({rows} resamples in {seconds:.2f} s)"
        print(f"{name:<42}{seconds * scale:>9.1f} s   {seconds * scale / ours:>7,.0f} times as long{said}")
    print(f"largest deviation from the loop: {deviation:.1e} points of F1, over {rows:,} resamples")
    return int(ours > LIMIT or deviation > TOLERANCE)


def _scipy(matrices: AnyArray, rows: int) -> object:
    flat = matrices.reshape(len(matrices), -1)

    def statistic(chosen: AnyArray) -> FloatArray:
        return f1_of_sum(flat[chosen].sum(axis=0).reshape(CLASSES, CLASSES))

    return bootstrap(
        (np.arange(len(flat)),), statistic, vectorized=False, method="percentile", n_resamples=rows, batch=1, rng=0
    )


if __name__ == "__main__":
    sys.exit(main())
