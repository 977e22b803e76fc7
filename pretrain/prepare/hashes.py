"""Perceptual hashes: pictures that look alike, whatever their size and compression.

pHash (imagehash): 64 bits, which of the lowest 8 x 8 frequencies of a 32 x 32 grey picture lie above their median; half
of them do, so two hashes differ in an even number of bits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facebench.errors import DataError
from facebench.images import read_image
from facebench.ordered import in_order
from facebench.shapes import AnyArray, ByteArray
from pretrain.data.manifest import LeakCheck


def phash(image: ByteArray) -> int:
    """Perceptual hash of `image` (H, W, 3), 64 bits."""
    import imagehash
    from PIL import Image

    bits = imagehash.phash(Image.fromarray(image)).hash
    return int.from_bytes(np.packbits(bits.reshape(-1)).tobytes(), "big")


@dataclass(frozen=True)
class Near:
    """An evaluation picture that looks like another.

    Attributes:
        name: of its file.
        distance: bits that differ, of 64.
    """

    name: str
    distance: int


class Evaluation:
    """Hashes of the pictures that will be evaluated on.

    Attributes:
        check: counts for the manifest.
        unreadable: pictures that could not be read, with the reason.
    """

    def __init__(self, pictures: Iterable[Path], *, distance: int, workers: int) -> None:
        """Hash `pictures`."""
        names: list[str] = []
        hashes: list[int] = []
        unreadable: list[str] = []
        for path, made in in_order(_hashed, pictures, workers=workers):
            if isinstance(made, int):
                names.append(path.name)
                hashes.append(made)
            else:
                unreadable.append(f"{path}: {made}")
        self.unreadable = tuple(unreadable)
        self.check = LeakCheck(pictures=len(names), unreadable=len(unreadable), distance=distance)
        self._names = names
        self._hashes: AnyArray = np.array(hashes, dtype=np.uint64)

    def nearest(self, value: int) -> Near | None:
        """The evaluation picture whose hash is nearest to `value`, where it is near enough to be the same."""
        if not self._names:
            return None
        distances = np.bitwise_count(self._hashes ^ np.uint64(value))
        at = int(distances.argmin())
        return Near(self._names[at], int(distances[at])) if distances[at] <= self.check.distance else None


def _hashed(path: Path) -> tuple[Path, Any]:
    try:
        return path, phash(read_image(path))
    except DataError as cause:
        return path, str(cause)
