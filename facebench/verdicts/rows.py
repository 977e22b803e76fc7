"""The rows that a verdict is about: records with their per-sample statistics, of a file, a folder or a pinned archive.

A path may end in `#NAME`: of several subjects in a folder, the one whose name holds NAME. Floors are left out.
"""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facebench.errors import DataError, UsageError
from facebench.record import Result, parse_signature, read_results, write_results
from facebench.sample_table import SampleTable, read_table

PINNED = ".pinned.zip"
"""How the name of a pinned baseline ends."""


@dataclass(frozen=True, eq=False)
class Row:
    """One record and its per-sample statistics.

    Attributes:
        source: what the user named.
        folder: where the files of the record lie.
        result: the record.
        table: its statistics, whose hash is the one in the record.
    """

    source: str
    folder: Path
    result: Result
    table: SampleTable

    @property
    def contest(self) -> tuple[str, str, str]:
        """What it may be compared on: data set, split, protocol."""
        return (self.result.dataset.name, self.result.dataset.split, self.result.protocol)


def read_rows(source: str) -> tuple[Row, ...]:
    """Rows of one subject: of a record, of a folder of them, or of a pinned archive.

    Raises:
        DataError: nothing there, or statistics that are missing or not those of the record.
        UsageError: several subjects, and none is chosen with `#NAME`.
    """
    named, mark, wanted = source.partition("#")
    path = Path(named).expanduser()
    if not path.exists():
        raise DataError(f"{path} does not exist; name a record, a folder of runs, or a pinned baseline")
    if path.name.endswith(PINNED):
        path = _unpacked(path)
    found = [(file.parent, result) for file in _files(path) for result in read_results(file)]
    judged = [(folder, result) for folder, result in found if not _is_floor(result)]
    if not judged:
        raise DataError(f"{named} holds no result of a backbone or of predictions")
    subjects = sorted({result.subject for _, result in judged})
    chosen = [name for name in subjects if name == wanted] or [name for name in subjects if wanted in name]
    if len(chosen) != 1:
        which = f"none of them holds {wanted!r}" if mark and not chosen else "choose one"
        raise UsageError(f"{named} holds {', '.join(subjects)}; {which}: {named}#NAME")
    rows = [(folder, result) for folder, result in judged if result.subject == chosen[0]]
    return tuple(Row(source, folder, result, _table(folder, result)) for folder, result in rows)


def _files(path: Path) -> Sequence[Path]:
    if path.is_file():
        return [path]
    files = sorted(path.rglob("result.json"))
    if not files:
        raise DataError(f"{path} holds no result.json; `facebench run -o {path}` writes them")
    return files


def _is_floor(result: Result) -> bool:
    return result.backbone is None and result.predictions is None


def _table(folder: Path, result: Result) -> SampleTable:
    """The statistics beside a record, if they are the ones it was reduced from."""
    if result.samples is None:
        raise DataError(
            f"the record of {result.subject} on {result.dataset.name} in {folder} has no per-sample statistics; "
            "make it again with -o"
        )
    path = folder / result.samples.path
    try:
        content = path.read_bytes()
    except OSError as cause:
        raise DataError(f"cannot read {path}, the per-sample statistics: {cause.strerror or cause}") from cause
    if hashlib.sha256(content).hexdigest() != result.samples.sha256:
        raise DataError(f"{path} is not the file that its record names: its sha256 differs; make the result again")
    return read_table(path)


def _unpacked(path: Path) -> Path:
    """A pinned archive in a folder of its own, which lives as long as the process."""
    folder = tempfile.TemporaryDirectory(prefix="facebench-pinned-")
    _KEPT.append(folder)
    try:
        with zipfile.ZipFile(path) as archive:
            if broken := archive.testzip():
                raise DataError(f"{path} is damaged: the checksum of {broken} does not hold")
            archive.extractall(folder.name)  # zipfile keeps every member below the folder
    except (OSError, zipfile.BadZipFile) as cause:
        raise DataError(f"{path} is no pinned baseline: {cause}") from cause
    return Path(folder.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def pin(rows: Sequence[Row], path: Path) -> None:
    """Write records and statistics of `rows` into one archive that a repository can hold. Raises `DataError`.

    The same rows give the same bytes.
    """
    with tempfile.TemporaryDirectory() as scratch:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.part")
            with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
                for i, row in enumerate(sorted(rows, key=lambda row: (row.contest, row.result.seeds))):
                    assert row.result.samples is not None
                    record = Path(scratch) / "result.json"
                    write_results(record, [row.result])
                    for file in (record, row.folder / row.result.samples.path):
                        entry = zipfile.ZipInfo(f"{i:03}-{row.contest[0]}/{file.name}", (1980, 1, 1, 0, 0, 0))
                        entry.compress_type = zipfile.ZIP_DEFLATED
                        archive.writestr(entry, file.read_bytes())
            part.replace(path)
        except OSError as cause:
            raise DataError(f"cannot write {path}: {cause.strerror or cause}") from cause


def signature_differences(base: Result, candidate: Result) -> tuple[str, ...]:
    """Fields of the signature in which two results differ: `data: 3fa9c1 against 77aa01`."""
    one, two = parse_signature(base.signature), parse_signature(candidate.signature)
    names = sorted({*one, *two})
    return tuple(
        f"{name}: {one.get(name, 'none')} against {two.get(name, 'none')}"
        for name in names
        if one.get(name) != two.get(name)
    )
