"""Records in: read by schema, held to their invariants, each with the file that it came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from facebench.record import Result, read_results, record_files
from facebench.registry import Registry
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
            check(result, file, official_sizes(result.dataset.name))
            found.setdefault(result.model_dump_json(), Loaded(result, file))
    return tuple(found.values())


@cache
def official_sizes(name: str) -> Mapping[str, int]:
    """Official number of samples of each split and subset of a data set, `test` and `test/pose`.

    Empty for a data set that is not installed here.
    """
    dataset = next((entry.load() for entry in Registry().entries("datasets") if entry.name == name), None)
    if dataset is None:
        return {}
    subsets = {key if "/" in key else f"test/{key}": size for key, size in dataset.subset_sizes.items()}
    return {key: size for key, size in (subsets | dict(dataset.sizes)).items() if size is not None}
