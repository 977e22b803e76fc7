"""A folder of files that is being written: kept beside its place until it is whole, so that nobody takes a part for it.

    DIR/.NAME.partial/plan.json    what is being written; another plan is never mixed in
    DIR/.NAME.partial/set/         the future DIR/NAME
    DIR/.NAME.partial/...          what else an interrupted writing needs to go on

An interrupted writing leaves this folder, and the same command goes on from it. When all is there, `set` is renamed to
`DIR/NAME`, which happens wholly or not at all.
"""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facebench.errors import DataError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says where there is no room left for a file."""


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

    def beside(self, name: str) -> Path:
        """A folder for what does not belong to the set: one of those that `staging` was told."""
        return self.folder / name


def require_free(final: Path, *, overwrite: bool) -> None:
    """Raise `DataError` where `final` holds something and may not be replaced."""
    if final.is_dir() and any(final.iterdir()) and not overwrite:
        raise DataError(f"{final} is not empty; --overwrite writes it anew")
    if final.exists() and not final.is_dir():
        raise DataError(f"cannot write {final}: there is a file of that name")


@contextmanager
def staging(final: Path, plan: Mapping[str, Any], beside: Sequence[str], *, overwrite: bool) -> Iterator[Staging]:
    """The staging folder of `final`, held by this process while it is open.

    Args:
        final: where the set will lie.
        plan: what is being written, as JSON can hold it; must equal that of what an earlier call left.
        beside: names of further folders.
        overwrite: forget what another plan left, instead of refusing to mix.

    Raises:
        DataError: another plan was begun, another process is writing, or nothing can be written here.
    """
    place = Staging(final.with_name(f".{final.name}.partial"), final)
    try:
        place.folder.mkdir(parents=True, exist_ok=True)
        with held(place.folder / "lock", DataError(f"another process is writing into {place.folder}; {_ELSEWHERE}")):
            _begin(place, plan, beside, overwrite=overwrite)
            yield place
    except OSError as cause:
        kept = f"; what was done is kept in {place.folder}" if place.folder.is_dir() else ""
        hint = "; free some space and run the same command again" if cause.errno in DISK_FULL else ""
        raise DataError(f"cannot write {final}: {cause.strerror or cause}{kept}{hint}") from cause


_ELSEWHERE = "wait for it, or name another folder"


@contextmanager
def held(lock: Path, refusal: Exception) -> Iterator[None]:
    """Hold the file `lock` for this process, or raise `refusal`; the system lets go of it however the process ends."""
    import fcntl

    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise refusal from None
        yield


def _begin(place: Staging, plan: Mapping[str, Any], beside: Sequence[str], *, overwrite: bool) -> None:
    text = json.dumps(plan, indent=1, sort_keys=True) + "\n"
    file = place.folder / "plan.json"
    left = file.read_text(encoding="utf-8") if file.is_file() else None
    if left not in (None, text) and not overwrite:
        raise DataError(
            f"{place.folder} holds an unfinished set of another plan ({_difference(left or '', plan)}); finish it with "
            "its own options, or begin anew with --overwrite"
        )
    folders = [place.set, *map(place.beside, beside)]
    # A set folder that is gone was renamed into place just before an interruption: its files are no longer here.
    if left != text or not place.set.is_dir():
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
    for folder in folders:
        folder.mkdir(exist_ok=True)
    write_whole(file, text.encode())


def _difference(left: str, plan: Mapping[str, Any]) -> str:
    try:
        before = json.loads(left)
        named = [f"{key} {before.get(key)!r}, not {value!r}" for key, value in plan.items() if before.get(key) != value]
    except (ValueError, AttributeError):
        return "its plan cannot be read"
    return "; ".join(named) or "written by another version"


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path`, which then holds all of it or does not exist."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
    part.replace(path)


def publish(place: Staging, *, mark: str) -> None:
    """Put the whole set into its place, and drop the staging folder.

    A set that holds the file `mark` is ours and is replaced; what else lies there is kept under another name, since it
    may be something that nobody can make again.
    """
    if place.final.is_dir() and any(place.final.iterdir()):
        ours = (place.final / mark).is_file()
        shutil.rmtree(place.folder / "replaced", ignore_errors=True)
        place.final.rename(place.folder / "replaced" if ours else _free_name(place.final))
    place.set.rename(place.final)
    drop(place)


def _free_name(final: Path) -> Path:
    numbers = (final.with_name(f"{final.name}.before-{i}") for i in range(1, 10_000))
    return next(path for path in numbers if not path.exists())


def drop(place: Staging) -> None:
    """Forget what was begun."""
    shutil.rmtree(place.folder, ignore_errors=True)
