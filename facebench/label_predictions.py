"""Predicted label maps in a folder, one `<id>.png` a sample, and ids that stay inside their folder.

A map holds class ids at the size that the *truth* is stored in. An id with `/` lies in subfolders. The class order of
the files is the data set's own unless another is named; it is never guessed from the values.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from facebench.errors import DataError, UsageError
from facebench.images import read_label_map
from facebench.schemes import LabelScheme
from facebench.shapes import AnyArray, ByteArray
from facebench.types import Sample


@dataclass(frozen=True, eq=False)
class LabelFolder:
    """A folder of label maps.

    Attributes:
        path: the folder.
        scheme: the classes that the truth is written in.
        order: the classes that the files are written in: the same names in any order.
    """

    path: Path
    scheme: LabelScheme
    order: LabelScheme

    def __post_init__(self) -> None:
        if not self.path.is_dir():
            raise DataError(f"{self.path} is not a folder; label maps are predicted as a folder of <id>.png")
        if sorted(self.order.classes) != sorted(self.scheme.classes):
            raise UsageError(f"label order {self.order.name!r} has other classes than {self.scheme.name!r}")

    def ids(self) -> Sequence[str]:
        """Every id there is a file for, sorted; `a.png` beside `a.PNG` is `a` twice."""
        return [name for name, _ in self._files]

    def read(self, sample: Sample) -> ByteArray:
        """Label map of `sample`, (H, W) uint8 in the classes of the truth. Raises `DataError` if unusable."""
        path = file_of(self.path, sample.id, ".png")
        if not path.is_file():
            raise DataError(f"{self.path} holds no prediction for {sample.id}: {path.name} does not exist")
        labels = read_label_map(path, self.order.size)
        return labels if self.order is self.scheme else self._to_truth[labels]

    def digest(self) -> str:
        """Hash over the order of classes and the names and contents of all files (sha256, hex)."""
        total = hashlib.sha256(self.order.name.encode())
        for name, path in self._files:
            total.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
        return total.hexdigest()

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids())

    @cached_property
    def _files(self) -> Sequence[tuple[str, Path]]:
        found = (p for p in self.path.rglob("*") if p.suffix.lower() == ".png" and p.is_file())
        return sorted((p.relative_to(self.path).with_suffix("").as_posix(), p) for p in found)

    @cached_property
    def _to_truth(self) -> ByteArray:
        return np.array([self.scheme.classes.index(name) for name in self.order.classes], dtype=np.uint8)


def write_label_map(folder: Path, sample_id: str, labels: AnyArray) -> Path:
    """Write `labels` (H, W) as `<sample_id>.png` below `folder` and return its path. Raises `DataError`."""
    from PIL import Image

    path = file_of(folder, sample_id, ".png")
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.size == 0 or labels.min() < 0 or labels.max() > 255:
        raise DataError(f"cannot write {path}: a label map is (H, W) with ids 0..255, this is {labels.shape}")
    buffer = io.BytesIO()
    Image.fromarray(labels.astype(np.uint8)).save(buffer, format="PNG")
    write_bytes(path, buffer.getvalue())
    return path


def file_of(folder: Path, sample_id: str, suffix: str) -> Path:
    """The file of `sample_id` below `folder`. Raises `DataError` for an id that would leave it."""
    parts = PurePosixPath(sample_id).parts
    if not parts or ".." in parts or parts[0] == "/" or any(c in sample_id for c in "\\\0:"):
        raise DataError(f"id {sample_id!r} is refused: it does not name a file below {folder}")
    return folder.joinpath(*parts[:-1], parts[-1] + suffix)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` so that a reader sees the old file or the new one, never half. Raises `DataError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.name[:40]}.", delete=False) as file:
            file.write(data)
        Path(file.name).replace(path)
    except OSError as cause:
        raise DataError(f"cannot write {path}: {cause.strerror or cause}") from cause
