"""How often each cluster was drawn, and whose labels were swapped, in each resample: a kernel.

Random numbers are those of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA
2014), a stream of its own for each row, so that a row hangs on the seed and on its number alone. Half a word gives one
draw, by the upper part of its product with the number of clusters: of 2^32 words a cluster gets the same number, but
for one. It takes a nanosecond or two a draw; drawing integers and counting them in numpy takes five times as long.
"""

from __future__ import annotations

import numba
import numpy as np

from facebench.shapes import FloatArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1, _MIX2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31, _S32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_ONE = np.uint64(1)


@numba.njit(cache=True, nogil=True, inline="always")
def _mixed(state: np.uint64) -> np.uint64:
    state = (state ^ (state >> _S30)) * _MIX1
    state = (state ^ (state >> _S27)) * _MIX2
    return state ^ (state >> _S31)


@numba.njit(cache=True, nogil=True)
def count_draws(seed: np.uint64, first: int, out: FloatArray) -> None:
    """Fill `out` (b, G) with how often each of G clusters is drawn in G draws; its rows are numbered from `first`."""
    rows, count = out.shape
    many = np.uint64(count)
    for i in range(rows):
        row = out[i]
        row[:] = 0.0
        state = _mixed(_mixed(seed) + np.uint64(first + i) * _GOLDEN)
        for _ in range(count // 2):
            state += _GOLDEN
            word = _mixed(state)
            row[((word & _LOW) * many) >> _S32] += 1.0
            row[((word >> _S32) * many) >> _S32] += 1.0
        if count % 2:
            row[((_mixed(state + _GOLDEN) & _LOW) * many) >> _S32] += 1.0


@numba.njit(cache=True, nogil=True)
def draw_swaps(seed: np.uint64, first: int, out: FloatArray) -> None:
    """Fill `out` (b, G) with 1 where the labels of a cluster are swapped, else 0, at even odds."""
    rows, count = out.shape
    for i in range(rows):
        state = _mixed(_mixed(~seed) + np.uint64(first + i) * _GOLDEN)
        word = state
        for j in range(count):
            if j % 64 == 0:
                state += _GOLDEN
                word = _mixed(state)
            out[i, j] = float((word >> np.uint64(j % 64)) & _ONE)
