"""What a preparation goes through: pictures where they lie, and what was left out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facebench.errors import DataError
from facebench.shapes import FloatArray

Reason = Literal[
    "unreadable", "unsafe-name", "not-a-file", "archive", "sidecar", "no-face", "low-score", "small", "landmarks",
    "parsing", "duplicate", "leak",
]  # fmt: skip
"""Why something was left out; docs/pretraining-data.md says what each means."""

MAX_BYTES = 64 * 2**20
"""Longest picture file that is read, 64 MiB; longer ones are no photographs of the web."""


@dataclass(frozen=True)
class Span:
    """Bytes of a file, read when they are asked for, by any thread.

    Attributes:
        path: of the file.
        offset: of the first byte.
        length: how many; None for all to the end.
    """

    path: Path
    offset: int = 0
    length: int | None = None

    def read(self) -> bytes:
        """The bytes. Raises `DataError`."""
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                length = os.fstat(handle).st_size - self.offset if self.length is None else self.length
                if length > MAX_BYTES:
                    raise DataError(f"{length} bytes are more than the {MAX_BYTES} that a picture may have")
                data = os.pread(handle, length, self.offset)
            finally:
                os.close(handle)
        except OSError as cause:
            raise DataError(f"cannot be read: {cause.strerror or cause}") from cause
        if len(data) != length:
            raise DataError("is cut off")
        return data


@dataclass(frozen=True)
class Item:
    """A picture in a source.

    Attributes:
        source: its name for people, without the way to the source: `faces/00000/000000012.jpg`.
        key: what metadata may call it: its place below the source without suffix, `00000/000000012`.
        picture: the file.
        sidecar: the json beside it; None where there is none.
        faces: its record in the file of `--faces`; None where there is none.
        parsing: its label map; None where there is none.
    """

    source: str
    key: str
    picture: Span
    sidecar: Span | None = None
    faces: Span | None = None
    parsing: Span | None = None


@dataclass(frozen=True)
class Rejected:
    """Something that was left out.

    Attributes:
        source: its name for people.
        reason: of a fixed list.
        detail: what exactly, in words.
    """

    source: str
    reason: Reason
    detail: str


@dataclass(frozen=True, eq=False)
class Made:
    """A crop, ready to be stored.

    Attributes:
        source: name of the picture it was made of.
        jpeg: the crop.
        points: (5, 2) or (68, 2), pixels of the crop; None where the face has none.
        seg: PNG of LaPa's classes; None where there is no label map.
        phash: perceptual hash of the crop.
        whole_phash: perceptual hash of the whole picture, where leaks are looked for.
    """

    source: str
    jpeg: bytes
    points: FloatArray | None
    seg: bytes | None
    phash: int
    whole_phash: int | None
