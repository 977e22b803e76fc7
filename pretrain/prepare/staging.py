"""A set that is being written: kept beside its place until it is whole, so that nobody can take a part for it.

    DIR/.shards.partial/plan.json               sources and options; another plan is never mixed in
    DIR/.shards.partial/set/000000.tar          the future DIR/shards
    DIR/.shards.partial/parts/000000.parquet    index of a finished tar, and how far in the sources it came
    DIR/.shards.partial/parts/000000.jsonl      what was left out on the way

A part is written after its tar, so an interrupted preparation goes on behind its last finished tar and ends in the same
bytes. When all is there, `set` is renamed to `DIR/shards`, which happens wholly or not at all.
"""

from __future__ import annotations

import errno
import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facebench.errors import DataError
from pretrain.data.manifest import FILE as MANIFEST


@dataclass(frozen=True)
class Staging:
    """Paths of a set that is not yet whole.

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
    def parts(self) -> Path:
        """What is known of the finished tars."""
        return self.folder / "parts"


def require_free(final: Path, *, overwrite: bool) -> None:
    """Raise `DataError` where `final` holds something that may not be replaced."""
    if final.exists() and not final.is_dir():
        raise DataError(f"cannot write {final}: there is a file of that name")
    if not final.is_dir() or not any(final.iterdir()):
        return
    if not overwrite:
        raise DataError(f"{final} is not empty; --overwrite writes it anew")
    if not (final / MANIFEST).is_file():
        raise DataError(f"{final} is not empty and holds no prepared set; name another folder")


@contextmanager
def staging(final: Path, plan: Mapping[str, Any], *, overwrite: bool) -> Iterator[Staging]:
    """The staging folder of `final`, held for this process while it is open.

    Args:
        final: where the set will lie.
        plan: what is being prepared, as JSON can hold it; must equal that of what an earlier call left.
        overwrite: forget what another plan left, instead of refusing to mix.

    Raises:
        DataError: another plan was begun, another process is writing, or nothing can be written here.
    """
    final = final.resolve()
    place = Staging(final.with_name(f".{final.name}.partial"), final)
    try:
        place.folder.mkdir(parents=True, exist_ok=True)
        with _held(place.folder):
            _begin(place, json.dumps(plan, indent=1, sort_keys=True) + "\n", overwrite=overwrite)
            yield place
    except OSError as cause:
        kept = f"; finished shards are kept in {place.folder}" if place.parts.is_dir() else ""
        full = cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        hint = "; free some space and run the same command again" if full else ""
        raise DataError(f"cannot write {final}: {cause.strerror or cause}{kept}{hint}") from cause


def _begin(place: Staging, plan: str, *, overwrite: bool) -> None:
    file = place.folder / "plan.json"
    left = file.read_text(encoding="utf-8") if file.is_file() else None
    if left not in (None, plan) and not overwrite:
        raise DataError(
            f"{place.folder} holds an unfinished set of other sources or options; finish it by its own command, or "
            "begin anew with --overwrite"
        )
    # A set folder that is gone was renamed into place just before an interruption.
    if left != plan or not place.set.is_dir():
        shutil.rmtree(place.set, ignore_errors=True)
        shutil.rmtree(place.parts, ignore_errors=True)
    place.set.mkdir(exist_ok=True)
    for unfinished in place.set.glob(".*.part"):
        unfinished.unlink()
    place.parts.mkdir(exist_ok=True)
    file.write_text(plan, encoding="utf-8")


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; the system lets go of it however the process ends."""
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"another process is writing into {folder}; wait for it, or name another folder") from None
        yield


def publish(place: Staging) -> None:
    """Put the whole set into its place, where an earlier one is replaced, and drop the staging folder."""
    if place.final.is_dir():
        shutil.rmtree(place.folder / "replaced", ignore_errors=True)
        place.final.rename(place.folder / "replaced")
    place.set.rename(place.final)
    shutil.rmtree(place.folder, ignore_errors=True)


def drop(place: Staging) -> None:
    """Forget what was begun."""
    shutil.rmtree(place.folder, ignore_errors=True)
