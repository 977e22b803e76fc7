"""A set that is being written: kept beside its place until it is whole, so that nobody can take a part for it.

    DIR/.WFLW.partial/plan.json     what is being written, and by which version of the made world
    DIR/.WFLW.partial/set/          the future DIR/WFLW; every file is written under another name and renamed
    DIR/.WFLW.partial/done/         the facts of each finished job, written after its files
    DIR/.WFLW.partial/scratch/      files that the lists are made of and that do not belong to the set

An interrupted writing leaves this folder, and the same command goes on from it. When every job is done the lists are
written and `set` is renamed to `DIR/WFLW`, which happens wholly or not at all. What another plan left is not mixed
in: it is an error that says so, unless the writing is begun anew.
"""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from facebench.errors import DataError
from facebench.slices import MARK
from facebench.synth.layouts.layout import Entry, Job, Made

PLAN_FILE = MARK
"""In a finished set: the plan it was made by."""

_BATCH = 64
"""Jobs a worker between two looks at the clock of the whole; an interruption waits for running jobs only."""


@dataclass(frozen=True)
class Staging:
    """The folder of a set that is not yet whole.

    Attributes:
        folder: `DIR/.NAME.partial`.
        final: `DIR/NAME`.
    """

    folder: Path
    final: Path

    @property
    def set(self) -> Path:
        """The future set."""
        return self.folder / "set"

    @property
    def done(self) -> Path:
        """Facts of finished jobs."""
        return self.folder / "done"

    @property
    def scratch(self) -> Path:
        """Files for the lists alone."""
        return self.folder / "scratch"


def require_free(final: Path, *, overwrite: bool) -> None:
    """Raise `DataError` where `final` holds something and may not be replaced."""
    if final.is_dir() and any(final.iterdir()) and not overwrite:
        raise DataError(f"{final} is not empty; --overwrite writes it anew")
    if final.exists() and not final.is_dir():
        raise DataError(f"cannot write {final}: there is a file of that name")


@contextmanager
def staging(final: Path, plan: Mapping[str, Any], *, overwrite: bool) -> Iterator[Staging]:
    """The staging folder of `final`, locked for this process while it is open.

    Args:
        final: where the set will lie.
        plan: what is being written, as JSON can hold it; must equal that of what an earlier call left.
        overwrite: forget what another plan left, instead of refusing to mix.

    Raises:
        DataError: another plan was begun, another process is writing, or nothing can be written here.
    """
    place = Staging(final.with_name(f".{final.name}.partial"), final)
    with _as_data_error(place):
        place.folder.mkdir(parents=True, exist_ok=True)
        with _locked(place.folder):
            _prepare(place, plan, overwrite=overwrite)
            yield place


def _prepare(place: Staging, plan: Mapping[str, Any], *, overwrite: bool) -> None:
    text = json.dumps(plan, indent=1, sort_keys=True) + "\n"
    file = place.folder / "plan.json"
    left = file.read_text(encoding="utf-8") if file.is_file() else None
    if left not in (None, text) and not overwrite:
        raise DataError(
            f"{place.folder} holds an unfinished set of another plan ({_difference(left or '', plan)}); finish it with "
            "its own options, or begin anew with --overwrite"
        )
    # A set folder that is gone was renamed into place just before an interruption: its jobs are no longer here.
    if left != text or not place.set.is_dir():
        for folder in (place.set, place.done, place.scratch):
            shutil.rmtree(folder, ignore_errors=True)
    for folder in (place.set, place.done, place.scratch):
        folder.mkdir(exist_ok=True)
    write_whole(file, text.encode())


def _difference(left: str, plan: Mapping[str, Any]) -> str:
    try:
        before = json.loads(left)
        named = [f"{key} {before.get(key)!r}, not {value!r}" for key, value in plan.items() if before.get(key) != value]
    except (ValueError, AttributeError):
        return "its plan cannot be read"
    return "; ".join(named) or "written by another version"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; the system lets go of it however the process ends."""
    import fcntl

    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"another process is writing into {folder}; wait for it, or name another folder") from None
        yield


@contextmanager
def _as_data_error(place: Staging) -> Iterator[None]:
    try:
        yield
    except OSError as cause:
        kept = f"; what was done is kept in {place.folder}" if place.folder.is_dir() else ""
        hint = "; free some space and run the same command again" if cause.errno == errno.ENOSPC else ""
        raise DataError(f"cannot write {place.final}: {cause.strerror or cause}{kept}{hint}") from cause


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
    done = {path.name for path in place.done.iterdir()}
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
        write_whole(place.scratch / name, content)
    write_whole(place.done / f"{job.key}.json", json.dumps(dict(made.facts), allow_nan=False).encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path`, which then holds all of it or does not exist."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
    part.replace(path)


def entries(place: Staging, jobs: Sequence[Job]) -> list[Entry]:
    """Every job with its facts, in the order of `jobs`. Raises `DataError` where the facts are damaged."""
    found = []
    for job in jobs:
        path = place.done / f"{job.key}.json"
        try:
            found.append(Entry(job, json.loads(path.read_bytes()), place.scratch))
        except ValueError as cause:
            raise DataError(f"{path} is damaged; remove it and run the same command again") from cause
    return found


def publish(place: Staging, plan: Mapping[str, Any]) -> None:
    """Put the whole set into its place, and drop the staging folder.

    A set of ours that lies there is replaced; what else lies there is kept under another name, since it may be a real
    set that nobody can draw again.
    """
    write_whole(place.set / PLAN_FILE, (json.dumps(plan, indent=1, sort_keys=True) + "\n").encode())
    if place.final.is_dir() and any(place.final.iterdir()):
        ours = (place.final / PLAN_FILE).is_file()
        place.final.rename(place.folder / "replaced" if ours else _free_name(place.final))
    place.set.rename(place.final)
    shutil.rmtree(place.folder, ignore_errors=True)


def _free_name(final: Path) -> Path:
    numbers = (final.with_name(f"{final.name}.before-{i}") for i in range(1, 10_000))
    return next(path for path in numbers if not path.exists())


def written_plan(final: Path) -> Mapping[str, Any] | None:
    """The plan of a finished set of ours; None where there is none, or it cannot be read."""
    try:
        plan = json.loads((final / PLAN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return plan if isinstance(plan, dict) else None
