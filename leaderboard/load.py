"""Records in: read by schema, held to their invariants, each with the file that it came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from facebench.record import Result, read_results, record_files
from leaderboard.invariants import check


@dataclass(frozen=True)
class Loaded:
    """A record and the file that holds it."""

    result: Result
    file: Path

    @property
    def samples(self) -> Path | None:
        """The per-sample table, where it lies beside the record; a path that leads elsewhere is not followed."""
        about = self.result.samples
        if about is None or Path(about.path).name != about.path:
            return None
        path = self.file.parent / about.path
        return path if path.is_file() else None


def load(paths: Iterable[Path]) -> tuple[Loaded, ...]:
    """Every record of the files and folders `paths`, each once. Raises `DataError` with the file and the reason."""
    found: dict[str, Loaded] = {}
    for file in (file for path in paths for file in record_files(path)):
        for result in read_results(file):
            check(result, file)
            found.setdefault(result.model_dump_json(), Loaded(result, file))
    return tuple(found.values())
