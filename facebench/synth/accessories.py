"""What people wear or hold before the face: glasses, hats, earrings, scarfs, masks and hands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.fields import ramp
from facebench.synth.hair import grown_at
from facebench.synth.head import EYE_RADIUS, PART_BRIM, PART_EARRING, PART_FRAME, PART_HAND, PART_SCARF, head
from facebench.synth.labels import CLEAR_LENS, DARK_LENS, NO_LENS, hat_edge
from facebench.synth.mesh import Piece, grid_piece, tube

NO_HAT = np.array([999.0, 0.0, 0.0])


@dataclass(frozen=True, eq=False)
class Accessories:
    """What a face wears in one picture.

    Attributes:
        lens: NO_LENS, CLEAR_LENS or DARK_LENS.
        lens_power: exponent of the outline of the lenses, 0.5 (square) to 1 (round).
        lens_size: (half width, half height), mm.
        hat: "none", "beanie", "cap" or "brim".
        hat_line: (3,) edge of the hat, see `labels.hat_edge`.
        earring: 0 none, else the drop of the earring in mm.
        hoop: whether the earring is a ring.
        necklace: (3,) see `labels.Regions`.
        collar: (2,) see `labels.Regions`.
        mask: face mask on.
        scarf: height of the scarf's upper edge, mm; -999 without.
        hand: "none", "chin", "cheek", "mouth" or "eye".
        hand_side: -1 image left, 1 image right.
    """

    lens: int
    lens_power: float
    lens_size: tuple[float, float]
    hat: str
    hat_line: AnyArray
    earring: float
    hoop: bool
    necklace: AnyArray
    collar: AnyArray
    mask: bool
    scarf: float
    hand: str
    hand_side: int


@dataclass(frozen=True)
class Shares:
    """How often each thing is worn."""

    glasses: float = 0.17
    dark: float = 0.25
    hat: float = 0.11
    mask: float = 0.05
    scarf: float = 0.07
    hand: float = 0.09
    jewellery: float = 1.0


PLAIN = Shares(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

_HATS = {"beanie": (16.0, 30.0), "cap": (36.0, 18.0), "brim": (38.0, 14.0)}
HAT_SHAPE = {"none": (0.0, 0.0), "beanie": (7.0, 6.0), "cap": (6.0, 8.0), "brim": (6.0, 24.0)}
"""Thickness and extra height of the crown, mm."""


def draw_accessories(rng: np.random.Generator, shares: Shares, *, female: bool, pierced: bool) -> Accessories:
    """Accessories at random; at most one of mask, scarf and hand hides the face."""
    lens = NO_LENS
    if rng.random() < shares.glasses:
        lens = DARK_LENS if rng.random() < shares.dark else CLEAR_LENS
    power, size = rng.uniform(0.5, 1.0), (rng.uniform(23, 26), rng.uniform(16, 20))
    hat, line = "none", NO_HAT
    if rng.random() < shares.hat:
        hat = str(rng.choice(list(_HATS)))
        line = np.array([_HATS[hat][0] + rng.normal() * 2, _HATS[hat][1] + rng.normal() * 2, rng.normal() * 3])
    earring = rng.uniform(4, 16) if pierced and rng.random() < 0.62 * shares.jewellery else 0.0
    low = rng.random() < (0.55 if female else 0.2)
    collar = np.array([-138 + rng.normal() * 4, rng.uniform(24, 42) if low else rng.uniform(0, 14)])
    necklace = np.array([-126.0 + rng.normal() * 3, rng.uniform(12, 26), 0.0])
    if rng.random() < (0.42 if female else 0.10) * shares.jewellery:
        necklace[2] = rng.uniform(1.1, 2.4)
        collar[1] = max(collar[1], necklace[1] + 16)
    which, pick = rng.random(), np.cumsum([shares.mask, shares.scarf, shares.hand])
    scarf = rng.uniform(-84, -46) if pick[0] <= which < pick[1] else -999.0
    hand = str(rng.choice(["chin", "cheek", "mouth", "eye"])) if pick[1] <= which < pick[2] else "none"
    return Accessories(
        lens, float(power), size, hat, line, float(earring), bool(rng.random() < 0.5), necklace, collar,
        bool(which < pick[0]), float(scarf), hand, int(rng.choice([-1, 1])),
    )  # fmt: skip


def _lens_outline(things: Accessories, eye: AnyArray, side: int, plane: float, count: int) -> AnyArray:
    """(count, 3) closed outline of one lens before an eye."""
    angle = np.linspace(0, 2 * np.pi, count)
    cos, sin = np.cos(angle), np.sin(angle)
    half_x, half_y = things.lens_size
    x = eye[0] + side * 1.5 + half_x * np.sign(cos) * np.abs(cos) ** things.lens_power
    y = eye[1] - 3 + half_y * np.sign(sin) * np.abs(sin) ** things.lens_power
    return np.stack([x, y, plane - 0.0032 * x**2], 1)


def glasses(things: Accessories, eyes: AnyArray, nasion: AnyArray, temple: float) -> tuple[list[Piece], list[Piece]]:
    """Frame and lenses.

    Args:
        things: the accessories.
        eyes: (2, 3) centres of the eyeballs, image left first, mm.
        nasion: (3,) root of the nose.
        temple: half width of the head at the ears.

    Returns:
        Opaque pieces of the frame, and the two lenses.
    """
    plane = max(nasion[2] + 4.0, eyes[:, 2].max() + EYE_RADIUS + 12.0)
    frame, lenses = [], []
    for eye, side in zip(eyes, (-1, 1), strict=True):
        outline = _lens_outline(things, eye, side, plane, 41)
        frame.append(tube(outline, 1.1, PART_FRAME, sides=5))
        centre = outline[:-1].mean(0)
        lenses.append(grid_piece(np.stack([np.broadcast_to(centre, outline.shape), outline]), PART_FRAME))
        t = np.linspace(0, 1, 9)[:, None]
        corner = outline[np.argmax(side * outline[:, 0])]
        start = np.array([corner[0], eye[1] + 5, corner[2]])
        end = np.array([side * (temple + 2.5), eye[1] + 3, 2.0])
        arm = start * (1 - t) + end * t
        arm[:, 0] += side * 5 * np.sin(np.pi * t[:, 0]) ** 0.7
        frame.append(tube(arm, 1.2, PART_FRAME, sides=5))
    t = np.linspace(-1, 1, 11)
    middle, half = eyes[:, 0].mean(), (eyes[1, 0] - eyes[0, 0]) / 2 + 1.5 - things.lens_size[0]
    bridge = np.stack([middle + t * half, eyes[:, 1].mean() + 1 + 3 * (1 - t**2), np.full(11, plane + 0.5)], 1)
    frame.append(tube(bridge, 1.2, PART_FRAME, sides=5))
    return frame, lenses


def brim(things: Accessories, surface: AnyArray) -> Piece:
    """The visor of a cap or the brim of a hat, growing from the hat's edge.

    Args:
        things: the accessories, hat "cap" or "brim".
        surface: (V, 3) the head with its hat.
    """
    grid = head()
    cap = things.hat == "cap"
    degrees = np.linspace(-68, 68, 41) if cap else np.linspace(-90, 270, 73)
    edge = np.array([hat_edge(d, things.hat_line) for d in degrees]) + 2.0
    start = grown_at(surface, grid, np.radians(degrees), edge)
    angle = np.radians(degrees)
    out = np.stack([np.sin(angle), np.zeros_like(angle), np.cos(angle)], 1)
    # A visor ends in a point at its sides; a brim has the same width all round.
    reach = 58 * np.clip(1 - (degrees / 68) ** 2, 0, 1) ** 0.6 if cap else np.full(len(degrees), 48.0)
    s = np.linspace(0, 1, 7)[:, None]
    vertices = start[None] + out[None] * (reach[None] * s)[..., None]
    if cap:
        vertices[..., 0] = start[None, :, 0] * (1 - 0.25 * s)
        vertices[..., 2] = start[None, :, 2] + reach[None] * s
    vertices[..., 1] -= (10.0 if cap else 9.0) * s**2 * (reach[None] / 50)
    vertices[0] = start - out * 4.0
    return grid_piece(vertices, PART_BRIM, theta=degrees[None])


def earrings(things: Accessories, lobes: AnyArray) -> list[Piece]:
    """A stud on a drop, or a ring, under each ear lobe; lobes: (2, 3), mm."""
    pieces = []
    for lobe, side in zip(lobes, (-1, 1), strict=True):
        drop = things.earring
        if things.hoop:
            radius = 6 + drop * 0.55
            t = np.linspace(0, 2 * np.pi, 25)
            ring = np.stack([0 * t + side * 1.0, radius * np.cos(t) - radius, radius * np.sin(t)], 1)
            pieces.append(tube(lobe + ring, 1.3, PART_EARRING, sides=5))
            continue
        t = np.linspace(0, 1, 9)
        path = lobe + np.stack([0 * t + side * 1.5, 1.0 - (drop + 7) * t, 0 * t], 1)
        beads = np.where(t < 0.45, 0.9, 0.9 + 3.2 * np.sin(np.pi * np.clip((t - 0.45) / 0.55, 0.02, 0.98)))
        pieces.append(tube(path, beads, PART_EARRING, sides=8))
    return pieces


def scarf(top: float, chin: float, rng: np.random.Generator) -> Piece:
    """A thick scarf round neck and jaw; `top` is the height of its edge, `chin` how far chin and lips stand out (z)."""
    angle = np.linspace(-np.pi, np.pi, 73)[None]
    s = np.linspace(0, 1, 26)[:, None]
    phase = rng.uniform(0, 6.28)
    edge = top + 5 * np.sin(angle * 2 + phase) - 14 * (1 - np.cos(angle)) / 2
    y = edge * (1 - s) - 172 * s
    bulge = 1 + 0.10 * np.sin(s * np.pi) + 0.035 * np.sin(s * 19 + 2 * np.sin(angle + phase))
    lip = np.where(s < 0.03, 0.93, 1.0)
    front = max(102.0, chin + 9.0)
    half = (front + 72) / 2
    x = 80 * bulge * lip * np.sin(angle) * (1 + 0.16 * s)
    z = front - half + half * bulge * lip * np.cos(angle)
    return grid_piece(np.stack([x, y, z], -1), PART_SCARF, theta=np.degrees(angle), extra=np.sin(s * 9 + angle))


def hand(things: Accessories, target: AnyArray, rotation: AnyArray, rng: np.random.Generator) -> list[Piece]:
    """A hand held before the face, seen from its back: four fingers, a thumb and the palm.

    Args:
        things: the accessories.
        target: (3,) point of the face that the finger tips reach, head frame, mm.
        rotation: (3, 3) head to view axes; the hand faces the camera.
        rng: random numbers.
    """
    side = things.hand_side
    lean = np.radians(rng.uniform(8, 34)) * -side
    up = np.array([np.sin(lean), np.cos(lean), 0.0])
    across = np.array([np.cos(lean), -np.sin(lean), 0.0]) * side
    pieces = []
    for k, (length, radius) in enumerate(((62, 7.2), (76, 8.0), (80, 8.2), (70, 7.8))):
        root = across * (24 - 16.5 * k) - up * 78
        t = np.linspace(0, 1, 9)[:, None]
        bend = 5.0 * np.sin(np.pi * t)
        path = root + up * (length + 6) * t + across * (2.0 * (1.5 - k) * t) + np.array([0.0, 0.0, 1.0]) * bend
        taper = radius * np.where(t[:, 0] > 0.93, 0.45, 1.0 - 0.16 * t[:, 0]) + 0.5 * np.exp(
            -(((t[:, 0] - 0.5) / 0.1) ** 2)
        )
        pieces.append((path, taper, 9))
    t = np.linspace(0, 1, 10)[:, None]
    round_tip = np.sqrt(np.clip((1.0 - t[:, 0]) / 0.22, 0.03, 1.0))
    thumb = -across * 34 - up * 132 + (up * 66 - across * 18) * t
    pieces.append((thumb, 9.5 * round_tip * (1 - 0.15 * t[:, 0]), 9))
    t = np.linspace(0, 1, 18)[:, None]
    wrist = -up * 215 + up * 150 * t - np.array([0, 0, 4.0])
    end = np.sqrt(np.clip((1.0 - t[:, 0]) / 0.20, 0.02, 1.0))
    pieces.append((wrist, (27 + 11 * ramp(0.25, 0.7, t[:, 0])) * end, 20))
    forward = np.array([0.0, 0.0, 12.0])
    out = []
    for index, (path, thickness, sides) in enumerate(pieces):
        piece = tube(path, thickness, PART_HAND, sides=sides)
        local = piece.vertices.copy()
        if index == 5:
            local[:, 2] *= 0.42
        out.append(Piece(target + (local + forward) @ rotation, piece.faces, PART_HAND, piece.canon))
    return out


def mask_shell(positions: AnyArray) -> AnyArray:
    """(3, rows, columns) positions with a face mask stretched over nose, mouth and chin.

    The cloth spans from nose to chin without following nostrils and lips: each row of the masked zone is lifted to a
    tent over the midline, which itself is the upper hull of the profile.
    """
    grid = head()
    inside = (grid.rows < -8.0) & (grid.rows > -117.0)
    middle = int(np.argmin(np.abs(grid.theta)))
    y, z = positions[1, inside, middle], positions[2, inside, middle]
    hull = _upper_hull(y[::-1], z[::-1] + 1.5)
    tent = np.interp(positions[1], hull[:, 0], hull[:, 1]) - 0.26 * np.abs(grid.cx) - 0.0085 * grid.cx**2
    ax = np.abs(grid.cx)
    top = -24 + 10 * np.exp(-((ax / 13) ** 2)) + 0.006 * ax**2
    cover = ramp(1.5, -1.5, grid.cy - top) * (grid.cy > -117) * (np.cos(grid.theta)[None] > 0.02)
    out = positions.copy()
    lifted = np.maximum(positions[2] + 1.2, tent)
    out[2] += (cover * (lifted - positions[2])).astype(np.float32)
    return out


def _upper_hull(x: AnyArray, z: AnyArray) -> AnyArray:
    """(n, 2) the points of the upper convex hull of a profile with increasing x."""
    order = np.argsort(x, kind="stable")
    hull: list[tuple[float, float]] = []
    for px, pz in zip(x[order].tolist(), z[order].tolist(), strict=True):
        while len(hull) > 1 and (hull[-1][0] - hull[-2][0]) * (pz - hull[-2][1]) >= (hull[-1][1] - hull[-2][1]) * (
            px - hull[-2][0]
        ):
            hull.pop()
        hull.append((px, pz))
    return np.array(hull)
