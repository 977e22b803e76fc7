"""Plain crops of a split, in the shards that heads read, for a protocol that looks at pictures itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from facebench.errors import DataError
from facebench.features import SHARD, Shard
from facebench.framing import Framing
from facebench.types import Sample


def crop_shards(samples: Sequence[Sample], framing: Framing, step: Callable[[int, bool], None]) -> Iterator[Shard]:
    """Crops of `samples`: the tokens of a shard are (n, 3, S, S) uint8; what cannot be read is a failure of its own."""
    import torch

    for start in range(0, len(samples), SHARD):
        part, crops, good = samples[start : start + SHARD], [], []
        failures = {}
        for sample in part:
            try:
                crops.append(framing.show(sample))
                good.append(sample)
            except DataError as cause:
                failures[sample.id] = str(cause)
        stack = np.stack(crops) if crops else np.zeros((0, framing.size, framing.size, 3), np.uint8)
        step(len(part), False)
        yield Shard(good, torch.from_numpy(stack).permute(0, 3, 1, 2), torch.zeros(len(good), 0), failures)
