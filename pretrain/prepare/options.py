"""Every choice of a preparation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from facebench.errors import UsageError

LEAK_DISTANCE = 4
"""Bits of 64 within which a picture counts as an evaluation picture: copies that were made smaller and compressed anew
differ in up to four (docs/pretraining-data.md); two different pictures seldom do."""


@dataclass(frozen=True)
class Options:
    """What is taken, and how it is cropped and stored; the manifest holds all of it.

    Attributes:
        size: side of the crops, pixels.
        align: `box`: the square of the face's box, upright in the picture; `similarity`: turned and scaled so that the
            five points lie as in FaRL's template, where a face has points.
        scale: side of the crop over the longer side of the box.
        min_score: a face must score above it.
        min_side: pixels that the shorter side of the box must have.
        whole: take each picture as a crop, whatever faces are known in it.
        detect: look for faces by `face-alignment` instead of reading them.
        dedup: leave out crops whose perceptual hash an earlier one has. Equal ones only: among millions of faces, two
            people's come near to each other.
        quality: of the JPEGs.
        per_shard: pictures of a tar.
    """

    size: int = 256
    align: Literal["box", "similarity"] = "box"
    scale: float = 1.5
    min_score: float = 0.9
    min_side: float = 100.0
    whole: bool = False
    detect: bool = False
    dedup: bool = True
    quality: int = 95
    per_shard: int = 10_000

    def __post_init__(self) -> None:
        if self.whole and (self.detect or self.align == "similarity"):
            raise UsageError("--whole takes pictures as they are: it goes neither with --detect nor with --align")
        for option, value, least, most in (
            ("--size", self.size, 16, 2048),
            ("--scale", self.scale, 0.1, 10.0),
            ("--min-side", self.min_side, 0.0, 1e6),
            ("--quality", self.quality, 1, 100),
            ("--per-shard", self.per_shard, 1, 10_000_000),
        ):
            if not least <= value <= most:
                raise UsageError(f"{option} {value:g}: wanted {least:g} to {most:g}")
