"""Pictures in a tar as img2dataset and webdataset write them: KEY.jpg, KEY.json, KEY.txt, one after the other.

Nothing is unpacked: members are read where they lie, and no name of a member ever becomes the name of a file. Still a
member with an absolute name or `..` in it, a link, a device and a sparse file are refused, each by its name, because
whoever wrote one meant harm or made a mistake; the other members are used. A tar that is cut off or damaged is used up
to there, and named. Compressed tars are not read at all: a few of their bytes may unpack to any number.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from facebench.errors import DataError
from pretrain.prepare.items import Item, Rejected, Span

_DAMAGE = (DataError, tarfile.TarError, OSError, EOFError, ValueError, IndexError, OverflowError, RecursionError)
"""What the library raises over hostile headers, beside its own errors."""


def archive_items(path: Path, name: str, suffixes: frozenset[str]) -> Iterator[Item | Rejected]:
    """Pictures of the tar at `path`, each with the json of its key.

    Args:
        path: of the tar.
        name: what people call it.
        suffixes: of pictures, lower case.
    """
    waiting: _Group | None = None
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                tar.members = []  # type: ignore[attr-defined]  # the library would keep every header it has read
                refused = _refusal(member, name)
                if refused is not None:
                    yield refused
                    continue
                key, suffix = _split(member.name)
                if waiting is None or waiting.key != key or (suffix in suffixes and waiting.picture is not None):
                    yield from waiting.items() if waiting else ()
                    waiting = _Group(key, name)
                waiting.add(member, suffix, Span(path, member.offset_data, member.size), suffixes)
            _check_end(path, tar.offset)
    except _DAMAGE as cause:
        yield from waiting.items() if waiting else ()
        yield Rejected(name, "archive", f"is no whole tar: {str(cause) or type(cause).__name__}")
        return
    yield from waiting.items() if waiting else ()


def _check_end(path: Path, offset: int) -> None:
    """Raise `ReadError` unless a block of zeros ends the tar, where the library takes any trouble for the end."""
    if Span(path, offset, tarfile.BLOCKSIZE).read() != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError(f"no member and no end at byte {offset}")


class _Group:
    """Members of one key on their way to an item."""

    def __init__(self, key: str, name: str) -> None:
        self.key = key
        self.picture: Span | None = None
        self._name = name
        self._member = ""
        self._sidecar: Span | None = None

    def add(self, member: tarfile.TarInfo, suffix: str, span: Span, suffixes: frozenset[str]) -> None:
        if suffix in suffixes:
            self.picture, self._member = span, member.name
        elif suffix == ".json":
            self._sidecar = span

    def items(self) -> Iterator[Item]:
        if self.picture is not None:
            yield Item(f"{self._name}:{self._member}", self.key, self.picture, self._sidecar)


def _refusal(member: tarfile.TarInfo, name: str) -> Rejected | None:
    """Why `member` is refused; None where it is not, or is a plain folder."""
    source, parts = f"{name}:{member.name}", PurePosixPath(member.name.replace("\\", "/")).parts
    if not parts or parts[0] == "/" or ".." in parts or "\0" in member.name or parts[0].endswith(":"):
        return Rejected(source, "unsafe-name", "a name that leads out of the archive")
    if member.isdir():
        return None
    if not member.isreg() or member.issparse():
        what = "link" if member.issym() or member.islnk() else "sparse file" if member.isreg() else "device"
        return Rejected(source, "not-a-file", f"a {what}")
    return None


def _split(name: str) -> tuple[str, str]:
    """Key and suffix of a member, as webdataset splits them: at the first dot of the last part."""
    folder, slash, last = name.removeprefix("./").rpartition("/")
    stem, dot, suffix = last.partition(".")
    return f"{folder}{slash}{stem}", f"{dot}{suffix}".lower()
