"""What each pixel shows: one material per pixel, and the label maps of LaPa and CelebAMask-HQ that follow from it.

`_R` and `_L` are the person's right and left; the right one lies on the image left of a frontal face. LaPa's "left"
eye and brow (2, 4) are the image-left ones (facer renames them to right); CelebAMask-HQ's `l_` parts are the person's
left, image right (seen in its sample label maps, whose `l_eye` lies at the larger x).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.compiled import exact, inlined, leaf
from facebench.synth.curves import (
    BROW_HALF,
    BROW_MIDDLE,
    LOWER_LID,
    LOWER_LIP_ROW,
    UPPER_LID,
    UPPER_LIP_ROW,
    curve_table,
    eye_t,
    nose_half,
    read_curve,
)
from facebench.synth.head import MOUTH_HALF, PART_HAIR, PART_HAND, SEAM_Y
from facebench.synth.noise import look_up

(
    BACKGROUND, SKIN, NOSE, EYE_R, EYE_L, BROW_R, BROW_L, UPPER_LIP, INNER_MOUTH, LOWER_LIP, HAIR, EAR_R, EAR_L, NECK,
    CLOTH, HAT, EARRING, NECKLACE, FRAME, MASK, SCARF, HAND,
) = range(22)  # fmt: skip
MATERIALS = 22

LAPA_OF = np.zeros(MATERIALS, np.uint8)
for _material, _label in {
    SKIN: 1, BROW_R: 2, BROW_L: 3, EYE_R: 4, EYE_L: 5, NOSE: 6, UPPER_LIP: 7, INNER_MOUTH: 8, LOWER_LIP: 9, HAIR: 10,
}.items():  # fmt: skip
    LAPA_OF[_material] = _label

CELEB_OF = np.zeros(MATERIALS, np.uint8)
for _material, _label in {
    SKIN: 1, NOSE: 2, FRAME: 3, EYE_L: 4, EYE_R: 5, BROW_L: 6, BROW_R: 7, EAR_L: 8, EAR_R: 9, INNER_MOUTH: 10,
    UPPER_LIP: 11, LOWER_LIP: 12, HAIR: 13, HAT: 14, EARRING: 15, NECKLACE: 16, NECK: 17, CLOTH: 18, SCARF: 18,
}.items():  # fmt: skip
    CELEB_OF[_material] = _label

CELEB_PARTS = (
    "skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear",
    "mouth", "u_lip", "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth",
)  # fmt: skip
"""Part names of CelebAMask-HQ in the order of the official `g_mask.py`; part k has id k + 1 and is painted k-th."""

_SHELLS = np.array([HAIR, FRAME, HAT, EARRING, SCARF, HAND], np.uint8)
assert PART_HAIR + len(_SHELLS) == PART_HAND + 1

NO_LENS, CLEAR_LENS, DARK_LENS = 0, 1, 2


class Regions(NamedTuple):
    """The curves that cut one face into regions; arrays and numbers only, for the compiled kernels.

    Attributes:
        lids: (5,) upper and lower of the image-left eye, upper and lower of the image-right eye, tilt; mm.
        brows: (6,) brow curve, see `curves.brow`.
        lips: (3,) lip curve, see `curves.upper_lip`.
        hairline: (361,) height over which hair grows at theta = -90 ... 270 degrees.
        strands: how far single strands cross the hairline, mm.
        hat: (height at the sides, rise to the front, tilt) of the hat's edge; the first is 999 without a hat.
        mask: 1 with a face mask.
        collar: (height at the sides, drop to the front) of the clothes.
        necklace: (height at the sides, drop to the front, half thickness); the last is 0 without one.
    """

    lids: AnyArray
    brows: AnyArray
    lips: AnyArray
    hairline: AnyArray
    strands: float
    hat: AnyArray
    mask: float
    collar: AnyArray
    necklace: AnyArray


@inlined
def mask_top(ax: float) -> float:
    """Upper edge of a face mask: over the nose, lower at the cheeks."""
    return float(-24.0 + 10.0 * np.exp(-((ax / 13.0) ** 2)) + 0.006 * ax * ax)


@inlined
def _front_drop(theta: float, power: int) -> float:
    """1 in front (theta 0, degrees), falling to 0 at the sides."""
    return float(max(0.0, np.cos(np.radians(theta))) ** power)


@inlined
def hat_edge(theta: float, hat: AnyArray) -> float:
    """Height of the lower edge of the hat at an angle in degrees."""
    return float(hat[0] + hat[1] * np.cos(np.radians(theta)) + hat[2] * np.sin(np.radians(theta)))


@inlined
def over_hairline(theta: float, cy: float, hairline: AnyArray, strands: float, textures: AnyArray) -> float:
    """Height over the hairline with its strands, mm; positive is hair."""
    place = min(359.999, max(0.0, theta + 90.0))
    cell = int(place)
    line = hairline[cell] + (hairline[cell + 1] - hairline[cell]) * (place - cell)
    if not -18.0 < cy - line < 18.0:
        return float(cy - line)
    line += strands * (look_up(textures, 2, theta * 2.133333, cy * 0.15) - 0.5)
    line += 1.2 * (look_up(textures, 0, theta * 5.688889, cy * 3.0) - 0.5)
    return float(cy - line)


@inlined
def _face_region(cx: float, cy: float, table: AnyArray, brows: AnyArray) -> int:
    """Region of a point of the bare face."""
    ax = abs(cx)
    t = eye_t(ax)
    if -1.0 < t < 1.0 and -14.0 < cy < 14.0:
        first = 0 if cx < 0 else 2
        share = 0.5 * (t + 1.0)
        if read_curve(table, first + LOWER_LID, share) < cy < read_curve(table, first + UPPER_LID, share):
            return EYE_R if cx < 0 else EYE_L
    u = ax / MOUTH_HALF
    if u < 1.0 and -86.0 < cy < -50.0:
        if SEAM_Y <= cy < SEAM_Y + read_curve(table, UPPER_LIP_ROW, u):
            return UPPER_LIP
        if SEAM_Y - read_curve(table, LOWER_LIP_ROW, u) < cy <= SEAM_Y:
            return LOWER_LIP
    p = (ax - brows[0]) / brows[1]
    near = 0.0 < p < 1.0 and 0.0 < cy < 45.0
    if near and abs(cy - read_curve(table, BROW_MIDDLE, p)) < read_curve(table, BROW_HALF, p):
        return BROW_R if cx < 0 else BROW_L
    return NOSE if ax < nose_half(cy) else SKIN


@leaf
def _classify_samples(
    part: AnyArray, canon: AnyArray, regions: Regions, textures: AnyArray, table: AnyArray, material: AnyArray
) -> None:
    """Name the material of every pixel; see `classify`."""
    height = part.shape[0]
    brows, hairline, hat = regions.brows, regions.hairline, regions.hat
    collar, necklace, strands, mask = regions.collar, regions.necklace, regions.strands, regions.mask
    for y in range(height):
        for x in range(part.shape[1]):
            kind = part[y, x]
            if kind == 255:
                material[y, x] = BACKGROUND
                continue
            cx, cy, theta = np.float64(canon[y, x, 0]), np.float64(canon[y, x, 1]), np.float64(canon[y, x, 2])
            if kind == 0:
                phi = abs(theta) if theta <= 180.0 else 360.0 - theta
                over = over_hairline(theta, cy, hairline, strands, textures)
                canon[y, x, 3] = over
                if hat[0] < 900.0 and cy > hat_edge(theta, hat):
                    material[y, x] = HAT
                elif over > 0.0:
                    material[y, x] = HAIR
                elif mask > 0.0 and phi < 89.0 and -118.0 < cy < mask_top(abs(cx)):
                    material[y, x] = MASK
                elif phi > 93.0 and cy < 40.0:
                    material[y, x] = NECK
                else:
                    material[y, x] = _face_region(cx, cy, table, brows)
            elif kind == 1:
                material[y, x] = MASK if mask > 0.0 else INNER_MOUTH
            elif kind == 2:
                front, soft = _front_drop(theta, 4), _front_drop(theta, 2)
                ring = necklace[0] - necklace[1] * soft
                if cy < collar[0] - collar[1] * front:
                    material[y, x] = CLOTH
                elif abs(cy - ring) < necklace[2]:
                    material[y, x] = NECKLACE
                else:
                    material[y, x] = NECK
            elif kind == 3:
                material[y, x] = EAR_R if cx < 0 else EAR_L
            else:
                material[y, x] = _SHELLS[kind - 4]


def classify(part: AnyArray, canon: AnyArray, regions: Regions, textures: AnyArray, material: AnyArray) -> None:
    """Name the material of every pixel; over the head, canon[..., 3] becomes the height over the hairline.

    Args:
        part: (H, W) uint8, 255 where nothing is.
        canon: (H, W, 4) float32, see `raster.surface`.
        regions: curves of this face.
        textures: (3, 256, 256) float32.
        material: (H, W) uint8, written.
    """
    table = curve_table(regions.lids, regions.brows, regions.lips)
    _classify_samples(part, canon, regions, textures, table, material)


@exact
def _vote(counts: AnyArray, classes: int) -> int:
    """The class with most votes; the lowest id wins a tie."""
    best = 0
    for k in range(1, classes):
        if counts[k] > counts[best]:
            best = k
    return best


@exact
def label_maps(
    material: AnyArray, glass: AnyArray, lapa_of: AnyArray, celeb_of: AnyArray, factor: int,
    lapa: AnyArray, celeb: AnyArray, under_glass: AnyArray,
) -> None:  # fmt: skip
    """Majority label of each picture pixel over its samples.

    Args:
        material: (S * factor, S * factor) uint8.
        glass: the same shape, uint8: NO_LENS, CLEAR_LENS or DARK_LENS in front.
        lapa_of: (MATERIALS,) uint8, LaPa label of each material.
        celeb_of: (MATERIALS,) uint8, CelebAMask-HQ label of each material.
        factor: samples along each side of a pixel.
        lapa: (S, S) uint8, written. A dark lens turns eyes and brows into skin; a clear one leaves them.
        celeb: (S, S) uint8, written. A dark lens is glasses, a clear one too except over eyes and brows.
        under_glass: (S, S) bool, written: most samples lie behind a lens or on the frame.
    """
    size = lapa.shape[0]
    votes_lapa, votes_celeb = np.zeros(11, np.int64), np.zeros(19, np.int64)
    for y in range(size):
        for x in range(size):
            first, glassy = material[y * factor, x * factor], glass[y * factor, x * factor]
            same = glassy == 0 and first != FRAME
            for k in range(1, factor * factor):
                i, j = y * factor + k // factor, x * factor + k % factor
                same = same and material[i, j] == first and glass[i, j] == 0
            if same:
                lapa[y, x], celeb[y, x], under_glass[y, x] = lapa_of[first], celeb_of[first], False
                continue
            votes_lapa[:] = 0
            votes_celeb[:] = 0
            covered = 0
            for dy in range(factor):
                for dx in range(factor):
                    m, lens = material[y * factor + dy, x * factor + dx], glass[y * factor + dy, x * factor + dx]
                    a, b = lapa_of[m], celeb_of[m]
                    if lens == 2 and 2 <= a <= 5:
                        a = 1
                    if lens == 2 or (lens == 1 and not (EYE_R <= m <= BROW_L)):
                        b = 3
                    covered += 1 if (lens > 0 or m == FRAME) else 0
                    votes_lapa[a] += 1
                    votes_celeb[b] += 1
            lapa[y, x] = _vote(votes_lapa, 11)
            celeb[y, x] = _vote(votes_celeb, 19)
            under_glass[y, x] = 2 * covered >= factor * factor


def part_masks(celeb: AnyArray, under_glass: AnyArray) -> dict[str, AnyArray]:
    """Masks of the CelebAMask-HQ parts, with the overlaps of the real set.

    Skin reaches under the features of the face and glasses under eyes and brows, as annotators draw them; painting
    the masks in the order of their ids, later over earlier, gives `celeb` back.

    Args:
        celeb: (H, W) uint8, the final map.
        under_glass: (H, W) bool, pixels behind the glasses.

    Returns:
        part name to (H, W) bool.
    """
    masks = {name: celeb == k + 1 for k, name in enumerate(CELEB_PARTS)}
    masks["skin"] = np.isin(celeb, (1, 2, 4, 5, 6, 7, 10, 11, 12))
    masks["eye_g"] = masks["eye_g"] | (under_glass & np.isin(celeb, (4, 5, 6, 7)))
    return masks
