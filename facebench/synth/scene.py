"""From a recipe to the scene: meshes of head, hair, body and accessories, curves and colours of the face."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.accessories import (
    HAT_SHAPE,
    brim,
    earrings,
    glasses,
    hand,
    mask_shell,
    scarf,
)  # fmt: skip
from facebench.synth.body import EAR_HEIGHT, body, ear
from facebench.synth.deform import face_model, posed_positions
from facebench.synth.hair import bun, curtain, grow_hair, loose_locks
from facebench.synth.head import EYE_RADIUS, EYE_X, SEAM_Y, head
from facebench.synth.labels import NO_LENS, Regions
from facebench.synth.landmarks import canonical, carry_points
from facebench.synth.looks import Look
from facebench.synth.mesh import Mesh, Piece, join
from facebench.synth.recipe import FaceRecipe

_EYE_DEPTH = EYE_RADIUS + 0.9


@dataclass(frozen=True, eq=False)
class Scene:
    """One posed face with all it wears, in the head frame.

    Attributes:
        face: (3, rows, columns) float32, mm: the bare face, the surface that landmarks lie on.
        mesh: all opaque triangles; its first vertices are the head with hair, hat or mask on.
        lenses: glass of the glasses, or None.
        eyes: (2, 3) centres of the eyeballs, image left first, mm.
        regions: curves that cut the face into regions.
        look: colours and strengths.
    """

    face: AnyArray
    mesh: Mesh
    lenses: Mesh | None
    eyes: AnyArray
    regions: Regions
    look: Look


def _open_lids(recipe: FaceRecipe) -> AnyArray:
    """(5,) lid heights of both eyes with the blink of the expression, and the tilt."""
    upper, lower, tilt = recipe.person.lids
    out = []
    for blink in recipe.expression.blink:
        shut = max(0.0, blink)
        low = lower * (1 - 0.25 * shut)
        # A closed lid lies on the lower one: no opening is left.
        high = -low if blink >= 0.98 else upper * (1 - blink) - 0.75 * lower * shut
        out += [high, low]
    return np.array([*out, tilt])


def _regions(recipe: FaceRecipe) -> Regions:
    person, worn = recipe.person, recipe.accessories
    return Regions(
        _open_lids(recipe), person.brows, person.lips, person.hair.hairline, person.hair.strands,
        worn.hat_line, float(worn.mask), worn.collar, worn.necklace,
    )  # fmt: skip


def _look(recipe: FaceRecipe, mouth_gap: float) -> Look:
    person, paint = recipe.person, recipe.paint
    made_up = float(paint.makeup)
    lip = paint.lipstick if paint.makeup else person.skin * np.array([0.92, 0.56, 0.60])
    raised = max(0.0, recipe.expression.weights.get("brow_up_r", 0.0))
    return Look(
        skin=person.skin, lip=lip, eye_shadow=paint.eye_shadow, brow=person.brow_colour, hair=person.hair_colour,
        iris=person.iris, cloth=paint.cloth, hat=paint.hat, mask=paint.mask, scarf=paint.scarf, metal=paint.metal,
        frame=paint.frame, redness=person.redness, eye_bags=paint.eye_bags * (0.6 + 0.5 * person.age),
        freckles=person.freckles, blush=0.8 * made_up, beard=person.beard, shadow_strength=0.55 * made_up,
        liner=0.35 * person.female + 0.5 * made_up, brow_strength=1.05, gloss=0.35 if paint.makeup else 0.16,
        sheen=paint.sheen, wrinkles=min(1.3, person.age + 0.5 * raised), lean=person.hair.lean,
        curl=person.hair.curl, bare_scalp=float(person.hair.bald), mouth_gap=mouth_gap, pattern=paint.pattern,
    )  # fmt: skip


def _side_point(face: AnyArray, side: int, y: float) -> AnyArray:
    """(3,) point of the face surface at ±90° and a canonical height."""
    grid = head()
    column = int(np.argmin(np.abs(grid.theta - side * np.pi / 2)))
    row = int(np.argmin(np.abs(grid.rows - y)))
    return face[:, row, column].astype(float)


def _head_piece(recipe: FaceRecipe, face: AnyArray) -> Piece:
    """The head with its hair grown, its hat on and its mask stretched."""
    grid, worn = head(), recipe.accessories
    covered = mask_shell(face) if worn.mask else face
    surface = grow_hair(covered, recipe.person.hair, worn.hat_line, HAT_SHAPE[worn.hat])
    return Piece(surface, grid.faces, grid.parts, _head_canon())


@cache
def _head_canon() -> AnyArray:
    """(V, 4) float32 canonical coordinates of the head's vertices."""
    grid = head()
    degrees = np.broadcast_to(np.degrees(grid.theta), grid.cx.shape)
    depth = np.broadcast_to(grid.depth[:, None], grid.cx.shape)
    return np.stack([grid.cx, grid.cy, degrees, depth], -1).reshape(-1, 4).astype(np.float32)


def _scaled(piece: Piece, scale: AnyArray) -> Piece:
    return Piece(piece.vertices * scale, piece.faces, piece.part, piece.canon)


def _hair_pieces(recipe: FaceRecipe, surface: AnyArray, scale: AnyArray, rng: np.random.Generator) -> list[Piece]:
    """Curtain, bun and loose locks."""
    style, worn = recipe.person.hair, recipe.accessories
    pieces = []
    if style.length > 0:
        pieces.append(_scaled(curtain(rng, style, worn.hat_line), scale))
    if style.bun > 0 and worn.hat == "none":
        pieces.append(_scaled(bun(style), scale))
    if style.cards > 0:
        pieces.append(loose_locks(rng, surface, style, worn.hat_line))
    return pieces


def _worn_pieces(
    recipe: FaceRecipe, face: AnyArray, surface: AnyArray, eyes: AnyArray, rng: np.random.Generator
) -> tuple[list[Piece], list[Piece]]:
    """Opaque accessories, and the lenses of glasses."""
    worn = recipe.accessories
    pieces: list[Piece] = []
    lenses: list[Piece] = []
    points = carry_points(canonical([(0.0, 2.0), (0.0, -104.0), (0.0, -70.0), (45.0, -55.0), (33.0, 2.0)]), face)
    if worn.lens != NO_LENS:
        temple = float(_side_point(face, 1, 4.0)[0])
        frame, lenses = glasses(worn, eyes, points[0], temple)
        pieces += frame
    if worn.hat in ("cap", "brim"):
        pieces.append(brim(worn, surface))
    if worn.earring > 0:
        lobe = np.array([[-1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]).T * abs(_side_point(face, 1, EAR_HEIGHT)[0])
        lobe += np.array([[-1.5, EAR_HEIGHT - 24.0, -3.0], [1.5, EAR_HEIGHT - 24.0, -3.0]])
        pieces += earrings(worn, lobe)
    if worn.scarf > -900:
        pieces.append(scarf(worn.scarf, float(points[1:3, 2].max()), rng))
    if worn.hand != "none":
        target = points[{"chin": 1, "mouth": 2, "cheek": 3, "eye": 4}[worn.hand]].copy()
        target[0] = abs(target[0]) * worn.hand_side
        pieces += hand(worn, target, recipe.camera.rotation, rng)
    return pieces, lenses


def build_scene(recipe: FaceRecipe) -> Scene:
    """Pose the face and put everything on it."""
    rng = np.random.default_rng([303, recipe.image_seed])
    person = recipe.person
    face = posed_positions(person.shape, recipe.expression)
    named = dict(zip(face_model().identity.names, person.shape, strict=True))
    scale = 1 + np.array([named["head_width"], named["head_height"], named["head_depth"]])
    eyes = carry_points(canonical([(-EYE_X, 0.0), (EYE_X, 0.0)]), face) - [0.0, 0.0, _EYE_DEPTH]
    mouth = carry_points(np.array([[0.0, SEAM_Y, 0.0], [0.0, SEAM_Y, 1.0]]), face)
    whole = _head_piece(recipe, face)
    pieces = [whole, _scaled(body(female=person.female), scale)]
    pieces += [
        ear(side, _side_point(face, side, EAR_HEIGHT), scale=0.97 if person.female else 1.03) for side in (-1, 1)
    ]
    pieces += _hair_pieces(recipe, whole.vertices, scale, rng)
    worn, lenses = _worn_pieces(recipe, face, whole.vertices, eyes, rng)
    gap = float(np.linalg.norm(mouth[0] - mouth[1]))
    return Scene(
        face, join(pieces + worn), join(lenses) if lenses else None, eyes, _regions(recipe), _look(recipe, gap)
    )
