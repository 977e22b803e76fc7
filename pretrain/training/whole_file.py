"""Binary files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from facebench.errors import DataError
from facebench.staging import DISK_FULL


def write_whole(path: Path, write: Callable[[BinaryIO], object], *, kept: str = "") -> None:
    """Let `write` fill a file beside `path`, force it to the disk, and move it into place.

    Args:
        path: where to.
        write: writes everything into the open file.
        kept: what a reader of the error wants to know is still there.

    Raises:
        DataError: the disk is full or cannot be written; what lay at `path` before still does.
    """
    part = path.with_name(f".{path.name}.part")
    full = _Remembering()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            write(full.around(file))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except (OSError, RuntimeError) as cause:  # torch hides the OSError of its writer in a RuntimeError
        part.unlink(missing_ok=True)
        trouble = full.error or (cause if isinstance(cause, OSError) else None)
        if trouble is None:
            raise
        hint = "; free some space and run the same command again" if trouble.errno in DISK_FULL else ""
        raise DataError(
            f"cannot write {path}: {trouble.strerror or trouble}{f'; {kept}' if kept else ''}{hint}"
        ) from cause


class _Remembering:
    """Passes bytes on, and remembers the error that the system gave."""

    def __init__(self) -> None:
        self.error: OSError | None = None
        self._file: BinaryIO | None = None

    def around(self, file: BinaryIO) -> BinaryIO:
        self._file = file
        return self  # type: ignore[return-value]  # the two methods are all that torch and we call

    def write(self, data: bytes) -> int:
        assert self._file is not None
        try:
            return self._file.write(data)
        except OSError as cause:
            self.error = cause
            raise

    def flush(self) -> None:
        assert self._file is not None
        self._file.flush()


def _sync_folder(folder: Path) -> None:
    """Force the new name to the disk, so that a power cut does not bring the old one back."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
