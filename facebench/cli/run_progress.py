"""What `facebench run` shows while it works: a bar on a terminal, a line a row elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from facebench.cli.progress import progress, say

if TYPE_CHECKING:
    from facebench.job import Job
    from facebench.record import Result
    from facebench.run import Plan, Watch


@contextmanager
def watching(plan: Plan) -> Iterator[Watch]:
    """A `Watch` that tells people what happens, on stderr."""
    from facebench.run import Watch

    with _Stages() as stages:
        count = len(plan.rows)
        several = len({each.job.protocol.NAME for each in plan.rows}) > 1
        row = 0

        def job(job: Job, done: Result | None) -> None:
            nonlocal row
            row += 1
            under = f" under {job.protocol.NAME}" if several else ""
            stages.label = f"[{row}/{count}] {job.dataset.name}: {job.subject}{under}"
            stages.taken = done is not None
            if done is not None:
                say(f"{stages.label}: taken from {job.folder}")

        yield Watch(
            job=job,
            stage=lambda _job, name, total: stages.begin(name, total),
            step=lambda n, _cached: stages.step(n),
            note=lambda text: say(f"note: {text}"),
            result=stages.end,
        )


@dataclass
class _Stages:
    """The bar of the stage that is running; one stage at a time."""

    label: str = ""
    taken: bool = False
    _open: ExitStack = field(default_factory=ExitStack)
    _step: Callable[[], None] = lambda: None

    def __enter__(self) -> _Stages:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def begin(self, name: str, total: int) -> None:
        self._open.close()
        self._step = self._open.enter_context(progress(f"{self.label}, {name}", total))

    def step(self, n: int) -> None:
        for _ in range(n):
            self._step()

    def end(self, result: Result) -> None:
        from leaderboard.digits import value_text

        self._open.close()
        if not sys.stderr.isatty() and not self.taken:
            headline = next((s for s in result.scores if s.headline), None)
            seconds = sum(result.timing.values())
            say(f"{self.label}: {headline.key if headline else ''} {value_text(headline)} ({seconds:.0f} s)")


@contextmanager
def drawing() -> Iterator[Callable[[str, int, int], None]]:
    """A function to call with (set, done, all) while the made world is drawn."""
    with ExitStack() as stack:
        current: dict[str, Callable[[], None]] = {}

        def on_face(name: str, _done: int, total: int) -> None:
            if name not in current:
                stack.close()
                current[name] = stack.enter_context(progress(f"drawing {name}", total))
            current[name]()

        yield on_face
