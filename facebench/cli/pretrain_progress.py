"""What `facebench pretrain train` shows while it works: a bar with loss and speed, or a plain line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from facebench.cli.progress import PLAIN_SECONDS, duration, say

if TYPE_CHECKING:
    from rich.progress import Progress

    from pretrain.training.monitor import Watch

SHOWN = ("rec", "align", "perplexity", "used", "context_gain")
"""What a line says beside loss and speed, where the method has it."""


@contextmanager
def watching() -> Iterator[Watch]:
    """A `Watch` that tells people what happens, on stderr."""
    if sys.stderr.isatty():
        with _bar() as bar:
            yield _on_bar(bar)
    else:
        yield _Plain().watch()


@contextmanager
def _bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("pre-training"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[told]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        yield bar


def _on_bar(bar: Progress) -> Watch:
    from pretrain.training.monitor import Watch

    task = bar.add_task("", total=None, told="")
    return Watch(
        begin=lambda done, steps: bar.update(task, completed=done, total=steps),
        step=lambda step, loss, rate: bar.update(task, completed=step, told=f"loss {loss:.4f}  {rate:,.0f} images/s"),
        line=lambda line: bar.console.print(_line(line), markup=False, highlight=False),
        note=lambda text: bar.console.print(f"note: {text}", markup=False, highlight=False),
    )


class _Plain:
    """Lines for a log file: at most one every few seconds, each with what is left to do."""

    def __init__(self) -> None:
        self._steps = 0
        self._told = -PLAIN_SECONDS

    def watch(self) -> Watch:
        from pretrain.training.monitor import Watch

        return Watch(begin=self._begin, line=self._line, note=lambda text: say(f"note: {text}"))

    def _begin(self, done: int, steps: int) -> None:
        self._steps = steps
        self._since, self._first = time.monotonic(), done

    def _line(self, line: Mapping[str, Any]) -> None:
        now, step = time.monotonic(), int(line["step"])
        if now - self._told < PLAIN_SECONDS and step < self._steps:
            return
        self._told = now
        left = (now - self._since) / max(step - self._first, 1) * (self._steps - step)
        say(f"{_line(line)}  {line['images_per_second']:,.0f} images/s  {duration(left)} left of {self._steps} steps")


def _line(line: Mapping[str, Any]) -> str:
    named = [f"{name} {line[name]:.3g}" for name in SHOWN if line.get(name) is not None]
    return "  ".join([f"step {line['step']}", f"epoch {line['epoch']:.2f}", f"loss {line['loss']:.4f}", *named])
