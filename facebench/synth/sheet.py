"""A contact sheet: rows of faces as pictures, with landmarks, and with both label maps."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.face import RenderedFace, draw_recipe, render_face

_VISIBLE, _HIDDEN, _BOX = (40, 230, 90), (240, 60, 50), (250, 210, 60)

_LAPA_COLOURS = np.array(
    [[0, 0, 0], [222, 184, 150], [250, 130, 40], [40, 130, 250], [250, 240, 60], [60, 230, 240],
     [150, 90, 200], [230, 50, 60], [110, 10, 60], [250, 110, 160], [70, 150, 70]], np.uint8
)  # fmt: skip
_CELEB_COLOURS = np.array(
    [[0, 0, 0], [222, 184, 150], [150, 90, 200], [30, 30, 30], [60, 230, 240], [250, 240, 60], [40, 130, 250],
     [250, 130, 40], [190, 120, 100], [160, 90, 70], [110, 10, 60], [230, 50, 60], [250, 110, 160], [70, 150, 70],
     [20, 80, 140], [255, 255, 255], [255, 200, 0], [190, 160, 130], [110, 110, 200]], np.uint8
)  # fmt: skip


def with_landmarks(face: RenderedFace, scheme: str, *, side: int) -> AnyArray:
    """(side, side, 3) uint8: the picture with its box and the points of a scheme, green visible, red hidden."""
    scale = side / face.image.shape[0]
    picture = cv2.resize(face.image, (side, side), interpolation=cv2.INTER_LINEAR)

    def place(point: AnyArray) -> tuple[int, int]:
        x, y = np.round(((np.asarray(point) + 0.5) * scale - 0.5) * 16).astype(int)
        return int(x), int(y)

    for point, visible in zip(face.landmarks[scheme], face.visible[scheme], strict=True):
        cv2.circle(picture, place(point), int(1.1 * 16), _VISIBLE if visible else _HIDDEN, -1, cv2.LINE_AA, 4)
    cv2.rectangle(picture, place(face.box[:2]), place(face.box[2:]), _BOX, 1, cv2.LINE_AA, 4)
    return np.asarray(picture)


def with_labels(face: RenderedFace, kind: str, *, side: int) -> AnyArray:
    """(side, side, 3) uint8: the picture under a label map, kind `lapa` or `celeb`."""
    labels, colours = (face.lapa_labels, _LAPA_COLOURS) if kind == "lapa" else (face.celeb_labels, _CELEB_COLOURS)
    blend = (0.35 * face.image + 0.65 * colours[labels]).astype(np.uint8)
    return np.asarray(cv2.resize(blend, (side, side), interpolation=cv2.INTER_NEAREST))


def contact_sheet(
    seeds: Sequence[int], *, style: str = "mix", columns: int = 8, side: int = 192, overlays: bool = True
) -> AnyArray:
    """A sheet of faces.

    Args:
        seeds: identity and image seed of each face.
        style: name of a style of `recipe.STYLES`.
        columns: faces in a row.
        side: side of each tile, pixels.
        overlays: whether each row is followed by the same faces with landmarks, LaPa and CelebAMask-HQ labels.

    Returns:
        (H, W, 3) uint8 RGB; unfilled places are white.
    """
    rows = []
    for start in range(0, len(seeds), columns):
        faces = [render_face(draw_recipe(s, s, style=style)) for s in seeds[start : start + columns]]
        rows.append([cv2.resize(f.image, (side, side), interpolation=cv2.INTER_AREA) for f in faces])
        if overlays:
            rows.append([with_landmarks(f, "wflw98", side=side) for f in faces])
            rows.append([with_labels(f, "lapa", side=side) for f in faces])
            rows.append([with_labels(f, "celeb", side=side) for f in faces])
    blank = np.full((side, side, 3), 255, np.uint8)
    return np.vstack([np.hstack(row + [blank] * (columns - len(row))) for row in rows])


def documentation_sheet() -> AnyArray:
    """(864, 1152, 3) uint8: the sheet of the documentation, two rows of `mix` and one of `wild` with its overlays."""
    mixed = contact_sheet(range(300, 316), side=144, overlays=False)
    return np.vstack([mixed, contact_sheet(range(400, 408), style="wild", side=144)])
