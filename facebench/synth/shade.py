"""Deferred shading: the linear colour of every sample from what it shows and the light that reaches it."""

from __future__ import annotations

import math

import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.compiled import inlined, leaf
from facebench.synth.curves import BROW_HALF, BROW_MIDDLE, LOWER_LID, UPPER_LID, curve_table, eye_t, read_curve
from facebench.synth.head import PART_HAIR
from facebench.synth.labels import (
    BACKGROUND,
    CLOTH,
    EAR_L,
    EAR_R,
    EARRING,
    EYE_L,
    EYE_R,
    FRAME,
    HAIR,
    HAND,
    HAT,
    INNER_MOUTH,
    LOWER_LIP,
    MASK,
    NECK,
    NECKLACE,
    NOSE,
    SCARF,
    SKIN,
    Regions,
)  # fmt: skip
from facebench.synth.lighting import Stage, lighten, lit_share
from facebench.synth.looks import (
    BARE_SCALP,
    TINT_FRAME,
    TINT_HAIR,
    TINT_HAT,
    TINT_MASK,
    TINT_METAL,
    TINT_SCARF,
    TINT_SKIN,
)  # fmt: skip
from facebench.synth.noise import look_up, step
from facebench.synth.skin import paint_brow, paint_lids, paint_lips, paint_skin
from facebench.synth.skinmaps import BEARD as BEARD_MAP
from facebench.synth.skinmaps import skin_at
from facebench.synth.surfaces import (
    hair_tone,
    paint_cloth,
    paint_eye,
    paint_hair,
    paint_knit,
    paint_mouth,
    set_sample,
)  # fmt: skip


@inlined
def _paint_face(
    m: int, cx: float, cy: float, theta: float, over: float, table: AnyArray, brows: AnyArray,
    tints: AnyArray, knobs: AnyArray, maps: AnyArray, textures: AnyArray, local: AnyArray, px: AnyArray,
) -> None:  # fmt: skip
    """Skin of the face with brows, lids and lips, the roots of the hair, or the mask over it."""
    if m == MASK:
        fold = 0.93 + 0.07 * math.sin(cy * 0.55) + 0.08 * (look_up(textures, 0, cx * 2.0, cy * 2.0) - 0.5)
        set_sample(px, tints, TINT_MASK, fold, 0.02, 20.0, 0.05, 0.95)
        return
    px[4], px[5], px[7] = 22.0, 0.18, 0.0
    skin_at(maps, abs(cx), cy, local)
    phi = abs(theta) if theta <= 180.0 else 360.0 - theta
    # The beard thins out before the ear, where the neck begins.
    local[BEARD_MAP] *= step(92.0, 78.0, phi)
    paint_skin(cx, cy, tints, knobs, local, textures, px)
    paint_lids(cx, cy, table, tints, knobs, px)
    paint_brow(cx, cy, table, brows, tints, knobs, textures, px)
    paint_lips(cx, cy, table, tints, knobs, textures, px)
    if phi > 80.0:
        px[6] *= 1.0 - 0.4 * step(80.0, 95.0, phi) * step(10.0, -20.0, cy)
    if knobs[BARE_SCALP] < 0.5:
        px[6] *= 1.0 - 0.35 * step(-7.0, 0.0, over)
        if over > -7.0:
            tone, lock = hair_tone(theta, cy, knobs, textures)
            roots = 0.92 * step(-7.0, 1.5, over + 5.5 * (lock - 0.62))
            for k in range(3):
                px[k] += (tints[TINT_HAIR, k] * 0.8 * tone - px[k]) * roots
            px[3] *= 1.0 - roots
            px[6] += (0.75 - px[6]) * roots


@inlined
def _paint_other(
    m: int, cx: float, cy: float, theta: float, extra: float, collar: AnyArray, tints: AnyArray, knobs: AnyArray,
    textures: AnyArray, px: AnyArray,
) -> None:  # fmt: skip
    """Neck, ears, clothes and accessories."""
    if m == NECK:
        grain = 1.0 + 0.10 * (look_up(textures, 1, cx * 1.1, cy * 1.1) - 0.5)
        set_sample(px, tints, TINT_SKIN, grain, 0.06, 22.0, 0.18, 0.0)
        px[6] = max(0.55 + 0.45 * step(-70.0, -130.0, cy), step(-58.0, -28.0, cy))
    elif m in (EAR_R, EAR_L):
        set_sample(px, tints, TINT_SKIN, 1.0, 0.07, 22.0, 0.22, 0.45 + 0.55 * extra)
        px[1] *= 0.90
        px[2] *= 0.88
    elif m == CLOTH:
        front = max(0.0, math.cos(math.radians(theta))) ** 4
        paint_cloth(cx, cy, cy - (collar[0] - collar[1] * front), tints, knobs, textures, px)
    elif m == HAT:
        paint_knit(tints, TINT_HAT, theta, cy, textures, px)
    elif m == SCARF:
        paint_knit(tints, TINT_SCARF, theta * 0.7, cy + extra * 8.0, textures, px)
    elif m in (EARRING, NECKLACE):
        bead = 0.75 + 0.25 * math.sin(theta * 2.6)
        set_sample(px, tints, TINT_METAL, bead, 0.8, 30.0, 0.0, 0.9)
    elif m == FRAME:
        set_sample(px, tints, TINT_FRAME, 1.0, 0.35, 40.0, 0.0, 0.9)
    elif m == HAND:
        grain = 1.0 + 0.12 * (look_up(textures, 1, cx * 1.5, cy * 1.5) - 0.5)
        set_sample(px, tints, TINT_SKIN, grain, 0.07, 22.0, 0.18, 1.0)
        px[6] = 0.6 + 0.4 * extra
        px[1] *= 0.93
        px[2] *= 0.92


@inlined
def _samples_needed(cx: float, cy: float, over: float, table: AnyArray, brows: AnyArray) -> int:
    """How many of four samples the skin needs: 4 at the lashes, 2 at brows, lips, nostrils and roots of the hair."""
    ax = abs(cx)
    if 11.0 < ax < 54.0 and -11.0 < cy < 42.0:
        if cy < 13.0:
            first = 0 if cx < 0 else 2
            share = 0.5 * (eye_t(ax) + 1.0)
            if (
                read_curve(table, first + LOWER_LID, share) - 1.6
                < cy
                < read_curve(table, first + UPPER_LID, share) + 2.0
            ):
                return 4
            return 2
        p = (ax - brows[0]) / brows[1]
        if abs(cy - read_curve(table, BROW_MIDDLE, p)) < read_curve(table, BROW_HALF, p) + 2.5:
            return 2
    if ax < 28.0 and -82.0 < cy < -54.0:
        return 2
    return 2 if (over > -8.0 or (ax < 14.0 and -50.0 < cy < -42.0)) else 1


@inlined
def _block_step(
    y: int, x: int, factor: int, material: AnyArray, part: AnyArray, canon: AnyArray, depth: AnyArray,
    table: AnyArray, brows: AnyArray,
) -> int:  # fmt: skip
    """How many samples of a pixel to shade: 1 where the pixel is plain, 2 in hair, else all (4).

    Only asked at the first sample of a pixel with 2 x 2 samples; the others copy their neighbour.
    """
    if factor != 2:
        return 4
    m, p = material[y, x], part[y, x]
    for k in range(1, 4):
        i, j = y + (k >> 1), x + (k & 1)
        if material[i, j] != m or part[i, j] != p or abs(depth[i, j] - depth[y, x]) > 4.0:
            return 4
    if m == HAIR:
        return 2
    if m in (SKIN, NOSE):
        return _samples_needed(
            np.float64(canon[y, x, 0]), np.float64(canon[y, x, 1]), np.float64(canon[y, x, 3]), table, brows
        )
    return 1 if m in (NECK, CLOTH, MASK, SCARF, HAND, HAT) else 4


@inlined
def _aim(
    wx: float, wy: float, wz: float, y: int, x: int, shell: bool, normals: AnyArray, normal: AnyArray, view: AnyArray
) -> None:
    """Write the unit normal and the unit vector to the camera of a sample; thin shells are seen from both sides."""
    length = 1.0 / math.sqrt(wx * wx + wy * wy + wz * wz)
    view[0], view[1], view[2] = -wx * length, -wy * length, -wz * length
    square, towards = 1e-12, 0.0
    for k in range(3):
        normal[k] = normals[y, x, k]
        square += normal[k] * normal[k]
        towards += normal[k] * view[k]
    length = (-1.0 if (shell and towards < 0.0) else 1.0) / math.sqrt(square)
    for k in range(3):
        normal[k] *= length


@leaf
def _shade_samples(
    material: AnyArray, part: AnyArray, canon: AnyArray, normals: AnyArray, depth: AnyArray, spans: AnyArray,
    factor: int, regions: Regions, tints: AnyArray, knobs: AnyArray, stage: Stage, maps: AnyArray,
    textures: AnyArray, table: AnyArray, scratch: AnyArray, rgb: AnyArray,
) -> None:  # fmt: skip
    """Colour every sample; see `shade`. `scratch` is (5, 8) float, working space."""
    side = material.shape[0]
    brows, collar = regions.brows, regions.collar
    key, colour, ambient, rotation = stage.key, stage.key_colour, stage.ambient, stage.rotation
    eyes, gaze, shadow, axes = stage.eyes, stage.gaze, stage.shadow, stage.shadow_axes
    focal, distance, scale = stage.focal, stage.distance, stage.shadow_scale
    px, normal, view, local, out = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4]
    for row in range(side // factor):
        first, last = side, 0
        for y in range(row * factor, row * factor + factor):
            first, last = min(first, spans[y, 0]), max(last, spans[y, 1])
        for column in range(first // factor, (last + factor - 1) // factor):
            count = 0
            for sample in range(factor * factor):
                y, x = row * factor + sample // factor, column * factor + sample % factor
                m = material[y, x]
                if sample == 0:
                    count = _block_step(y, x, factor, material, part, canon, depth, table, brows)
                elif count < 4 and (count == 1 or sample != 3):
                    for k in range(3):
                        rgb[y, x, k] = out[k]
                    continue
                if m == BACKGROUND:
                    continue
                z = np.float64(depth[y, x])
                wx, wy = (x + 0.5 - side * 0.5) * z / focal, -(y + 0.5 - side * 0.5) * z / focal
                _aim(wx, wy, -z, y, x, part[y, x] >= PART_HAIR, normals, normal, view)
                cx, cy = np.float64(canon[y, x, 0]), np.float64(canon[y, x, 1])
                theta, extra = np.float64(canon[y, x, 2]), np.float64(canon[y, x, 3])
                is_eye = m in (EYE_R, EYE_L)
                if is_eye:
                    eye = 0 if m == EYE_R else 1
                    paint_eye(cx, cy, view, eyes, eye, gaze, rotation, table, tints, textures, normal, px)
                facing = normal[0] * key[0] + normal[1] * key[1] + normal[2] * key[2]
                lit = lit_share(wx, wy, -z, facing, distance, shadow, axes, scale) if facing > -0.3 else 0.0
                if is_eye:
                    pass
                elif m == HAIR:
                    paint_hair(theta, cy, view, key, rotation, normal, lit, tints, knobs, textures, px)
                    px[6] = 0.75 if part[y, x] == PART_HAIR else 0.72 + 0.28 * step(0.0, 14.0, extra)
                elif m == INNER_MOUTH:
                    paint_mouth(cx, extra, knobs, px)
                elif m <= LOWER_LIP or m == MASK:
                    _paint_face(m, cx, cy, theta, extra, table, brows, tints, knobs, maps, textures, local, px)
                else:
                    _paint_other(m, cx, cy, theta, extra, collar, tints, knobs, textures, px)
                lighten(px, normal, view, max(lit, px[7]), key, colour, ambient, out)
                for k in range(3):
                    out[k] = min(out[k], 1.3)
                    rgb[y, x, k] = out[k]


def shade(
    material: AnyArray, part: AnyArray, canon: AnyArray, normals: AnyArray, depth: AnyArray, spans: AnyArray,
    factor: int, regions: Regions, tints: AnyArray, knobs: AnyArray, stage: Stage, maps: AnyArray,
    textures: AnyArray, rgb: AnyArray,
) -> None:  # fmt: skip
    """Colour every sample.

    Args:
        material: (H, H) uint8, labels.py.
        part: (H, H) uint8, head.py.
        canon: (H, H, 4) float32 as left by `labels.classify`.
        normals: (H, H, 3) float32, any length.
        depth: (H, H) float32, mm.
        spans: (H, 2) int32 from `raster.surface`.
        factor: samples along each side of a pixel.
        regions: curves of this face.
        tints: (12, 3) float, looks.py.
        knobs: (16,) float, looks.py.
        stage: camera and light.
        maps: skinmaps.skin_maps().
        textures: noise.textures().
        rgb: (H, H, 3) float32 linear, written where a surface is.
    """
    table = curve_table(regions.lids, regions.brows, regions.lips)
    _shade_samples(
        material, part, canon, normals, depth, spans, factor, regions, tints, knobs, stage, maps, textures, table,
        np.zeros((5, 8)), rgb,
    )  # fmt: skip
