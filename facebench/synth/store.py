"""The jobs of a made set, drawn into a folder that is kept beside its place until it is whole (`facebench.staging`).

    DIR/.WFLW.partial/plan.json     what is being written, and by which version of the made world
    DIR/.WFLW.partial/set/          the future DIR/WFLW; every file is written under another name and renamed
    DIR/.WFLW.partial/done/         the facts of each finished job, written after its files
    DIR/.WFLW.partial/scratch/      files that the lists are made of and that do not belong to the set

An interrupted writing leaves this folder, and the same command goes on from it. When every job is done the lists are
written and `set` is renamed to `DIR/WFLW`, which happens wholly or not at all. What another plan left is not mixed
in: it is an error that says so, unless the writing is begun anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from facebench import staging
from facebench.errors import DataError
from facebench.slices import MARK
from facebench.staging import Staging, write_whole
from facebench.synth.layouts.layout import Entry, Job, Made

PLAN_FILE = MARK
"""In a finished set: the plan it was made by."""

DONE, SCRATCH = "done", "scratch"
"""Facts of finished jobs, and files for the lists alone."""
BESIDE = (DONE, SCRATCH)
"""What lies beside the set while it is unfinished."""

_BATCH = 64
"""Jobs a worker between two looks at the clock of the whole; an interruption waits for running jobs only."""


def fill(
    place: Staging,
    jobs: Sequence[Job],
    make: Callable[[Job], Made],
    *,
    workers: int,
    on_job: Callable[[], None] = lambda: None,
) -> None:
    """Make every job that is not done yet.

    Args:
        place: where to.
        jobs: everything the set is made of.
        make: draws one job; called from several threads.
        workers: number of threads. The kernels let go of the interpreter, so they draw at once.
        on_job: called in this thread after each job, those of earlier calls included.
    """
    done = {path.name for path in place.beside(DONE).iterdir()}
    missing = iter([job for job in jobs if f"{job.key}.json" not in done])
    for _ in range(sum(f"{job.key}.json" in done for job in jobs)):
        on_job()
    with ThreadPoolExecutor(workers) as pool:
        while batch := list(islice(missing, _BATCH * workers)):
            for _ in pool.map(lambda job: _keep(place, job, make(job)), batch):
                on_job()


def _keep(place: Staging, job: Job, made: Made) -> None:
    for name, content in made.files.items():
        write_whole(place.set / name, content)
    for name, content in made.scratch.items():
        write_whole(place.beside(SCRATCH) / name, content)
    write_whole(place.beside(DONE) / f"{job.key}.json", json.dumps(dict(made.facts), allow_nan=False).encode())


def entries(place: Staging, jobs: Sequence[Job]) -> list[Entry]:
    """Every job with its facts, in the order of `jobs`. Raises `DataError` where the facts are damaged."""
    found = []
    for job in jobs:
        path = place.beside(DONE) / f"{job.key}.json"
        try:
            found.append(Entry(job, json.loads(path.read_bytes()), place.beside(SCRATCH)))
        except ValueError as cause:
            raise DataError(f"{path} is damaged; remove it and run the same command again") from cause
    return found


def publish(place: Staging, plan: Mapping[str, Any]) -> None:
    """Put the whole set into its place with its plan in it, and drop the staging folder."""
    write_whole(place.set / PLAN_FILE, (json.dumps(plan, indent=1, sort_keys=True) + "\n").encode())
    staging.publish(place, mark=PLAN_FILE)


def written_plan(final: Path) -> Mapping[str, Any] | None:
    """The plan of a finished set of ours; None where there is none, or it cannot be read."""
    try:
        plan = json.loads((final / PLAN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return plan if isinstance(plan, dict) else None
