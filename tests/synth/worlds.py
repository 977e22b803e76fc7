"""A tiny world a layout, written once a session, and the faces that it should hold, drawn without the writer."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from facebench.synth.face import RenderedFace, draw_recipe, render_face
from facebench.synth.layouts import MODULES
from facebench.synth.seeds import face_seed
from facebench.synth.write import write_world

SIZE, SEED, VERTICES = 96, 5, 3000
TRAIN, TEST = 3, 4


def write_all(root: Path) -> Path:
    """Every layout below `root`."""
    for name in MODULES:
        val = 1 if name in ("wflw", "300w", "aflw19", "lapa", "celebamask-hq") else None
        write_world(
            name, root, train=TRAIN, test=TEST, val=val, seed=SEED, size=SIZE, supersample=1, scan_vertices=VERTICES
        )
    return root


@cache
def face(purpose: str, split: str, index: int, style: str = "mix", person: int | None = None) -> RenderedFace:
    """The face that a layout should hold as number `index` of a split."""
    image = face_seed(SEED, purpose, split, index)
    identity = image if person is None else face_seed(SEED, purpose, split, person)
    return render_face(draw_recipe(identity, image, style=style), size=SIZE, supersample=1)


def close(found: np.ndarray, drawn: np.ndarray) -> bool:
    """Whether a stored JPEG shows the drawn picture: quality 95 moves a grey level by about one."""
    return found.shape == drawn.shape and float(np.abs(found.astype(int) - drawn.astype(int)).mean()) < 4.0
