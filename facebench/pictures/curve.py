"""Curves of percent over millimetres, drawn with Pillow alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from facebench.shapes import FloatArray

if TYPE_CHECKING:
    from PIL.Image import Image

SIZE = (760, 520)
_LEFT, _TOP, _RIGHT, _BOTTOM = 60, 36, 20, 50
_COLOURS = ((0, 0, 0), (0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167))  # told apart by all eyes
_SHARPER = 3  # drawn larger and shrunk, since Pillow's lines have no soft edges


@dataclass(frozen=True, eq=False)
class Line:
    """A named curve: `x` (n,) mm, increasing, and `y` (n,) percent."""

    name: str
    x: FloatArray
    y: FloatArray


def draw_curves(lines: Sequence[Line], *, reach: float, title: str) -> Image:
    """Picture of `lines` from 0 to `reach` mm and from 0 to 100 percent, with axes and a legend."""
    from PIL import Image, ImageDraw, ImageFont

    width, height = (_SHARPER * side for side in SIZE)
    picture = Image.new("RGB", (width, height), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(15 * _SHARPER)

    def place(x: float, y: float) -> tuple[float, float]:
        across = _LEFT + x / reach * (SIZE[0] - _LEFT - _RIGHT)
        return _SHARPER * across, _SHARPER * (SIZE[1] - _BOTTOM - y / 100 * (SIZE[1] - _TOP - _BOTTOM))

    for x in np.arange(0, reach + 0.5):
        pen.line([place(x, 0), place(x, 100)], fill=(225, 225, 225), width=_SHARPER)
        pen.text(place(x, -1), f"{x:g}", fill="black", font=font, anchor="ma")
    for y in range(0, 101, 20):
        pen.line([place(0, y), place(reach, y)], fill=(225, 225, 225), width=_SHARPER)
        pen.text(place(-0.01 * reach, y), f"{y}", fill="black", font=font, anchor="rm")
    for k, line in enumerate(lines):
        colour = _COLOURS[k % len(_COLOURS)]
        inside = line.x <= reach
        pen.line([place(x, y) for x, y in zip(line.x[inside], line.y[inside], strict=True)], fill=colour,
                 width=2 * _SHARPER)  # fmt: skip
        pen.text(place(0.98 * reach, 8 + 6 * (len(lines) - 1 - k)), line.name, fill=colour, font=font, anchor="rm")
    pen.text(place(reach / 2, -6), "distance, mm", fill="black", font=font, anchor="ma")
    pen.text(place(0, 102), f"{title}, percent of scan vertices", fill="black", font=font, anchor="lb")
    return picture.resize(SIZE, Image.Resampling.LANCZOS)
