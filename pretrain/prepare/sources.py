"""The pictures of folders and archives, in a fixed order, nothing opened yet.

A folder is walked in the order of its names; a `.json` of the same name beside a picture is its sidecar, a `.tar` in it
is an archive. Hidden files and folders are passed by.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from facebench.errors import DataError, UsageError
from pretrain.prepare.archive import archive_items
from pretrain.prepare.items import Item, Rejected, Span

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff"})
"""Suffixes of pictures; those that cannot be read (`facebench.images`) are refused by name, not passed over."""


def named_sources(paths: Sequence[Path]) -> dict[str, Path]:
    """Each source by a short name: the last parts of its path, as many as tell all apart.

    Raises:
        UsageError: none is given, or one twice.
        DataError: one does not exist, or is neither a folder nor a tar.
    """
    if not paths:
        raise UsageError("no source: name folders of pictures or webdataset tars")
    whole = [path.resolve() for path in paths]
    for path, given in zip(whole, paths, strict=True):
        if whole.count(path) > 1:
            raise UsageError(f"source {given} is named twice")
        if not path.exists():
            raise DataError(f"source {given} does not exist")
        if not path.is_dir() and path.suffix.lower() != ".tar":
            raise DataError(
                f"source {given} is neither a folder nor a .tar; a compressed archive must be unpacked first"
            )
    for depth in range(1, max(len(path.parts) for path in whole) + 1):
        names = ["/".join(path.parts[-depth:]) for path in whole]
        if len(set(names)) == len(names):
            break
    return dict(zip(names, whole, strict=True))


def source_items(sources: dict[str, Path]) -> Iterator[Item | Rejected]:
    """Everything in the sources, one after the other."""
    for name, path in sources.items():
        if path.is_dir():
            yield from _folder_items(path, name)
        else:
            yield from archive_items(path, name, PICTURES)


def count_pictures(sources: dict[str, Path]) -> int | None:
    """Pictures in the sources; None where there are archives, which must be read to count them."""
    total = 0
    for path in sources.values():
        if not path.is_dir():
            return None
        for file in _files(path):
            if file.suffix.lower() == ".tar":
                return None
            total += file.suffix.lower() in PICTURES
    return total


def picture_files(folder: Path) -> Iterator[Path]:
    """Pictures below `folder`, names in order."""
    return (file for file in _files(folder) if file.suffix.lower() in PICTURES)


def _folder_items(folder: Path, name: str) -> Iterator[Item | Rejected]:
    for file in _files(folder):
        place = file.relative_to(folder)
        if file.suffix.lower() == ".tar":
            yield from archive_items(file, f"{name}/{place.as_posix()}", PICTURES)
        elif file.suffix.lower() in PICTURES:
            sidecar = file.with_suffix(".json")
            yield Item(
                source=f"{name}/{place.as_posix()}",
                key=place.with_suffix("").as_posix(),
                picture=Span(file),
                sidecar=Span(sidecar) if sidecar.is_file() else None,
            )


def _files(folder: Path) -> Iterator[Path]:
    """Files below `folder`, names in order; links to folders are followed, a circle of them only once."""
    seen: set[tuple[int, int]] = set()
    for place, folders, files in os.walk(folder, followlinks=True, onerror=_refuse):
        status = Path(place).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield Path(place) / name


def _refuse(error: OSError) -> None:
    raise DataError(f"source {error.filename} cannot be read: {error.strerror or error}") from error
