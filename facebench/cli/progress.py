"""Progress on stderr: a rich bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PLAIN_SECONDS = 10.0
"""Seconds between two plain lines, so that a log stays short."""


def say(text: str) -> None:
    """One line for people, on stderr; stdout is for data."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def progress(label: str, total: int | None) -> Iterator[Callable[[], None]]:
    """Yield a function to call after each of `total` steps; None where nobody knows how many there will be."""
    if sys.stderr.isatty():
        with _bar(label, total) as step:
            yield step
    else:
        yield _plain(label, total)


@contextmanager
def _bar(label: str, total: int | None) -> Iterator[Callable[[], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda: bar.advance(task)


def _plain(label: str, total: int | None) -> Callable[[], None]:
    done, last = 0, time.monotonic()

    def step() -> None:
        nonlocal done, last
        done += 1
        if time.monotonic() - last > PLAIN_SECONDS:
            last = time.monotonic()
            say(f"{label}: {done}" + (f"/{total}" if total is not None else ""))

    return step


def duration(seconds: float) -> str:
    """A length of time as people say it: `40 s`, `3 min`, `1.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
