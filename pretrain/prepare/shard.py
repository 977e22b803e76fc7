"""One tar of a prepared set on its way to disk, as webdataset reads it: KEY.jpg, KEY.json, KEY.seg.png.

Owner, time and mode of every member are fixed, so the same pictures give the same bytes. The file has another name
until it is closed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import zlib
from pathlib import Path

from pretrain.data.index import Row
from pretrain.prepare.items import Made

_HEADER = 512
"""Bytes of a member's header in the ustar format, when its name is short as ours are."""


class ShardWriter:
    """Writes tar `number` of a set.

    Attributes:
        rows: what the index will say of the pictures so far.
    """

    def __init__(self, folder: Path, number: int, size: int) -> None:
        self.rows: list[Row] = []
        self._number, self._size = number, size
        self._path = folder / f"{number:06d}.tar"
        self._part = folder / f".{number:06d}.tar.part"
        self._file = self._part.open("wb")
        self._tar = tarfile.TarFile(fileobj=self._file, mode="w", format=tarfile.USTAR_FORMAT)

    def add(self, key: str, made: Made) -> None:
        """Write one picture under `key`."""
        seg = made.seg or b""
        points = None if made.points is None else [[round(float(x), 3), round(float(y), 3)] for x, y in made.points]
        about = {"key": key, "source": made.source, "width": self._size, "height": self._size, "landmarks": points}
        text = (json.dumps(about) + "\n").encode()
        offset = self._member(f"{key}.jpg", made.jpeg)
        self._member(f"{key}.json", text)
        seg_offset = self._member(f"{key}.seg.png", seg) if seg else 0
        self.rows.append(
            Row(
                key=key,
                source=made.source,
                shard=self._number,
                offset=offset,
                length=len(made.jpeg),
                seg_offset=seg_offset,
                seg_length=len(seg),
                crc=zlib.crc32(seg, zlib.crc32(made.jpeg)),
                points=None if points is None else tuple(v for point in points for v in point),
                phash=made.phash,
                sha256=hashlib.sha256(made.jpeg + text + seg).hexdigest(),
            )
        )

    def _member(self, name: str, data: bytes) -> int:
        """Write one member; returns where its content begins."""
        member = tarfile.TarInfo(name)
        member.size = len(data)
        member.mode = 0o644
        offset = self._tar.offset + _HEADER
        self._tar.addfile(member, io.BytesIO(data))
        self._tar.members = []  # type: ignore[attr-defined]  # the library would keep every header
        return offset

    def finish(self) -> None:
        """Close the tar and give it its name."""
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self._path)

    def discard(self) -> None:
        """Drop what was written."""
        self._file.close()
        self._part.unlink(missing_ok=True)
