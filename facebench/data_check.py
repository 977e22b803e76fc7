"""Whether a data set on disk is the published one: its sizes, its ids, its pictures and its annotations.

Every split is loaded and counted against the official number, subsets included. Ids must be unique, also between train,
val and test. Every picture must be there; with `images` each is opened, and those with the same bytes are named. A
fault makes the report not ok; a note (equal pictures, which some official sets have) and an absent split that has no
official number do not.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeAlias

from facebench.errors import DataError
from facebench.images import read_image
from facebench.types import Dataset, LabelMap, Sample, ScanFiles

Status: TypeAlias = Literal["ok", "note", "absent", "missing", "extra", "doubled", "damaged", "broken"]

HARMLESS: frozenset[Status] = frozenset({"ok", "note", "absent"})

UNVERIFIED: Mapping[str, frozenset[str]] = {
    "lapa": frozenset({"train", "val", "test"}),
    "300w": frozenset({"trainval"}),
    "cofw": frozenset({"trainval"}),
}
"""Splits whose official number is repeated in the literature but stands in no official code that was read."""

_APART = ("train", "val", "test")
_SHOWN = 3


@dataclass(frozen=True)
class Row:
    """One thing that was counted.

    Attributes:
        split: which part of the set: `test`, `test/frontal`, or `all`.
        what: what was counted: samples, pictures, annotations or ids.
        expected: how many there should be; None where no official number exists.
        found: how many there are, whole.
        status: the verdict; see `HARMLESS` for those that are no fault.
        detail: what is wrong, with the first few names; empty where nothing is.
    """

    split: str
    what: str
    expected: int | None
    found: int
    status: Status
    detail: str = ""


@dataclass(frozen=True)
class Report:
    """What was found out about one data set."""

    dataset: str
    rows: tuple[Row, ...]

    @property
    def faults(self) -> tuple[Row, ...]:
        """The rows that say the set is not as published."""
        return tuple(row for row in self.rows if row.status not in HARMLESS)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


def verify(dataset: Dataset, root: Path, *, images: bool, deep: bool | None = None) -> Report:
    """Count `dataset` below `root` against its official sizes. Raises `DataError` only where there is no root.

    Args:
        dataset: what to check.
        root: the data root, or the folder of the set.
        images: open every picture; without it they must only be there.
        deep: read every label map and scan; None means as `images`.
    """
    folder = dataset.locate(root)
    loaded: dict[str, Sequence[Sample]] = {}
    rows: list[Row] = []
    picture = lru_cache(maxsize=None)(_picture_fault if images else _absence)
    for split in dataset.sizes:
        try:
            samples = dataset.load(folder, split)
        except DataError as cause:
            rows.append(_unloaded(dataset, split, str(cause)))
            continue
        loaded[split] = samples
        rows.append(_count(dataset, split, samples))
        rows.extend(_subset_counts(dataset, split, samples))
        rows.extend(_doubled_ids(split, samples))
        if not samples:
            continue
        rows.append(_pictures(split, {p: picture(p) for p in _unique(s.image for s in samples)}))
        if images if deep is None else deep:
            rows.extend(_annotations(split, samples))
    rows.extend(_shared_ids(loaded))
    if images:
        rows.extend(_equal_pictures(s.image for samples in loaded.values() for s in samples))
    return Report(dataset.name, tuple(rows))


def _unloaded(dataset: Dataset, split: str, reason: str) -> Row:
    """A split that no one publishes a size for may be absent, unless it is the one that scores are made on."""
    expected = dataset.sizes[split]
    optional = expected is None and split != dataset.default_split
    return Row(split, "samples", expected, 0, "absent" if optional else "broken", reason)


def _count(dataset: Dataset, split: str, samples: Sequence[Sample]) -> Row:
    expected, found = dataset.sizes[split], len(samples)
    if not found and split == dataset.default_split:
        return Row(split, "samples", expected, 0, "missing", "not one sample")
    doubt = "the official number is unverified" if split in UNVERIFIED.get(dataset.name, ()) else ""
    status, detail = _compared(expected, found)
    return Row(split, "samples", expected, found, status, "; ".join(filter(None, (detail, doubt))))


def _subset_counts(dataset: Dataset, split: str, samples: Sequence[Sample]) -> Iterable[Row]:
    for key, expected in dataset.subset_sizes.items():
        part, _, subset = key.rpartition("/")
        if (part or "test") == split:
            found = sum(subset in s.subsets for s in samples)
            status, detail = _compared(expected, found)
            yield Row(f"{split}/{subset}", "samples", expected, found, status, detail)


def _compared(expected: int | None, found: int) -> tuple[Status, str]:
    if expected is None:
        return "ok", "no official number"
    if found == expected:
        return "ok", ""
    if found < expected:
        return "missing", f"{expected - found} fewer than the official {expected}"
    return "extra", f"{found - expected} more than the official {expected}"


def _doubled_ids(split: str, samples: Sequence[Sample]) -> Iterable[Row]:
    counts = Counter(s.id for s in samples)
    doubled = [name for name, times in counts.items() if times > 1]
    if doubled:
        yield Row(split, "ids", len(samples), len(counts), "doubled", _listed("doubled", doubled))


def _shared_ids(loaded: Mapping[str, Sequence[Sample]]) -> Iterable[Row]:
    """Ids that train, val and test share; unions such as `trainval` share theirs by design."""
    apart = [{s.id for s in loaded[split]} for split in _APART if split in loaded]
    counts = Counter(name for names in apart for name in names)
    shared = sorted(name for name, times in counts.items() if times > 1)
    if shared:
        total = sum(map(len, apart))
        yield Row("all", "ids", total, len(counts), "doubled", _listed("in more than one split", shared))


def _pictures(split: str, faults: Mapping[Path, str | None]) -> Row:
    """One row for the pictures of a split: there and, where they were opened, whole."""
    bad = {path: fault for path, fault in faults.items() if fault is not None}
    whole = len(faults) - len(bad)
    if not bad:
        return Row(split, "pictures", len(faults), whole, "ok")
    absent = [path for path in bad if not _file(path).is_file()]
    if len(absent) == len(bad):
        return Row(split, "pictures", len(faults), whole, "missing", _listed("not there", map(str, absent)))
    reasons = [fault for path, fault in bad.items() if path not in set(absent)]
    detail = _listed("damaged", reasons) + (f"; {_listed('not there', map(str, absent))}" if absent else "")
    return Row(split, "pictures", len(faults), whole, "damaged", detail)


def _annotations(split: str, samples: Sequence[Sample]) -> Iterable[Row]:
    """Label maps and scans, read one by one; landmarks were read by loading, and NoW's private scans have no files."""
    lazy = {id(s.target): s.target for s in samples if isinstance(s.target, LabelMap | ScanFiles) and s.target.files}
    if not lazy:
        return
    faults = [fault for target in lazy.values() if (fault := _annotation_fault(target)) is not None]
    status: Status = "damaged" if faults else "ok"
    yield Row(split, "annotations", len(lazy), len(lazy) - len(faults), status, _listed("damaged", faults))


def _annotation_fault(target: LabelMap | ScanFiles) -> str | None:
    try:
        target.read()
    except DataError as cause:
        return str(cause)
    return None


def _equal_pictures(paths: Iterable[Path]) -> Iterable[Row]:
    """Pictures with the same bytes under two names: a face seen in training may come back in test."""
    sizes: dict[int, list[Path]] = {}
    for path in _unique(paths):
        if path.is_file():
            sizes.setdefault(path.stat().st_size, []).append(path)
    first: dict[bytes, Path] = {}
    pairs: list[str] = []
    for path in (p for group in sizes.values() if len(group) > 1 for p in group):
        known = first.setdefault(hashlib.sha256(path.read_bytes()).digest(), path)
        if known is not path:
            pairs.append(f"{known} = {path}")
    if pairs:
        total = sum(map(len, sizes.values()))
        yield Row("all", "pictures", total, total - len(pairs), "note", _listed("equal to another", pairs))


def _picture_fault(path: Path) -> str | None:
    try:
        read_image(path)
    except DataError as cause:
        return str(cause)
    return None


def _absence(path: Path) -> str | None:
    return None if _file(path).is_file() else f"picture {path} does not exist"


def _file(path: Path) -> Path:
    """The file that holds a picture: the path itself, or the .mat file before the `#`."""
    return path.with_name(path.name.rpartition("#")[0]) if ".mat#" in path.name else path


def _unique(paths: Iterable[Path]) -> list[Path]:
    return list(dict.fromkeys(paths))


def _listed(what: str, names: Iterable[str]) -> str:
    """`5 damaged: a, b, c, ...`; nothing for nothing."""
    names = list(names)
    more = ", ..." if len(names) > _SHOWN else ""
    return f"{len(names)} {what}: {', '.join(names[:_SHOWN])}{more}" if names else ""
