"""How long the backbone takes for a picture, from the batches that are made anyway.

Times are kept beside the cached features, so a run that finds them there can still say how long they took, and where.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple, TypeVar

from facebench.record import LatencyRecord

Made = TypeVar("Made")


class Timed(NamedTuple):
    """One batch through the backbone.

    Attributes:
        pictures: how many.
        seconds: wall clock, from the pictures on the device to the features there.
        device: what computed, in words.
        first: whether it was the first of its run, which pays for what is set up once.
    """

    pictures: int
    seconds: float
    device: str
    first: bool


def timed(make: Callable[[], Made], device: str) -> tuple[Made, float]:
    """What `make` gives, and the seconds that it took on `device`, its queue emptied before and after."""
    _wait(device)
    start = time.perf_counter()
    made = make()
    _wait(device)
    return made, time.perf_counter() - start


def latency_of(batches: Sequence[Timed]) -> LatencyRecord | None:
    """The median over batches of the commonest size and device; a first batch counts where there is no other."""
    if not batches:
        return None
    (size, device), _ = Counter((each.pictures, each.device) for each in batches).most_common(1)[0]
    alike = [each for each in batches if (each.pictures, each.device) == (size, device)]
    chosen = [each for each in alike if not each.first] or alike
    milliseconds = median(1000 * each.seconds / each.pictures for each in chosen)
    return LatencyRecord(milliseconds=milliseconds, batch=size, batches=len(chosen), device=device)


def device_name(device: str) -> str:
    """What computes, in words: the name of a GPU, or a processor with its number of threads."""
    import torch

    if device.startswith("cuda"):
        return str(torch.cuda.get_device_name(device))
    threads = torch.get_num_threads()
    return f"{device}, {threads} thread{'s' * (threads != 1)}"


def _wait(device: str) -> None:
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    elif device.startswith("mps"):
        torch.mps.synchronize()
