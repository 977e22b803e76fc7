"""The mirror image of a recipe: the same person and moment, seen in a mirror."""

from __future__ import annotations

import dataclasses

import numpy as np

from facebench.synth.deform import face_model
from facebench.synth.face import FaceRecipe


def mirrored(recipe: FaceRecipe) -> FaceRecipe:
    names = face_model().identity.names
    signs = np.array([-1.0 if name.startswith("asym_") else 1.0 for name in names])
    e, c = recipe.expression, recipe.camera
    swap = {"r": "l", "l": "r"}
    weights = {}
    for name, weight in e.weights.items():
        stem, _, side = name.rpartition("_")
        if name == "jaw_left":
            weights[name] = -weight
        elif side in swap:
            weights[f"{stem}_{swap[side]}"] = weight
        else:
            weights[name] = weight
    return dataclasses.replace(
        recipe,
        person=dataclasses.replace(recipe.person, shape=recipe.person.shape * signs),
        expression=dataclasses.replace(e, weights=weights, blink=e.blink[::-1], gaze=(-e.gaze[0], e.gaze[1])),
        camera=dataclasses.replace(c, yaw=-c.yaw, roll=-c.roll, offset=(-c.offset[0], c.offset[1])),
    )
