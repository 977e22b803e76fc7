"""The door of the synthetic face world: a recipe drawn from two seeds, and the picture with its exact ground truth."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from facebench.errors import UsageError
from facebench.shapes import AnyArray
from facebench.synth.background import draw_background
from facebench.synth.contour import visible_outline
from facebench.synth.degrade import develop, resolve
from facebench.synth.head import EYE_RADIUS, head
from facebench.synth.labels import CELEB_OF, DARK_LENS, LAPA_OF, classify, label_maps, part_masks
from facebench.synth.landmarks import PUPIL, PointTable, canonical_points, carry_points, point_table
from facebench.synth.light import cast_shadows
from facebench.synth.lighting import Stage
from facebench.synth.noise import textures
from facebench.synth.raster import rasterise, surface, vertex_normals
from facebench.synth.recipe import STYLES, FaceRecipe, draw_recipe
from facebench.synth.scene import Scene, build_scene
from facebench.synth.shade import shade
from facebench.synth.skinmaps import skin_maps
from facebench.synth.visibility import COVERED, VISIBLE, first_hits, visibility

__all__ = ["STYLES", "FaceRecipe", "RenderedFace", "Trace", "draw_recipe", "render_face", "trace_face"]

_MILD = ("neutral", "talk", "smile")


@dataclass(frozen=True, eq=False)
class RenderedFace:
    """A picture and everything that is known of it.

    Attributes:
        image: (S, S, 3) uint8 RGB.
        landmarks: scheme name (`wflw98`, `ibug68`, `cofw29`, `aflw19`, `lapa106`, `five`) to (K, 2) float, pixels of
            the picture, x right, y down, 0-based, pixel centres at integers.
        visible: scheme name to (K,) bool; false where the face itself, hair or an occluder hides the point.
        box: (4,) float, x0, y0, x1, y1: a face box from over the brows to the chin, from the geometry.
        lapa_labels: (S, S) uint8, LaPa ids 0..10.
        celeb_labels: (S, S) uint8, CelebAMask-HQ ids 0..18 in the official order.
        celeb_parts: part name to (S, S) bool; painted in the order of their ids they give `celeb_labels`.
        attributes: WFLW's pose, expression, illumination, makeup, occlusion, blur, as consequences of the recipe.
        slices: what only a made world knows: skin tone, pose, light, share of the face that is covered.
    """

    image: AnyArray
    landmarks: dict[str, AnyArray]
    visible: dict[str, AnyArray]
    box: AnyArray
    lapa_labels: AnyArray
    celeb_labels: AnyArray
    celeb_parts: dict[str, AnyArray]
    attributes: dict[str, bool]
    slices: dict[str, float | str]


@dataclass(frozen=True, eq=False)
class Trace:
    """What the rasteriser saw, before any colour; H = size * supersample samples a side.

    Attributes:
        scene: the scene.
        screen: (V, 3) float, vertices in sample pixels with the corner at 0, and their depth in mm.
        view: (V, 3) float, vertices in the view frame, mm.
        hit: (H, H) int32 triangle numbers, -1 for the background.
        depth: (H, H) float32, mm.
        canon: (H, H, 4) float32 canonical coordinates of what is seen.
        normals: (H, H, 3) float32.
        part, material, glass: (H, H) uint8.
        spans: (H, 2) int32, the columns of each row between which something is seen.
        places: (K, 3) float: theta, canonical y and seam side of each landmark of the table.
        points: (K, 3) float, landmarks as `screen`.
        states: (K,) int64, visibility.py.
    """

    scene: Scene
    screen: AnyArray
    view: AnyArray
    hit: AnyArray
    depth: AnyArray
    canon: AnyArray
    normals: AnyArray
    part: AnyArray
    material: AnyArray
    glass: AnyArray
    spans: AnyArray
    places: AnyArray
    points: AnyArray
    states: AnyArray


class _Buffers(threading.local):
    """Sample buffers of one thread, kept between pictures: fresh pages cost more than the drawing."""

    def __init__(self) -> None:
        self._kept: dict[int, dict[str, AnyArray]] = {}

    def of(self, side: int) -> dict[str, AnyArray]:
        """Buffers of a side; only the last side is kept."""
        if side not in self._kept:
            shape = (side, side)
            self._kept = {
                side: {
                    "depth": np.empty(shape, np.float32),
                    "hit": np.empty(shape, np.int32),
                    "canon": np.empty((*shape, 4), np.float32),
                    "normals": np.empty((*shape, 3), np.float32),
                    "part": np.empty(shape, np.uint8),
                    "material": np.empty(shape, np.uint8),
                    "glass": np.empty(shape, np.uint8),
                    "spans": np.empty((side, 2), np.int32),
                    "lens_depth": np.empty(shape, np.float32),
                    "lens_hit": np.empty(shape, np.int32),
                    "rgb": np.empty((*shape, 3), np.float32),
                }
            }
        return self._kept[side]


_BUFFERS = _Buffers()


def _gaze(recipe: FaceRecipe) -> AnyArray:
    """(3,) unit direction of the eyes, head frame."""
    gaze = np.array([*recipe.expression.gaze, 1.0])
    return np.asarray(gaze / np.linalg.norm(gaze))


def _landmark_points(recipe: FaceRecipe, scene: Scene, table: PointTable) -> tuple[AnyArray, AnyArray]:
    """Canonical places (K, 3) and positions (K, 3) in mm of every landmark of every scheme."""
    outline = visible_outline(scene.face, recipe.camera)
    regions = scene.regions
    places = canonical_points(table.rows, regions.lids, regions.brows, regions.lips, outline, head().width_table)
    points = carry_points(places, scene.face)
    pupils = scene.eyes + EYE_RADIUS * _gaze(recipe)
    for side, pupil in zip((-1, 1), pupils, strict=True):
        points[(table.rows[:, 0] == PUPIL) & (table.rows[:, 1] == side)] = pupil
    return places, points


def _draw_lenses(recipe: FaceRecipe, scene: Scene, buffers: dict[str, AnyArray], side: int) -> None:
    """Mark the samples that are seen through the glass of the glasses."""
    buffers["glass"][:] = 0
    if scene.lenses is None:
        return
    screen = recipe.camera.to_screen(recipe.camera.to_view(scene.lenses.vertices), side)
    rasterise(screen, scene.lenses.faces, scene.lenses.parts, buffers["lens_depth"], buffers["lens_hit"])
    buffers["glass"][buffers["lens_depth"] < np.minimum(buffers["depth"], 1e29)] = recipe.accessories.lens


def trace_face(recipe: FaceRecipe, *, size: int = 256, supersample: int = 2) -> Trace:
    """Build the scene, rasterise it, and find every landmark and what hides it.

    The arrays are buffers of the calling thread: they hold until its next picture.
    """
    side = size * supersample
    buffers, table, camera = _BUFFERS.of(side), point_table(), recipe.camera
    scene = build_scene(recipe)
    mesh = scene.mesh
    view = camera.to_view(mesh.vertices)
    screen = camera.to_screen(view, side)
    rasterise(screen, mesh.faces, mesh.parts, buffers["depth"], buffers["hit"])
    normals = vertex_normals(view, mesh.faces)
    surface(
        screen, mesh.faces, mesh.parts, mesh.canon, normals,
        buffers["hit"], buffers["canon"], buffers["normals"], buffers["part"],
        buffers["spans"],
    )  # fmt: skip
    classify(buffers["part"], buffers["canon"], scene.regions, textures(), buffers["material"])
    _draw_lenses(recipe, scene, buffers, side)
    places, positions = _landmark_points(recipe, scene, table)
    points = camera.to_screen(camera.to_view(positions), side)
    first, nearest = first_hits(points, screen, mesh.faces, mesh.parts, side)
    states = visibility(table.rows[:, 0], points, first, nearest, mesh.parts, buffers["material"], buffers["glass"])
    kept = {name: buffers[name] for name in ("hit", "depth", "canon", "normals", "part", "material", "glass", "spans")}
    return Trace(scene=scene, screen=screen, view=view, places=places, points=points, states=states, **kept)


def shade_trace(recipe: FaceRecipe, trace: Trace, *, factor: int) -> AnyArray:
    """(H, H, 3) float32 linear RGB of every sample; a buffer of the calling thread."""
    camera, light, mesh = recipe.camera, recipe.light, trace.scene.mesh
    side = trace.hit.shape[0]
    shadow = cast_shadows(trace.view, camera.distance, mesh.faces, mesh.parts, light)
    stage = Stage(
        camera.focal(side), camera.distance, camera.rotation, light.direction, light.key_colour, light.ambient_colour,
        camera.to_view(trace.scene.eyes), camera.rotation @ _gaze(recipe), shadow.depth, shadow.axes, shadow.scale,
    )  # fmt: skip
    rgb, look = _BUFFERS.of(side)["rgb"], trace.scene.look
    shade(
        trace.material, trace.part, trace.canon, trace.normals, trace.depth, trace.spans, factor,
        trace.scene.regions, look.tints, look.knobs, stage, skin_maps(), textures(), rgb,
    )  # fmt: skip
    return rgb


def develop_picture(recipe: FaceRecipe, trace: Trace, rgb: AnyArray, *, size: int) -> AnyArray:
    """(S, S, 3) uint8 RGB: samples averaged over a background, exposed, blurred, noised and compressed."""
    background = draw_background(np.random.default_rng([404, recipe.image_seed]), size)
    linear = np.empty((size, size, 3), np.float32)
    resolve(rgb, trace.hit, trace.glass, 0.07, background, trace.hit.shape[0] // size, linear)
    return develop(linear, recipe.light.exposure, recipe.degradation)


def _covered_share(table: PointTable, states: AnyArray) -> float:
    """Share of the WFLW points that would be seen but for hair and occluders; the line before the ears left out."""
    inner = states[table.slices["wflw98"]][4:]
    inner = np.concatenate([inner[:25], inner[29:]])
    seen, covered = int((inner == VISIBLE).sum()), int((inner == COVERED).sum())
    return covered / max(1, seen + covered)


def _attributes(recipe: FaceRecipe, covered: float) -> dict[str, bool]:
    """WFLW's six attributes as consequences of how the picture was made."""
    camera, light = recipe.camera, recipe.light
    return {
        "pose": abs(camera.yaw) > 40 or abs(camera.pitch) > 18 or abs(camera.roll) > 24,
        "expression": recipe.expression.name not in _MILD,
        "illumination": bool(light.exposure < 0.5 or light.direction[2] < 0.45),
        "makeup": recipe.paint.makeup,
        "occlusion": covered > 0.06 or recipe.accessories.lens == DARK_LENS,
        "blur": recipe.degradation.blur > 1.0,
    }


def _slices(recipe: FaceRecipe, covered: float) -> dict[str, float | str]:
    """Facts of the picture that no real set can know exactly."""
    tone, light = recipe.person.tone, recipe.light
    kind = "dim" if light.exposure < 0.5 else ("side" if light.direction[2] < 0.45 else "even")
    return {
        "skin_tone": "light" if tone < 1.4 else ("medium" if tone < 2.8 else "dark"),
        "skin_tone_value": round(tone, 3),
        "yaw": round(recipe.camera.yaw, 3),
        "pitch": round(recipe.camera.pitch, 3),
        "roll": round(recipe.camera.roll, 3),
        "light": kind,
        "occluded_share": round(covered, 4),
        "expression": recipe.expression.name,
        "hair": recipe.person.hair.name,
        "age": round(recipe.person.age, 3),
    }


def _face_box(points: AnyArray) -> AnyArray:
    """(4,) box as a face detector draws it: the tight box of the outline and brows, a tenth higher."""
    low, high = points.min(0), points.max(0)
    pad = 0.02 * (high - low)
    return np.array([low[0] - pad[0], low[1] - 0.10 * (high[1] - low[1]), high[0] + pad[0], high[1] + pad[1]])


def render_face(recipe: FaceRecipe, *, size: int = 256, supersample: int = 2) -> RenderedFace:
    """Draw a recipe.

    Args:
        recipe: from `draw_recipe`.
        size: side S of the picture, pixels, 32 to 2048.
        supersample: samples along each side of a pixel, 1 to 4.

    Raises:
        UsageError: for a size or a supersampling out of range.
    """
    if not (32 <= size <= 2048 and 1 <= supersample <= 4):
        raise UsageError(f"a picture has 32 to 2048 pixels and 1 to 4 samples a side, found {size} and {supersample}")
    trace = trace_face(recipe, size=size, supersample=supersample)
    image = develop_picture(recipe, trace, shade_trace(recipe, trace, factor=supersample), size=size)
    lapa, celeb = np.empty((size, size), np.uint8), np.empty((size, size), np.uint8)
    under_glass = np.empty((size, size), np.bool_)
    label_maps(trace.material, trace.glass, LAPA_OF, CELEB_OF, supersample, lapa, celeb, under_glass)
    table = point_table()
    # Sample corners at 0 to pixel centres at integers.
    pixels = trace.points[:, :2] / supersample - 0.5
    covered = _covered_share(table, trace.states)
    return RenderedFace(
        image=image,
        landmarks={name: pixels[rows].copy() for name, rows in table.slices.items()},
        visible={name: trace.states[rows] == VISIBLE for name, rows in table.slices.items()},
        box=_face_box(pixels[table.slices["wflw98"]][:51]),
        lapa_labels=lapa,
        celeb_labels=celeb,
        celeb_parts=part_masks(celeb, under_glass),
        attributes=_attributes(recipe, covered),
        slices=_slices(recipe, covered),
    )
