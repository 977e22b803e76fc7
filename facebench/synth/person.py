"""A person: everything that stays the same from picture to picture, drawn from the identity seed alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.deform import face_model
from facebench.synth.hairstyle import HairStyle, draw_hairstyle
from facebench.synth.identity import MALE_SHIFT

_SKIN = np.array(
    [[0.80, 0.58, 0.47], [0.72, 0.49, 0.37], [0.60, 0.38, 0.27],
     [0.44, 0.26, 0.175], [0.28, 0.155, 0.10], [0.15, 0.08, 0.052]]
)  # fmt: skip
"""Linear RGB of six skin tones from light to dark; a tone between 0 and 5 blends neighbours."""
_HAIR = np.array(
    [[0.012, 0.010, 0.009], [0.035, 0.020, 0.012], [0.09, 0.045, 0.022], [0.20, 0.11, 0.045],
     [0.42, 0.29, 0.13], [0.22, 0.06, 0.02], [0.33, 0.32, 0.31], [0.55, 0.54, 0.52]]
)  # fmt: skip
_HAIR_SHARE = np.array([0.20, 0.24, 0.20, 0.12, 0.12, 0.06, 0.04, 0.02])
_IRIS = np.array([[0.10, 0.045, 0.02], [0.16, 0.08, 0.03], [0.10, 0.20, 0.32], [0.12, 0.22, 0.12], [0.22, 0.26, 0.27]])


@dataclass(frozen=True, eq=False)
class Person:
    """One identity.

    Attributes:
        shape: (40,) float coefficients of `identity.identity_fields`.
        female: whether the face, brows and hair follow women's means.
        age: 0 (young) to about 1.3.
        lids: (upper, lower, tilt) of the open eye, mm.
        brows: (6,) brow curve.
        lips: (3,) lip curve.
        tone: skin tone, 0 (light) to 5 (dark).
        skin, hair_colour, brow_colour, iris: (3,) linear RGB.
        redness, freckles, beard: strengths.
        hair: the hair style.
        pierced: wears earrings now and then.
    """

    shape: AnyArray
    female: bool
    age: float
    lids: AnyArray
    brows: AnyArray
    lips: AnyArray
    tone: float
    skin: AnyArray
    hair_colour: AnyArray
    brow_colour: AnyArray
    iris: AnyArray
    redness: float
    freckles: float
    beard: float
    hair: HairStyle
    pierced: bool


def _draw_shape(rng: np.random.Generator, female: bool) -> AnyArray:
    """Shape coefficients: normal, cut at 2.3 standard deviations, shifted by sex."""
    fields = face_model().identity
    shift = np.array([MALE_SHIFT.get(name, 0.0) for name in fields.names])
    return np.asarray(
        np.clip(rng.standard_normal(len(fields.names)), -2.3, 2.3) * fields.spreads + shift * (-1) ** female
    )


def _draw_curves(rng: np.random.Generator, female: bool) -> tuple[AnyArray, AnyArray, AnyArray]:
    """Lids, brows and lips."""
    lids = np.array([5.1 + rng.normal() * 0.5, 4.9 + rng.normal() * 0.4, 1.0 + rng.normal() * 0.6])
    arch, thick = (4.8, 2.3) if female else (3.4, 3.1)
    brows = np.array([
        12.5 + rng.normal() * 0.8, 38.5 + rng.normal() * 1.2, 17.0 + rng.normal() * 0.6,
        arch + rng.normal(), thick + abs(rng.normal()) * 0.45, 0.8 + rng.normal() * 1.2,
    ])  # fmt: skip
    lips = np.array([7.4 + rng.normal() * 0.9, 9.4 + rng.normal() * 1.1, 1.4 + 0.4 * rng.random()])
    return lids, brows, lips


def draw_person(identity_seed: int) -> Person:
    """The person of an identity seed."""
    rng = np.random.default_rng([101, identity_seed])
    female = bool(rng.random() < 0.5)
    shape = _draw_shape(rng, female)
    lids, brows, lips = _draw_curves(rng, female)
    age = max(0.0, float(rng.normal() * 0.5 + 0.1))
    tone = float(rng.beta(1.1, 1.5) * 4.99)
    low = int(tone)
    skin = _SKIN[low] * (low + 1 - tone) + _SKIN[low + 1] * (tone - low)
    dark = tone > 2.4
    if age > 0.75 and rng.random() < 0.6:
        hair = _HAIR[rng.integers(6, 8)]
    else:
        hair = _HAIR[rng.integers(0, 2) if dark else rng.choice(8, p=_HAIR_SHARE / _HAIR_SHARE.sum())]
    hair = hair * rng.uniform(0.8, 1.2)
    iris = _IRIS[0 if dark else rng.integers(5)] * rng.uniform(0.8, 1.2)
    beard = 0.0 if female or rng.random() < 0.5 else float(rng.choice([0.22, 0.45, 0.9]))
    return Person(
        shape, female, age, lids, brows, lips, tone, skin, hair, np.minimum(hair * 0.75, 0.12) + 0.004, iris,
        redness=float(rng.uniform(0.5, 1.3)), freckles=float(rng.random() < 0.15 and not dark) * rng.uniform(0.5, 1.0),
        beard=beard, hair=draw_hairstyle(rng, female=female, tone=tone, age=age),
        pierced=bool(rng.random() < (0.75 if female else 0.12)),
    )  # fmt: skip
