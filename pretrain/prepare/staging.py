"""Shards that are being written: the shared staging folder (`facebench.staging`), and what of it is theirs.

    DIR/.shards.partial/plan.json               sources and options; another plan is never mixed in
    DIR/.shards.partial/set/000000.tar          the future DIR/shards
    DIR/.shards.partial/parts/000000.parquet    index of a finished tar, and how far in the sources it came
    DIR/.shards.partial/parts/000000.jsonl      what was left out on the way

A part is written after its tar, so an interrupted preparation goes on behind its last finished tar and ends in the same
bytes. When all is there, `set` is renamed to `DIR/shards`, which happens wholly or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facebench import staging
from facebench.errors import DataError
from facebench.staging import Staging
from pretrain.data.manifest import FILE as MANIFEST

PARTS = "parts"
"""What is known of the finished tars, beside the set."""


def require_free(final: Path, *, overwrite: bool) -> None:
    """Raise `DataError` where `final` holds something that may not be replaced; only a prepared set ever may."""
    staging.require_free(final, overwrite=overwrite)
    if final.is_dir() and any(final.iterdir()) and not (final / MANIFEST).is_file():
        raise DataError(f"{final} is not empty and holds no prepared set; name another folder")


@contextmanager
def staged(final: Path, plan: Mapping[str, Any], *, overwrite: bool) -> Iterator[Staging]:
    """The staging folder of `final`, held by this process while it is open. Raises `DataError`."""
    with staging.staging(final.resolve(), plan, (PARTS,), overwrite=overwrite) as place:
        for unfinished in place.set.glob(".*.part"):
            unfinished.unlink()
        yield place


def publish(place: Staging) -> None:
    """Put the whole set into its place, where an earlier one is replaced."""
    staging.publish(place, mark=MANIFEST)
