"""Pictures of a training: what was covered and what came back, and the prototypes of the codebook."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from facebench.shapes import AnyArray, ByteArray
from pretrain.training.whole_file import write_whole

if TYPE_CHECKING:
    from torch import Tensor

    from pretrain.batch import Batch, Clock

TILE = 112
"""Least side of a picture in a panel, pixels; small ones are enlarged by a whole factor, so that pixels stay square."""

PATCH_TILE = 28
"""Least side of a prototype in the plate."""

GAP, LINE = 4, 18
INK, PAPER = (20, 20, 20), (255, 255, 255)

SPREAD = 5.0
"""Standard deviations of a standardised patch that the plate shows, from black to white."""


def panel_of(method: Any, batch: Batch, clock: Clock) -> ByteArray | None:
    """What `method` shows of `batch`; None where it shows nothing."""
    return panel(method.panels(batch, clock)) if hasattr(method, "panels") else None


def plate_of(method: Any) -> ByteArray | None:
    """The codebook of `method`; None where it has none."""
    if not hasattr(method, "prototypes"):
        return None
    return plate(method.prototypes(), method.codebook.usage.flatten())


def panel(columns: Mapping[str, Tensor]) -> ByteArray:
    """Pictures side by side, (H, W, 3) uint8: a row a face, a column a kind with its name above.

    Args:
        columns: (N, 3, S, S) in [0, 1], by name.
    """
    tiles = {name: _enlarged(_bytes(pictures), TILE) for name, pictures in columns.items()}
    count, side = next(iter(tiles.values())).shape[:2]
    step = side + GAP
    sheet = Image.new("RGB", (len(tiles) * step + GAP, LINE + count * step + GAP), PAPER)
    for column, (name, pictures) in enumerate(tiles.items()):
        x = GAP + column * step
        _write(sheet, name, x + side // 2)
        for row, picture in enumerate(pictures):
            sheet.paste(Image.fromarray(picture), (x, LINE + GAP + row * step))
    return np.asarray(sheet)


def plate(prototypes: Tensor, usage: Tensor) -> ByteArray:
    """Prototypes of the codebook, most used first, (H, W, 3) uint8; the bar below each is its share of the choices.

    Args:
        prototypes: (K, 3, P, P), standardised.
        usage: (K,) shares; the longest bar is the largest of them, and a token below a tenth of 1/K has a red one.
    """
    order = usage.argsort(descending=True).cpu()
    tiles = _enlarged(_bytes((prototypes.float() / SPREAD + 0.5).cpu()[order]), PATCH_TILE)
    shares = usage.float().cpu()[order].numpy()
    count, side = len(tiles), tiles.shape[1]
    columns = math.ceil(math.sqrt(count))
    wide, high = side + GAP, side + GAP + 4
    sheet = Image.new("RGB", (max(columns * wide + GAP, 260), LINE + math.ceil(count / columns) * high + GAP), PAPER)
    dead = shares < 0.1 / count
    _write(sheet, f"{count} tokens, most used first; {int(dead.sum())} dead", sheet.width // 2)
    draw = ImageDraw.Draw(sheet)
    for i, picture in enumerate(tiles):
        x, y = GAP + i % columns * wide, LINE + GAP + i // columns * high
        sheet.paste(Image.fromarray(picture), (x, y))
        length = max(1, round(side * float(shares[i] / max(shares[0], 1e-12))))
        draw.rectangle(
            (x, y + side + 1, x + length - 1, y + side + 3), fill=(200, 40, 40) if dead[i] else (60, 90, 160)
        )
    return np.asarray(sheet)


def write(path: Path, picture: ByteArray) -> None:
    """Write `picture` as a PNG. Raises `DataError`."""
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "png", optimize=True)
    write_whole(path, lambda file: file.write(content.getvalue()))


def _bytes(pictures: Tensor) -> ByteArray:
    """(N, 3, S, S) in [0, 1] as (N, S, S, 3) uint8."""
    levels = (pictures.detach().float().clamp(0, 1) * 255).round().cpu()
    return np.asarray(levels.permute(0, 2, 3, 1).numpy(), np.uint8)


def _enlarged(pictures: ByteArray, least: int) -> AnyArray:
    """Every pixel repeated until the side is at least `least`."""
    factor = max(1, math.ceil(least / pictures.shape[1]))
    return pictures.repeat(factor, axis=1).repeat(factor, axis=2)


def _write(sheet: Image.Image, text: str, middle: int) -> None:
    ImageDraw.Draw(sheet).text((middle, LINE // 2 + 1), text, INK, ImageFont.load_default(12), anchor="mm")
