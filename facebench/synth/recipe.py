"""The recipe of one picture: a person, and what is drawn anew for each picture of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from facebench.errors import UsageError, unknown_name
from facebench.shapes import AnyArray
from facebench.synth.accessories import PLAIN, Accessories, Shares, draw_accessories
from facebench.synth.camera import Camera
from facebench.synth.degrade import Degradation, draw_degradation
from facebench.synth.expression import Expression, draw_expression
from facebench.synth.light import Light, draw_light
from facebench.synth.person import Person, draw_person


@dataclass(frozen=True)
class Style:
    """How a kind of pictures is drawn; shares are probabilities.

    Attributes:
        yaw, pitch, roll: standard deviations, degrees; cut at 75, 30 and 30.
        any_yaw: share of pictures whose yaw is uniform over ±75° instead.
        distance: nearest and farthest camera, mm.
        neutral: share of neutral expressions.
        worn: how often accessories are worn.
        harsh, dim: shares of harsh light and of pictures in the dark.
        blurred: share of blurred pictures.
        degraded: whether noise and JPEG are applied at all.
    """

    yaw: float = 22.0
    pitch: float = 8.0
    roll: float = 8.0
    any_yaw: float = 0.12
    distance: tuple[float, float] = (550.0, 1400.0)
    neutral: float = 0.45
    worn: Shares = field(default_factory=Shares)
    harsh: float = 0.14
    dim: float = 0.08
    blurred: float = 0.16
    degraded: bool = True


_HIDDEN = Shares(glasses=0.3, dark=0.6, hat=0.25, mask=0.34, scarf=0.33, hand=0.33)

STYLES: dict[str, Style] = {
    "mix": Style(),
    "frontal": Style(4, 3, 3, 0.0, worn=PLAIN, harsh=0.0, dim=0.0, blurred=0.0, degraded=False),
    "wild": Style(30, 13, 13, 0.6),
    "neutral": Style(28, 6, 5, 0.2, neutral=1.0, worn=PLAIN, dim=0.0, blurred=0.0),
    "expression": Style(22, 6, 5, 0.1, neutral=0.0, worn=PLAIN, dim=0.0, blurred=0.0),
    "occlusion": Style(22, 6, 5, 0.1, neutral=0.7, worn=_HIDDEN, dim=0.0, blurred=0.0),
    "selfie": Style(14, 8, 8, 0.0, (330.0, 520.0), neutral=0.5, worn=PLAIN, blurred=0.05),
}
"""Named styles: `mix` shows everything, `wild` wide poses, `frontal` is clean; the last four are NoW's challenges."""

_LIPSTICK = np.array([[0.50, 0.03, 0.05], [0.45, 0.10, 0.14], [0.30, 0.02, 0.06], [0.60, 0.16, 0.20]])
_EYE_SHADOW = np.array([[0.10, 0.06, 0.12], [0.22, 0.10, 0.06], [0.05, 0.05, 0.06], [0.10, 0.14, 0.22]])
_MASKS = np.array([[0.30, 0.55, 0.72], [0.80, 0.80, 0.80], [0.03, 0.03, 0.035], [0.55, 0.20, 0.22]])
_METALS = np.array([[0.85, 0.60, 0.22], [0.75, 0.75, 0.78], [0.80, 0.78, 0.72], [0.25, 0.05, 0.08]])
_FRAMES = np.array([[0.01, 0.01, 0.01], [0.02, 0.02, 0.025], [0.15, 0.15, 0.16], [0.10, 0.04, 0.015]])


@dataclass(frozen=True, eq=False)
class Paint:
    """Colours drawn anew for each picture; (3,) float linear RGB each.

    Attributes:
        makeup: whether lipstick, eye shadow, blush and liner are worn.
        lipstick, eye_shadow: colours of the make-up.
        cloth, hat, mask, scarf, metal, frame: colours of clothes and accessories.
        pattern: 0 to 1; below 0.5 plain cloth, then checks, then stripes.
        sheen: gloss of the skin.
        eye_bags: strength.
    """

    makeup: bool
    lipstick: AnyArray
    eye_shadow: AnyArray
    cloth: AnyArray
    hat: AnyArray
    mask: AnyArray
    scarf: AnyArray
    metal: AnyArray
    frame: AnyArray
    pattern: float
    sheen: float
    eye_bags: float


@dataclass(frozen=True, eq=False)
class FaceRecipe:
    """Everything that makes one picture; a pure function of the two seeds and the style.

    Attributes:
        identity_seed: seed of the person: geometry, skin, eyes, hair.
        image_seed: seed of the rest: expression, pose, light, accessories, background, camera.
        style: name in STYLES.
        person, expression, camera, light, accessories, paint, degradation: what was drawn.
    """

    identity_seed: int
    image_seed: int
    style: str
    person: Person
    expression: Expression
    camera: Camera
    light: Light
    accessories: Accessories
    paint: Paint
    degradation: Degradation


def _cloth_colour(rng: np.random.Generator) -> AnyArray:
    """A colour of cloth, linear RGB."""
    hsv = np.array([[[rng.integers(180), rng.integers(10, 150), rng.integers(40, 210)]]], np.uint8)
    return np.asarray((cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0] / 255.0) ** 2.2)


def _draw_paint(rng: np.random.Generator, *, female: bool) -> Paint:
    """Colours of one picture."""
    cloth, hat, scarf = (_cloth_colour(rng) for _ in range(3))
    lip, eye, mask, metal, frame = (table[rng.integers(len(table))] for table in
                                    (_LIPSTICK, _EYE_SHADOW, _MASKS, _METALS, _FRAMES))  # fmt: skip
    return Paint(
        bool(female and rng.random() < 0.42), lip, eye, cloth, hat, mask, scarf, metal, frame,
        float(rng.random()), float(rng.uniform(0.06, 0.13)), float(rng.uniform(0.3, 1.2)),
    )  # fmt: skip


def _draw_camera(rng: np.random.Generator, style: Style) -> Camera:
    """Pose and camera of one picture."""
    yaw = rng.uniform(-75, 75) if rng.random() < style.any_yaw else np.clip(rng.normal() * style.yaw, -75, 75)
    pitch, roll = np.clip(rng.normal(size=2) * [style.pitch, style.roll], -30, 30)
    x, y = rng.normal(size=2) * 5
    distance, fill = rng.uniform(*style.distance), rng.uniform(0.56, 0.68)
    return Camera(float(yaw), float(pitch), float(roll), float(distance), float(fill), (float(x), float(y)))


def draw_recipe(identity_seed: int, image_seed: int, *, style: str = "mix") -> FaceRecipe:
    """The recipe of a picture.

    Args:
        identity_seed: non-negative; the same seed is the same person in every picture.
        image_seed: non-negative; everything else.
        style: name in STYLES.

    Raises:
        UsageError: for an unknown style or a negative seed.
    """
    if style not in STYLES:
        raise unknown_name("style of synthetic faces", style, STYLES)
    if identity_seed < 0 or image_seed < 0:
        raise UsageError(f"seeds of synthetic faces must not be negative, found {identity_seed} and {image_seed}")
    how, person = STYLES[style], draw_person(identity_seed)
    rng = np.random.default_rng([202, image_seed])
    camera = _draw_camera(rng, how)
    expression = draw_expression(rng, neutral_share=how.neutral)
    light = draw_light(rng, harsh=how.harsh, dim=how.dim)
    paint = _draw_paint(rng, female=person.female)
    worn = draw_accessories(rng, how.worn, female=person.female, pierced=person.pierced)
    degradation = draw_degradation(rng, blurred=how.blurred) if how.degraded else Degradation()
    return FaceRecipe(identity_seed, image_seed, style, person, expression, camera, light, worn, paint, degradation)
