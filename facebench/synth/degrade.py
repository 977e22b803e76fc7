"""From linear light to a picture file: averaging of samples, exposure, blur, tone curve, sensor noise, JPEG."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.compiled import quick
from facebench.synth.noise import grain_pool

_LEVELS = 4096
_WHITE = 1.4


@dataclass(frozen=True)
class Degradation:
    """What camera and file do to a picture.

    Attributes:
        blur: standard deviation of the Gaussian blur, pixels of a 256-pixel picture; 0 for none.
        noise: standard deviation of sensor noise, share of white.
        jpeg: quality, 0 for no compression.
        window: (row, column) of the noise window in the pool.
    """

    blur: float = 0.0
    noise: float = 0.0
    jpeg: int = 0
    window: tuple[int, int] = (0, 0)


def draw_degradation(rng: np.random.Generator, *, blurred: float) -> Degradation:
    """Slight noise and JPEG always, a visible blur for a share of the pictures."""
    blur = rng.uniform(1.1, 2.8) if rng.random() < blurred else 0.0
    window = (int(rng.integers(512)), int(rng.integers(512)))
    return Degradation(float(blur), float(rng.uniform(0.004, 0.018)), int(rng.uniform(60, 97)), window)


@cache
def _tone_curve() -> AnyArray:
    """(4096,) float32: linear light 0 to 1.4 to display values 0 to 255, a soft shoulder and gamma 2.2."""
    x = np.linspace(0.0, _WHITE, _LEVELS)
    soft = np.clip(x * (1 + x / 2.2) / (1 + x) * 1.15, 0, 1)
    return np.asarray(soft ** (1 / 2.2) * 255.0, np.float32)


@quick
def resolve(
    rgb: AnyArray, hit: AnyArray, glass: AnyArray, dark: float, background: AnyArray, factor: int, out: AnyArray
) -> None:
    """Average the samples of each pixel over the background, through the lenses of glasses.

    Args:
        rgb: (S * factor, S * factor, 3) float32 linear.
        hit: the same shape, int32, -1 where the background is seen.
        glass: the same shape, uint8, 2 behind a dark lens, 1 behind a clear one.
        dark: share of light that a dark lens lets through.
        background: (S, S, 3) float32.
        factor: samples along each side of a pixel.
        out: (S, S, 3) float32, written.
    """
    size = out.shape[0]
    weight = 1.0 / (factor * factor)
    for y in range(size):
        for x in range(size):
            r, g, b = 0.0, 0.0, 0.0
            for dy in range(factor):
                for dx in range(factor):
                    i, j = y * factor + dy, x * factor + dx
                    if hit[i, j] < 0:
                        sr, sg, sb = background[y, x, 0], background[y, x, 1], background[y, x, 2]
                    else:
                        sr, sg, sb = rgb[i, j, 0], rgb[i, j, 1], rgb[i, j, 2]
                    if glass[i, j] == 2:
                        sheen = 0.012 + 0.03 * max(0.0, 1.0 - abs((i + 0.6 * j) * 2.0 / (size * factor) - 0.9) * 4.0)
                        sr, sg, sb = sr * dark + sheen, sg * dark + sheen, sb * dark + sheen * 1.2
                    elif glass[i, j] == 1:
                        sr, sg, sb = sr * 0.93 + 0.008, sg * 0.94 + 0.010, sb * 0.94 + 0.012
                    r += sr
                    g += sg
                    b += sb
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = r * weight, g * weight, b * weight


@quick
def _develop(linear: AnyArray, curve: AnyArray, exposure: float, grain: AnyArray, noise: float, out: AnyArray) -> None:
    """Tone curve and sensor noise to 8 bits; the three channels read the noise pool at different places."""
    height, width = linear.shape[0], linear.shape[1]
    scale = (curve.shape[0] - 1) / 1.4
    for y in range(height):
        for x in range(width):
            for k in range(3):
                level = min(max(linear[y, x, k] * exposure * scale, 0.0), curve.shape[0] - 1.001)
                cell = int(level)
                value = curve[cell] + (curve[cell + 1] - curve[cell]) * (level - cell)
                value += noise * 255.0 * grain[(y + 37 * k) & 511, (x + 151 * k) & 511] + 0.5
                out[y, x, k] = int(min(max(value, 0.0), 255.0))


def develop(linear: AnyArray, exposure: float, degradation: Degradation) -> AnyArray:
    """(S, S, 3) uint8 RGB picture from linear light (S, S, 3) float32."""
    size = linear.shape[0]
    if degradation.blur > 0:
        linear = cv2.GaussianBlur(linear, (0, 0), degradation.blur * size / 256)
    row, column = degradation.window
    grain = grain_pool()[row : row + 512, column : column + 512]
    out = np.empty((size, size, 3), np.uint8)
    # A picture in the dark is pushed, and its noise with it.
    noise = degradation.noise * (1.0 if exposure > 0.5 else 2.2)
    _develop(linear, _tone_curve(), exposure, grain, noise, out)
    if degradation.jpeg:
        quality = [cv2.IMWRITE_JPEG_QUALITY, degradation.jpeg]
        coded = cv2.imencode(".jpg", cv2.cvtColor(out, cv2.COLOR_RGB2BGR), quality)[1]
        decoded: AnyArray = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
        return np.ascontiguousarray(decoded[..., ::-1])
    return out
