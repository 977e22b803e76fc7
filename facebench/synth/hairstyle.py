"""Hair styles: the hairline, how far the hair stands out, and how it falls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.fields import ramp

_LINE = np.array(
    [[0, 62], [12, 63], [24, 64], [36, 62], [45, 55], [51, 45], [56, 35], [61, 25], [68, 14], [73, 8], [78, 6],
     [84, 8], [87, 15], [92, 21], [98, 21], [105, 13], [112, -12], [122, -50], [140, -68], [160, -74], [180, -76]],
    float,
)  # fmt: skip
"""Angle from the front in degrees, height of the hairline in mm: temples, sideburns, round the ear, nape."""


@dataclass(frozen=True, eq=False)
class HairStyle:
    """How one person wears their hair.

    Attributes:
        name: style.
        volume: mm that the hair stands out from the skull.
        crown: extra volume towards the top and front, mm.
        length: mm that the curtain of long hair hangs below the eyes; 0 for short hair.
        opening: degrees from the front at which the curtain begins.
        over_ears: whether the curtain covers the ears.
        fringe: mm that the fringe comes down.
        hairline: (361,) float, height over which hair grows, theta = -90 ... 270 degrees.
        strands: mm that single strands cross the hairline.
        curl: 0 straight to 1 curly.
        lean: slant of the locks.
        waves: (number, phase) of the unevenness round the head.
        cards: number of loose locks.
        bun: radius of a bun on the back of the head, mm; 0 without.
        bald: no hair at all.
    """

    name: str
    volume: float
    crown: float
    length: float
    opening: float
    over_ears: bool
    fringe: float
    hairline: AnyArray
    strands: float
    curl: float
    lean: float
    waves: tuple[int, float]
    cards: int
    bun: float
    bald: bool


_WOMEN = {"long": 0.34, "bob": 0.18, "waves": 0.14, "tied": 0.18, "short": 0.07, "curls": 0.09}
_MEN = {"bald": 0.06, "buzz": 0.15, "short": 0.37, "swept": 0.22, "curls": 0.12, "long": 0.03, "thin": 0.05}


def _hairline(
    rng: np.random.Generator, *, female: bool, fringe: float, side_swept: float, thin: bool, part: float | None,
    covers: bool,
) -> AnyArray:  # fmt: skip
    """(361,) hairline of one person, with its recession, fringe, slant and parting.

    Args:
        rng: random numbers.
        female: women's hairlines do not recede and have no sideburns.
        fringe: mm that the fringe comes down.
        side_swept: mm that the fringe slants.
        thin: bald crown and temples.
        part: angle of a parting, degrees, from which the hair falls to both sides of the forehead; None without.
        covers: whether the hair falls over temples and ears.
    """
    angle = np.arange(-90, 271)
    phi = np.where(angle > 180, 360 - angle, np.abs(angle)).astype(float)
    line = np.interp(phi, _LINE[:, 0], _LINE[:, 1])
    line = np.convolve(np.pad(line, 3, mode="wrap"), np.ones(7) / 7, "valid")
    recession = rng.random() * (0.0 if female else 14.0) + (22.0 if thin else 0.0)
    line = line + rng.normal() * 4.5 * np.exp(-((phi / 55) ** 4)) + recession * np.exp(-(((phi - 38) / 16) ** 2))
    if thin:
        line = line + 16 * np.exp(-((phi / 40) ** 2))
    if not female:
        line = line - rng.uniform(4, 16) * np.exp(-(((phi - 79) / 6) ** 2))
    line = line - fringe * np.exp(-((phi / 42) ** 4))
    if part is not None:
        away = np.abs(angle - part)
        fall = np.interp(away, [0, 6, 20, 35, 50, 66, 80], [72, 69, 60, 46, 22, -8, -30])
        line = np.where(phi < 90, np.minimum(line + 8, fall), line)
    if covers:
        line = np.minimum(line, np.interp(phi, [40, 56, 70, 84, 130], [200, 40, -12, -50, -70]))
    return np.asarray(line + side_swept * np.clip(angle / 50, -1, 1) * ramp(80, 55, phi), np.float64)


def draw_hairstyle(rng: np.random.Generator, *, female: bool, tone: float, age: float) -> HairStyle:
    """A hair style at random, with the shares of women and men."""
    shares = dict(_WOMEN if female else _MEN)
    shares["curls"] += 0.25 if tone > 3.0 else 0.0
    if not female and age > 0.7:
        shares["thin"] += 0.15
    weights = np.array(list(shares.values()))
    name = str(rng.choice(list(shares), p=weights / weights.sum()))
    fringe = 0.0
    if name in ("long", "bob", "short", "waves") and rng.random() < (0.4 if female else 0.25):
        fringe = rng.uniform(6, 22)
    swept = rng.normal() * 3 + (rng.choice([-1, 1]) * rng.uniform(3, 13) if fringe else 0.0)
    falls = name in ("long", "bob", "waves")
    part = float(rng.choice([-1, 0, 1]) * rng.uniform(8, 26)) if falls and not fringe and rng.random() < 0.75 else None
    over_ears = bool(falls and rng.random() < 0.55)
    volume = {"bald": 0.0, "buzz": 1.5, "thin": 3.0, "tied": 5.0, "curls": rng.uniform(12, 24)}.get(
        name, rng.uniform(7, 15)
    )
    length = {"long": rng.uniform(110, 210), "waves": rng.uniform(100, 180), "bob": rng.uniform(45, 85)}.get(name, 0.0)
    curl = {"curls": 1.0, "waves": 0.35, "buzz": 0.6}.get(name, 0.0)
    cards = {"bald": 0, "buzz": 0, "thin": 60, "tied": 90, "curls": 260}.get(name, 240)
    return HairStyle(
        name, float(volume), rng.uniform(5, 14) if name == "swept" else 0.0, float(length), rng.uniform(58, 78),
        over_ears, float(fringe),
        _hairline(
            rng, female=female, fringe=float(fringe), side_swept=float(swept), thin=name == "thin", part=part,
            covers=over_ears,
        )
        + (200.0 if name == "bald" else 0.0),
        strands=6.0 if fringe == 0 else 14.0, curl=curl, lean=float(rng.normal() * 0.35),
        waves=(int(rng.integers(1, 4)), float(rng.uniform(0, 6.3))), cards=cards,
        bun=float(rng.uniform(20, 30)) if name == "tied" else 0.0, bald=name == "bald",
    )  # fmt: skip
