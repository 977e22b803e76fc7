"""A prepared set, opened: any picture by its number, in one read, or a clear reason why not.

    SHARDS/000000.tar ...    KEY.jpg, KEY.json and, where there is a label map, KEY.seg.png: what webdataset reads
    SHARDS/index.parquet     where each picture lies (`pretrain.data.index`)
    SHARDS/manifest.json     what there must be (`pretrain.data.manifest`)
    SHARDS/rejected.jsonl    what was left out, and why

Opening compares manifest, index and the lengths of the tars; every read compares a checksum; `verify` reads all.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from facebench.errors import DataError
from facebench.shapes import FloatArray
from pretrain.data.index import FILE as INDEX_FILE
from pretrain.data.index import Index, read_index
from pretrain.data.manifest import Manifest, ShardEntry, read_manifest

_OPEN_FILES = 64
"""Tars that a process keeps open; a large set has more of them than a process may have files."""


@dataclass(frozen=True, eq=False)
class Stored:
    """A picture as it lies in a shard.

    Attributes:
        key: its name.
        jpeg: the crop.
        points: (5, 2) or (68, 2), pixels of the crop; None where it has none.
        seg: PNG of LaPa's classes, of the size of the crop; None where it has none.
    """

    key: str
    jpeg: bytes
    points: FloatArray | None
    seg: bytes | None


@dataclass(eq=False)
class Shards:
    """The set in `folder`, random access; safe to hand to another process.

    Attributes:
        folder: where it lies.
        manifest: what it must hold.
        index: where each picture lies.
    """

    folder: Path
    manifest: Manifest
    index: Index
    _files: OrderedDict[int, int] = field(default_factory=OrderedDict, repr=False)

    @classmethod
    def open(cls, folder: Path) -> Shards:
        """Open the set in `folder`. Raises `DataError` naming the file that is missing or not as it should be."""
        manifest = read_manifest(folder)
        for shard in manifest.shards:
            _check_length(folder / shard.name, shard)
        path = folder / INDEX_FILE
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as cause:
            raise DataError(f"{path} cannot be read: {cause.strerror or cause}; copy it again") from cause
        if found != manifest.index_sha256:
            raise DataError(f"{path} is not the index of this set (its sha256 differs); copy it again, or prepare anew")
        shards = cls(folder, manifest, read_index(path))
        shards._check_index()
        return shards

    def __len__(self) -> int:
        return self.manifest.pictures

    @property
    def sizes(self) -> tuple[int, ...]:
        """Pictures of each shard, in order; their numbers follow one another."""
        return tuple(shard.pictures for shard in self.manifest.shards)

    def key(self, number: int) -> str:
        """Name of picture `number`."""
        return str(self.index.keys[number].as_py())

    def where(self, number: int) -> str:
        """Shard and name of picture `number`, for people."""
        shard = self.manifest.shards[int(self.index.shard[number])]
        return f"{self.folder / shard.name}: picture {self.key(number)}"

    def read(self, number: int) -> Stored:
        """Picture `number`. Raises `DataError` where it cannot be read or is not what was written."""
        index = self.index
        jpeg = self._bytes(number, int(index.offset[number]), int(index.length[number]))
        seg = self._bytes(number, int(index.seg_offset[number]), int(index.seg_length[number]))
        if zlib.crc32(seg, zlib.crc32(jpeg)) != int(index.crc[number]):
            raise DataError(f"{self.where(number)} is damaged: its checksum differs; copy the shard again")
        return Stored(self.key(number), jpeg, index.points(number), seg or None)

    def verify(self) -> None:
        """Read every tar and compare its sha256. Raises `DataError` at the first that differs."""
        for shard in self.manifest.shards:
            path = self.folder / shard.name
            try:
                with path.open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as cause:
                raise _unreadable(path, cause) from cause
            if found != shard.sha256:
                raise DataError(f"{path} is damaged: its sha256 is not that of the manifest; copy it again")

    def __getstate__(self) -> dict[str, object]:
        return {"folder": self.folder, "manifest": self.manifest, "index": self.index, "_files": OrderedDict()}

    def _check_index(self) -> None:
        index, path = self.index, self.folder / INDEX_FILE
        if len(index.keys) != len(self):
            raise DataError(f"{path} has {len(index.keys)} rows for {len(self)} pictures; prepare anew")
        if not np.array_equal(index.shard, np.repeat(np.arange(len(self.sizes)), self.sizes)):
            raise DataError(f"{path} and manifest.json count the pictures of the shards differently; prepare anew")
        ends = np.maximum(index.offset + index.length, index.seg_offset + index.seg_length)
        lengths = np.array([shard.bytes for shard in self.manifest.shards])[index.shard]
        if (index.offset < 0).any() or (index.length < 1).any() or (ends > lengths).any():
            raise DataError(f"{path} points outside of the shards; prepare anew")

    def _bytes(self, number: int, offset: int, length: int) -> bytes:
        if not length:
            return b""
        shard = int(self.index.shard[number])
        try:
            data = os.pread(self._file(shard), length, offset)
        except OSError as cause:
            raise _unreadable(self.folder / self.manifest.shards[shard].name, cause) from cause
        if len(data) != length:
            raise DataError(f"{self.where(number)} is cut off; copy the shard again")
        return data

    def _file(self, shard: int) -> int:
        if shard in self._files:
            self._files.move_to_end(shard)
        else:
            self._files[shard] = os.open(self.folder / self.manifest.shards[shard].name, os.O_RDONLY | os.O_CLOEXEC)
            if len(self._files) > _OPEN_FILES:
                os.close(self._files.popitem(last=False)[1])
        return self._files[shard]

    def close(self) -> None:
        """Close the tars that are open."""
        while self._files:
            os.close(self._files.popitem()[1])

    def __del__(self) -> None:
        self.close()


def _check_length(path: Path, shard: ShardEntry) -> None:
    try:
        found = path.stat().st_size
    except OSError as cause:
        raise _unreadable(path, cause) from cause
    if found != shard.bytes:
        what = "is empty" if not found else f"has {found} bytes"
        raise DataError(f"{path} {what}, its manifest says {shard.bytes}; copy it again, or prepare anew")


def _unreadable(path: Path, cause: OSError) -> DataError:
    what = "does not exist" if isinstance(cause, FileNotFoundError) else f"cannot be read: {cause.strerror or cause}"
    return DataError(f"shard {path} {what}; copy it again, or prepare anew")
