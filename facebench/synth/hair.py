"""Hair as geometry: the scalp grows outwards, long hair hangs as a curtain, loose locks break the outline."""

from __future__ import annotations

import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.compiled import exact
from facebench.synth.fields import ramp
from facebench.synth.hairstyle import HairStyle
from facebench.synth.head import PART_HAIR, Head, grid_faces, head, loft
from facebench.synth.labels import hat_edge
from facebench.synth.mesh import Piece, grid_piece
from facebench.synth.noise import look_up, step, textures


@exact
def _grow(
    positions: AnyArray, mean: AnyArray, theta: AnyArray, rows: AnyArray, hairline: AnyArray, shape: AnyArray,
    hat: AnyArray, noise: AnyArray, out: AnyArray,
) -> None:  # fmt: skip
    """Push the scalp out to the surface of the hair, and to that of the hat.

    Args:
        positions: (3, rows, columns) float32, mm.
        mean: the same of the mean head; the hair grows away from its middle.
        theta: (columns,) radians.
        rows: (rows,) mm.
        hairline: (361,) float.
        shape: (10,) volume, crown, fringe > 0, wave number, wave phase, curl, bald, hat thickness, hat crown, hair
            over the ears.
        hat: (3,) edge of the hat.
        noise: (3, 256, 256) float32.
        out: (rows * columns, 3) float32, written.
    """
    columns = theta.shape[0]
    for i in range(rows.shape[0]):
        y = rows[i]
        for j in range(columns):
            degrees = theta[j] * 57.29577951
            place = min(359.999, max(0.0, degrees + 90.0))
            cell = int(place)
            over = y - (hairline[cell] + (hairline[cell + 1] - hairline[cell]) * (place - cell))
            under_hat = y - hat_edge(degrees, hat)
            push, lift = 0.0, 0.0
            if shape[6] < 0.5 and over > -1.0:
                lump = look_up(noise, 1, degrees * 0.7111112, y * 0.8) - 0.5
                curls = look_up(noise, 0, degrees * 1.4222223, y * 0.7) - 0.5
                height = 0.22 + 0.78 * step(0.0, 85.0, y)
                height += shape[5] * 0.5 * (1.0 - height)
                # Even at the crown, where all columns meet.
                wave = 0.35 * np.sin(theta[j] * shape[3] + shape[4]) * (1.0 - shape[5]) * step(112.0, 92.0, y)
                swell = (1.0 + wave) * height
                front = max(0.0, np.cos(theta[j]))
                tuft = shape[1] * front * front * step(35.0, 85.0, y) * step(115.0, 98.0, y)
                push = (shape[0] * swell + tuft) * step(-1.0, 30.0, over)
                push = push * (1.0 + (0.55 * lump + shape[5] * 0.5 * curls) * step(116.0, 104.0, y)) + 1.2 * step(
                    0.0, 6.0, over
                )
                # Hair lies close round the ear, or it would bury it.
                around = (degrees if degrees < 180.0 else 360.0 - degrees) if degrees > 0.0 else -degrees
                near = ((around - 96.0) / 20.0) ** 2 + ((y + 10.0) / 36.0) ** 2
                if shape[9] < 0.5:
                    push *= 1.0 - 0.85 * np.exp(-near * near)
                if shape[2] > 0.0:
                    push = max(push, 3.5 * step(0.0, 5.0, over))
            if under_hat > -25.0 and shape[7] > 0.0:
                push = min(push, 2.0 + 0.10 * max(0.0, -under_hat))
                cover = step(0.0, 2.5, under_hat)
                push += (shape[7] - push) * cover
                lift = shape[8] * step(10.0, 60.0, under_hat)
            if push == 0.0 and lift == 0.0:
                for k in range(3):
                    out[i * columns + j, k] = positions[k, i, j]
                continue
            dx, dy, dz = mean[0, i, j], mean[1, i, j] - 25.0, mean[2, i, j] + 5.0
            length = np.sqrt(dx * dx + dy * dy + dz * dz)
            out[i * columns + j, 0] = positions[0, i, j] + push * dx / length
            out[i * columns + j, 1] = positions[1, i, j] + push * dy / length + lift
            out[i * columns + j, 2] = positions[2, i, j] + push * dz / length


def grow_hair(positions: AnyArray, style: HairStyle, hat: AnyArray, hat_shape: tuple[float, float]) -> AnyArray:
    """(V, 3) float32 vertices of the head with its hair, or its hat, on.

    Args:
        positions: (3, rows, columns) float32, mm.
        style: the hair.
        hat: (3,) edge of the hat, the first 999 without one.
        hat_shape: (thickness, extra height of the crown) of the hat, mm.
    """
    grid = head()
    shape = np.array([
        style.volume, style.crown, style.fringe, style.waves[0], style.waves[1], style.curl, style.bald, *hat_shape,
        style.over_ears,
    ], float)  # fmt: skip
    out = np.empty((positions.shape[1] * positions.shape[2], 3), np.float32)
    _grow(positions, grid.mean, grid.theta, grid.rows, style.hairline, shape, hat, textures(), out)
    return out


def grown_at(surface: AnyArray, grid: Head, theta: AnyArray, y: AnyArray) -> AnyArray:
    """(..., 3) bilinear positions of the grown head at angles (radians, -90° to 270°) and canonical heights."""
    rows, columns = grid.shape
    j = np.clip(np.searchsorted(grid.theta, theta, side="right") - 1, 0, columns - 2)
    i = np.clip(np.searchsorted(-grid.rows, -y, side="right") - 1, 0, rows - 2)
    fx = (theta - grid.theta[j]) / (grid.theta[j + 1] - grid.theta[j])
    gap = grid.rows[i + 1] - grid.rows[i]
    fy = np.where(gap < 0, (y - grid.rows[i]) / np.where(gap < 0, gap, -1.0), 0.0)
    grown = surface.reshape(rows, columns, 3)
    fx, fy = fx[..., None], fy[..., None]
    top = grown[i, j] * (1 - fx) + grown[i, j + 1] * fx
    return np.asarray(top * (1 - fy) + (grown[i + 1, j] * (1 - fx) + grown[i + 1, j + 1] * fx) * fy)


def hat_height(theta: AnyArray, hat: AnyArray) -> AnyArray:
    """Heights of the lower edge of the hat at angles in radians: `labels.hat_edge` for arrays."""
    return np.asarray(hat[0] + hat[1] * np.cos(theta) + hat[2] * np.sin(theta))


def loose_locks(rng: np.random.Generator, surface: AnyArray, style: HairStyle, hat: AnyArray) -> Piece:
    """Thin ribbons of hair that lift off the surface at their tips.

    Args:
        rng: random numbers.
        surface: (V, 3) the grown head.
        style: the hair; `style.cards` ribbons are drawn.
        hat: (3,) edge of the hat; no lock starts over it.
    """
    grid, count, steps = head(), style.cards, 5
    theta = rng.uniform(-np.pi / 2, 1.5 * np.pi, count)
    line = np.interp(np.degrees(theta), np.arange(-90, 271), style.hairline)
    highest = np.minimum(112.0, hat_height(theta, hat) - 4.0)
    root = line + 2 + rng.random(count) ** 0.8 * (highest - line - 2)
    # Where the hat comes down over the hairline there is no lock: it would pierce the cloth.
    shown = (root > line + 1.0) & (highest > line + 2.0)
    reach = rng.uniform(14, 34, count) * (1 + style.curl * 0.2)
    s = np.linspace(0, 1, steps)[None]
    drift = (rng.normal(size=count) * 0.10 + style.lean * 0.12)[:, None] * s
    bend = style.curl * 0.045 * np.sin(s * 5 + rng.uniform(0, 6, count)[:, None])
    th = theta[:, None] + drift + bend
    th = np.where(th > 1.5 * np.pi, th - 2 * np.pi, np.where(th < -np.pi / 2, th + 2 * np.pi, th))
    low = np.maximum(line - 5.0, -70.0)
    y = np.maximum(np.clip(root, -70, 112)[:, None] - reach[:, None] * s, low[:, None])
    y = np.minimum(y, hat_height(th, hat) - 2.0)
    middle = grown_at(surface, grid, th, y)
    outward = middle - np.array([0.0, 25.0, -5.0])
    outward /= np.linalg.norm(outward, axis=-1, keepdims=True)
    lift = 0.6 + rng.random(count)[:, None] * (1.0 + 0.28 * style.volume) * s**1.5 + 0.8 * np.sin(s * np.pi)
    middle = middle + outward * lift[..., None]
    across = np.stack([np.cos(th), np.zeros_like(th), -np.sin(th)], -1)
    half = (rng.uniform(0.7, 1.8, count)[:, None] * (1 - 0.85 * s**2))[..., None]
    vertices = np.stack([middle - across * half, middle + across * half], 2)
    canon = np.zeros((count, steps, 2, 4))
    canon[..., :2] = vertices[..., :2]
    canon[..., 1] = y[..., None]
    canon[..., 2] = np.degrees(th)[..., None] + rng.uniform(-20, 20, count)[:, None, None]
    one = grid_faces(steps, 2)
    faces = (one[None] + (np.arange(count)[shown] * steps * 2)[:, None, None]).reshape(-1, 3).astype(np.int32)
    return Piece(vertices.reshape(-1, 3), faces, PART_HAIR, canon.reshape(-1, 4))


def curtain(rng: np.random.Generator, style: HairStyle, hat: AnyArray) -> Piece:
    """Long hair: a sheet round the back and sides of the head, ragged at its lower end.

    Args:
        rng: random numbers.
        style: the hair.
        hat: (3,) edge of the hat, under which the sheet begins.
    """
    rows, columns = 52, 89
    noise = textures()[2]
    degrees = np.linspace(style.opening, 360 - style.opening, columns)[None]
    th = np.radians(degrees)
    highest = np.minimum(100.0, hat_height(th, hat) + 6.0)
    y = np.linspace(highest[0], -style.length, rows)
    width, middle, fore, _ = loft(np.maximum(y, 20.0))
    back = loft(np.maximum(y, 5.0))[3]
    off = (style.volume + 3.0) * ramp(0, 40, highest - y) + 1
    cos = np.cos(th)
    z = np.where(cos >= 0, middle + (fore - middle + off * 0.5) * cos, middle - (middle - back + off) * np.abs(cos))
    wave = 1 + 0.018 * np.sin(th * 23 + y * 0.05) + 0.010 * np.sin(th * 41 - y * 0.08 + 1)
    wave = wave + style.curl * 0.10 * np.sin(y * 0.11 + 3 * np.sin(th * 5)) * ramp(40, -20, y)
    x = (width + off) * np.sin(th) * wave
    edge = np.abs(degrees - 180) / (180 - style.opening)
    x = x * (1 - 0.05 * edge**6 * ramp(-20, -90, y))
    z = z + 6 * edge**4 * ramp(20, -60, y)
    ragged = noise[40, (degrees * 2.6).astype(int) % 256] - 0.5
    ragged = ragged + 0.6 * (noise[90, (degrees * 0.6).astype(int) % 256] - 0.5)
    ragged = ragged + 0.25 * rng.standard_normal((1, columns))
    drop = np.where(y < 0, y * (1 + 0.16 * ragged + 0.10 * np.cos(th * 2)), y)
    x = x * (1 - 0.05 * ramp(0.7, 1.0, -y / style.length))
    if style.over_ears:
        x = x * (1 + 0.10 * ramp(25, 0, y) * np.exp(-(((np.abs(degrees - 180) - 95) / 30) ** 2)))
    else:
        # Tucked behind the ears: the front of the sheet lies back and close.
        tuck = ramp(28, -2, y) * ramp(128, 96, degrees.clip(0, 180)) + ramp(28, -2, y) * ramp(232, 264, degrees)
        z = z - 34 * tuck
        x = x * (1 - 0.06 * tuck)
    return grid_piece(np.stack([x, drop, z], -1), PART_HAIR, theta=degrees)


def bun(style: HairStyle) -> Piece:
    """Hair tied to a ball on the back of the head."""
    u, v = np.meshgrid(np.linspace(0.05, np.pi - 0.05, 12), np.linspace(0, 2 * np.pi, 17), indexing="ij")
    r = style.bun
    vertices = np.stack([r * np.sin(u) * np.sin(v), 58 + r * np.cos(u), -92 - r * np.sin(u) * np.cos(v)], -1)
    return grid_piece(vertices, PART_HAIR, theta=np.degrees(v) + 180)
