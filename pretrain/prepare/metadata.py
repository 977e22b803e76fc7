"""Metadata that is kept apart from the pictures: a JSON line file of faces, a folder of label maps.

A picture is looked up by its key, its place below the source without suffix, and then by the last part of that. One
record that fits two pictures is an error: a wrong face would be worse than none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from facebench.errors import DataError
from pretrain.prepare.items import Item, Rejected, Span


class FacesFile:
    """Records of a `--faces` file by key, one JSON object a line: {"key": ..., "faces": [...]}."""

    def __init__(self, path: Path) -> None:
        """Read the keys. Raises `DataError` where a line is none, or a key stands there twice."""
        self._path = path
        self._spans: dict[str, Span] = {}
        try:
            with path.open("rb") as file:
                self._read(file)
        except OSError as cause:
            raise DataError(f"faces file {path} cannot be read: {cause.strerror or cause}") from cause
        if not self._spans:
            raise DataError(f"faces file {path} has no line")

    def _read(self, lines: Iterator[bytes]) -> None:
        offset = 0
        for number, line in enumerate(lines, start=1):
            if line.strip():
                key = _key_of(line)
                if key is None:
                    raise DataError(f'{self._path}, line {number}: not an object with a "key"')
                if key in self._spans:
                    raise DataError(f"{self._path}, line {number}: the key {key!r} stands there twice")
                self._spans[key] = Span(self._path, offset, len(line))
            offset += len(line)

    def find(self, key: str) -> Span | None:
        """The record named `key`."""
        return self._spans.get(key)

    def __str__(self) -> str:
        return str(self._path)


def _key_of(line: bytes) -> str | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    key = record.get("key") if isinstance(record, dict) else None
    return str(key) if isinstance(key, str | int) else None


class ParsingFolder:
    """Label maps KEY.png below a folder."""

    def __init__(self, folder: Path) -> None:
        """Raise `DataError` where there is no such folder."""
        if not folder.is_dir():
            raise DataError(f"folder of label maps {folder} does not exist")
        self._folder = folder

    def find(self, key: str) -> Span | None:
        """The label map named `key`."""
        path = self._folder / f"{key}.png"
        return Span(path) if path.is_file() else None

    def __str__(self) -> str:
        return str(self._folder)


def with_metadata(
    items: Iterator[Item | Rejected], faces: FacesFile | None, parsing: ParsingFolder | None
) -> Iterator[Item | Rejected]:
    """`items` with what is known of them elsewhere. Raises `DataError` where one record fits two pictures."""
    taken: dict[Span, str] = {}
    for item in items:
        if isinstance(item, Item):
            item = replace(item, faces=_taken(item, faces, taken), parsing=_taken(item, parsing, taken))
        yield item


def _taken(item: Item, store: FacesFile | ParsingFolder | None, taken: dict[Span, str]) -> Span | None:
    if store is None:
        return None
    span = store.find(item.key) or store.find(item.key.rpartition("/")[2])
    if span is not None and taken.setdefault(span, item.source) != item.source:
        raise DataError(
            f"{store}: one record fits {taken[span]} and {item.source}; name records by the whole place below the "
            f"source, such as {item.key!r}"
        )
    return span
