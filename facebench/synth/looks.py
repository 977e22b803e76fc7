"""The colours and strengths that the shader reads, as two plain arrays for the compiled kernels, and their slots."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from facebench.shapes import AnyArray


@dataclass(frozen=True, eq=False)
class Look:
    """Everything about surfaces that is not geometry.

    The first twelve are colours, (3,) float linear RGB; the others strengths, 0 to about 1, `lean` the slant of the
    locks of hair, `mouth_gap` the opening of the lips in mm, `pattern` the kind of cloth.
    """

    skin: AnyArray
    lip: AnyArray
    eye_shadow: AnyArray
    brow: AnyArray
    hair: AnyArray
    iris: AnyArray
    cloth: AnyArray
    hat: AnyArray
    mask: AnyArray
    scarf: AnyArray
    metal: AnyArray
    frame: AnyArray
    redness: float
    eye_bags: float
    freckles: float
    blush: float
    beard: float
    shadow_strength: float
    liner: float
    brow_strength: float
    gloss: float
    sheen: float
    wrinkles: float
    lean: float
    curl: float
    bare_scalp: float
    mouth_gap: float
    pattern: float

    @property
    def tints(self) -> AnyArray:
        """(12, 3) float: the colours, by the TINT slots."""
        return np.array([getattr(self, f.name) for f in fields(self)[:TINTS]], np.float64)

    @property
    def knobs(self) -> AnyArray:
        """(16,) float: the strengths, by their slots."""
        return np.array([getattr(self, f.name) for f in fields(self)[TINTS:]], np.float64)


TINTS = 12
(
    TINT_SKIN, TINT_LIP, TINT_EYE_SHADOW, TINT_BROW, TINT_HAIR, TINT_IRIS,
    TINT_CLOTH, TINT_HAT, TINT_MASK, TINT_SCARF, TINT_METAL, TINT_FRAME,
) = range(TINTS)  # fmt: skip
(
    REDNESS, EYE_BAGS, FRECKLES, BLUSH, BEARD, SHADOW_STRENGTH, LINER, BROW_STRENGTH,
    GLOSS, SHEEN, WRINKLES, LEAN, CURL, BARE_SCALP, MOUTH_GAP, PATTERN,
) = range(16)  # fmt: skip

RED, GREEN, BLUE, SPECULAR, POWER, SCATTER, OPENNESS, SHADOW_FLOOR = range(8)
"""Slots of a sample: albedo, strength and sharpness of the highlight, scatter, openness to ambient, least key light."""
