"""A journal of measured samples, so that an interrupted `score` goes on where it was.

The journal's folder is named by everything the statistics depend on, so it can never be taken for another run's. Rows
are pending in memory for a few seconds, then written as one Parquet part, atomically; a part that was cut off has no
name yet and does not count.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from facebench.errors import DataError
from facebench.metric import Statistics
from facebench.sample_table import collect, read_table, write_table
from facebench.types import Sample

FLUSH_SECONDS = 5.0
"""What an interruption may cost: about this much work."""


def cache_root() -> Path:
    """Folder for what can be made again: FACEBENCH_CACHE, else XDG_CACHE_HOME/facebench, else ~/.cache/facebench."""
    if named := os.environ.get("FACEBENCH_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "facebench"


@dataclass
class Journal:
    """Measured rows of one job, kept on disk until the job is done.

    Attributes:
        folder: where the parts lie.
    """

    folder: Path
    _pending: list[tuple[Sample, Statistics]] = field(default_factory=list)
    _since: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, *identity: str) -> Journal:
        """The journal of the job that `identity` names: revision, predictions, evaluator, settings."""
        key = hashlib.sha256("\0".join(identity).encode()).hexdigest()[:24]
        return cls(cache_root() / "journal" / key)

    def rows(self) -> Mapping[str, Statistics]:
        """Rows that earlier calls left, by sample id; a damaged part is left out and measured again."""
        found: dict[str, Statistics] = {}
        for part in sorted(self.folder.glob("part-*.parquet")):
            try:
                table = read_table(part)
            except DataError:
                continue
            for i, name in enumerate(table.ids):
                found[name] = {column: values[i] for column, values in table.columns.items()}
        return found

    def add(self, sample: Sample, row: Statistics) -> None:
        """Keep the row of `sample`; every few seconds what is pending is written."""
        self._pending.append((sample, row))
        if time.monotonic() - self._since > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what is pending."""
        if self._pending:
            samples, rows = _columns(self._pending)
            write_table(self.folder / f"part-{time.time_ns()}-{os.getpid()}.parquet", collect(samples, rows))
        self._pending, self._since = [], time.monotonic()

    def drop(self) -> None:
        """Forget the job: it is done and its table is written."""
        self._pending = []
        shutil.rmtree(self.folder, ignore_errors=True)


def _columns(pairs: Sequence[tuple[Sample, Statistics]]) -> tuple[list[Sample], list[Statistics]]:
    return [s for s, _ in pairs], [r for _, r in pairs]
