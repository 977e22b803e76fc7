"""Where each landmark of each order lies on a mean face.

    python docs/make_layouts.py     # writes leaderboard/layouts.json

The mean is over 200 drawn faces, each laid on the most frontal of them by the similarity transform that fits its 68
points of iBUG best, and over each face and its mirror image. The result lies in a square of 100, y down.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from facebench.geometry.similarity import fit_similarity
from facebench.schemes import AFLW19, COFW29, IBUG68, WFLW98
from facebench.shapes import FloatArray
from facebench.synth.face import RenderedFace, render_face
from facebench.synth.recipe import draw_recipe

FACES, ROOM = 200, 4.0
SCHEMES = (WFLW98, IBUG68, COFW29, AFLW19)
TARGET = Path(__file__).parents[1] / "leaderboard" / "layouts.json"


def layouts() -> dict[str, list[list[float]]]:
    """(K, 2) of every order."""
    faces = [render_face(draw_recipe(seed, seed), size=64) for seed in range(FACES)]
    base = min(faces, key=_turned).landmarks[IBUG68.name]
    base = base - base.mean(axis=0)
    moves = [fit_similarity(face.landmarks[IBUG68.name], base) for face in faces]
    means: dict[str, FloatArray] = {}
    for scheme in SCHEMES:
        mean = np.mean([move.apply(f.landmarks[scheme.name]) for move, f in zip(moves, faces, strict=True)], axis=0)
        means[scheme.name] = (mean + mean[list(scheme.flip)] * (-1, 1)) / 2
    every = np.concatenate(list(means.values()))
    low, span = every.min(axis=0), np.ptp(every, axis=0)
    scale = (100 - 2 * ROOM) / span.max()
    shift = (100 - span * scale) / 2
    return {name: np.round(shift + (mean - low) * scale, 1).tolist() for name, mean in means.items()}


def _turned(face: RenderedFace) -> float:
    return sum(abs(float(face.slices[name])) for name in ("yaw", "pitch", "roll"))


if __name__ == "__main__":
    TARGET.write_text(json.dumps(layouts(), separators=(",", ":")) + "\n", encoding="utf-8")
