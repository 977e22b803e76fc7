"""How many bits of a perceptual hash differ between copies of a picture, and between different pictures.

    python benchmarks/copies.py            # 1,000 drawn faces, 256 px; the numbers of docs/pretraining-data.md

What `facebench pretrain prepare` calls a copy (no bit differs) and a leak (`LEAK_DISTANCE`) follows from this.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from facebench.images import read_image
from facebench.shapes import AnyArray, ByteArray
from facebench.synth.write import write_faces
from pretrain.prepare.hashes import phash

BITS = (0, 2, 4, 6, 8)


def jpeg(image: ByteArray, quality: int) -> ByteArray:
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), dtype=np.uint8)


def scaled(image: ByteArray, factor: float, how: int) -> ByteArray:
    return np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=how), dtype=np.uint8)


COPIES: dict[str, Callable[[ByteArray], ByteArray]] = {
    "JPEG 75": lambda image: jpeg(image, 75),
    "JPEG 30": lambda image: jpeg(image, 30),
    "half as large": lambda image: scaled(image, 0.5, cv2.INTER_AREA),
    "a quarter, JPEG 80": lambda image: jpeg(scaled(image, 0.25, cv2.INTER_LINEAR), 80),
    "twice as large, JPEG 60": lambda image: jpeg(scaled(image, 2, cv2.INTER_CUBIC), 60),
    "a tenth brighter": lambda image: np.clip(image * 1.1, 0, 255).astype(np.uint8),
}


def line(name: str, distances: AnyArray, form: Callable[[AnyArray], str]) -> None:
    cells = "".join(f"{form(distances <= bits):>9}" for bits in BITS)
    print(f"{name:<32}{cells}{distances.max():>9}" if len(distances) < 10_000 else f"{name:<32}{cells}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("-n", type=int, default=1000, help="drawn faces")
    options.add_argument("--copies", type=int, default=300, help="how many of them are copied")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        drawn = write_faces(Path(folder), chosen.n, size=256, supersample=1, seed=5)
        images = [read_image(path) for path in sorted(drawn.rglob("*.jpg"))]
    hashes = np.array([phash(image) for image in images], dtype=np.uint64)
    print(f"{'bits that differ, at most':<32}" + "".join(f"{bits:>9}" for bits in BITS) + f"{'largest':>9}")
    for name, copy in COPIES.items():
        copied = np.array([phash(copy(image)) for image in images[: chosen.copies]], dtype=np.uint64)
        distances = np.bitwise_count(copied ^ hashes[: len(copied)])
        line(f"{name} (share)", distances, lambda found: f"{100 * found.mean():.1f} %")
    first, second = np.triu_indices(len(hashes), 1)
    line(f"of {len(first):,} pairs", np.bitwise_count(hashes[first] ^ hashes[second]), lambda found: f"{found.sum()}")


if __name__ == "__main__":
    main()
