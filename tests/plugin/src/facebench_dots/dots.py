"""A data set of three dots: eyes and mouth, one JSON file a split."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from facebench.errors import DataError
from facebench.schemes import LandmarkScheme
from facebench.types import Dataset, Landmarks, Sample

DOTS3 = LandmarkScheme(name="dots3", size=3, flip=(1, 0, 2), corners=(0, 1), pupils=None)


def load(root: Path, split: str) -> tuple[Sample, ...]:
    """Faces of `<split>.json`: {picture: [[x, y], [x, y], [x, y]]}."""
    path = root / f"{split}.json"
    try:
        faces = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise DataError(f"{path} cannot be read: {cause}") from cause
    return tuple(
        Sample(
            id=picture,
            image=root / f"{picture}.png",
            box=None,
            target=Landmarks(np.array(points, dtype=np.float64)),
            cluster=picture,
        )
        for picture, points in faces.items()
    )


DATASET = Dataset(
    name="dots",
    title="Dots",
    task="landmarks",
    folder="Dots",
    layout=("{train,val,test}.json",),
    licence="public domain",
    citation="none",
    load=load,
    sizes={"train": None, "val": None, "test": 2},
    scheme=DOTS3,
    normalisers=("ioc",),
    headline=("dots/test/all/nme-ioc",),
)
