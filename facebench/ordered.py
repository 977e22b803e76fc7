"""Work on many things at once, results in order, a bounded number under way."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Found = TypeVar("Found")


def in_order(work: Callable[[Item], Found], items: Iterable[Item], *, workers: int) -> Iterator[Found]:
    """Yield `work(item)` for each of `items`, in their order.

    What `work` raises is raised when its turn comes; then, and when the caller stops, what has not begun is dropped.

    Args:
        work: called in a thread where there is more than one worker.
        items: taken one by one, at most twice as many ahead as there are workers.
        workers: number of threads; with one, everything happens in the caller's.
    """
    if workers <= 1:
        yield from map(work, items)
        return
    pool, waiting = ThreadPoolExecutor(workers), deque[Future[Found]]()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
