"""Which picture stands at which place of the endless stream: a pure function of the seed and the epoch.

Place p of the stream is picture `p mod N` of the order of epoch `p div N`. The order of an epoch is a permutation of
the shards, cut into groups, the pictures of each group permuted: a good shuffle that reads a few tars at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facebench.shapes import IntArray

_DRAWS = 1
"""Sets the draws of the order apart from those of the pictures (`pretrain.data.views`)."""


@dataclass(frozen=True)
class Order:
    """The order of every epoch.

    Attributes:
        sizes: pictures of each shard; picture numbers follow one another over them.
        group: shards that are shuffled together.
        seed: of the run.
    """

    sizes: tuple[int, ...]
    group: int
    seed: int

    @property
    def pictures(self) -> int:
        """N, pictures of an epoch."""
        return sum(self.sizes)

    def epoch(self, number: int) -> IntArray:
        """Order (N,) of the picture numbers in epoch `number`; each stands in it once."""
        rng = np.random.default_rng([self.seed, _DRAWS, number])
        ends = np.cumsum(self.sizes)
        shards = rng.permutation(len(self.sizes))
        parts = []
        for first in range(0, len(shards), self.group):
            runs = [np.arange(ends[s] - self.sizes[s], ends[s]) for s in shards[first : first + self.group]]
            parts.append(rng.permutation(np.concatenate(runs)))
        return np.concatenate(parts)


def first_sizes(sizes: tuple[int, ...], limit: int | None) -> tuple[int, ...]:
    """Pictures of each shard when only the first `limit` of all are used."""
    if limit is None:
        return sizes
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    kept = np.clip(limit - starts, 0, sizes)
    return tuple(int(n) for n in kept if n)
