"""MERL-RAV: 68 landmarks with visibility on faces of AFLW in all poses (Kumar et al., LUVLi, CVPR 2020).

Layout: `merl_rav_labels/{frontal,left,lefthalf,right,righthalf}/{trainset,testset}/labels/<name>.pts`; or what the
authors' script makes of it with the pictures of AFLW, `merl_rav_organized/<pose>/<set>/<name>.{pts,jpg}`. In a `.pts`
a point with positive numbers is visible, one with negative numbers is hidden by something else and lies at (|x|, |y|),
and `-1 -1` is hidden by the head itself and has no place. The field only scores on it.

Coordinates: as they are, up to sign. Nothing says whether the first pixel is 0 or 1, and neither LUVLi nor SPIGA shifts
them; pixel centres at 0-based integers are assumed, not known.

Ids: `<pose>/<set>/<name>`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from facebench.datasets.points_file import read_pts
from facebench.errors import DataError
from facebench.schemes import IBUG68
from facebench.shapes import FloatArray
from facebench.types import Dataset, Landmarks, Sample

# Poses in the order of SPIGA's list, with the test sizes counted in the authors' repository.
_POSES: Mapping[str, int] = {"frontal": 2195, "left": 521, "lefthalf": 295, "right": 548, "righthalf": 306}
_SETS = {"train": "trainset", "test": "testset"}
_ORGANISED = "merl_rav_organized"


def load(root: Path, split: str) -> Sequence[Sample]:
    """Samples of `train` or `test` below `root`, pose by pose. Raises `DataError`."""
    part = _SETS[split]
    samples = [_sample(root, pose, part, path) for pose in _POSES for path in _labels(root, pose, part)]
    if not samples:
        raise DataError(f"{root}: no merl_rav_labels/<pose>/{part}/labels/*.pts; unpack MERL-RAV_dataset there")
    return samples


def _labels(root: Path, pose: str, part: str) -> list[Path]:
    places = (
        root / "merl_rav_labels" / pose / part / "labels",
        root / _ORGANISED / pose / part,
        root / pose / part / "labels",
        root / pose / part,
    )
    return next((found for place in places if (found := sorted(place.glob("*.pts")))), [])


def _sample(root: Path, pose: str, part: str, path: Path) -> Sample:
    organised = root / _ORGANISED / pose / part / f"{path.stem}.jpg"
    beside = path.with_suffix(".jpg")
    # Faces of one AFLW picture are numbered: image00002_1, image00002_2.
    return Sample(
        id=f"{pose}/{part}/{path.stem}",
        image=beside if beside.is_file() else organised,
        box=None,
        target=landmarks_of(read_pts(path, IBUG68.size)),
        subsets=frozenset({pose}),
        cluster=path.stem.split("_")[0],
    )


def landmarks_of(signed: FloatArray) -> Landmarks:
    """Landmarks behind the signed numbers of a MERL-RAV `.pts`, (68, 2).

    Source: MERL-RAV_dataset/README.md. Points without a place are put at (0, 0), which means nothing.
    """
    located = ~(signed == -1).all(axis=1)
    visible = np.asarray((signed >= 0).all(axis=1))
    points = np.where(located[:, None], np.abs(signed), 0.0)
    return Landmarks(points=points, visible=visible, located=located)


DATASET = Dataset(
    name="merl-rav",
    title="MERL-RAV",
    task="landmarks",
    folder="MERL-RAV",
    layout=(
        "merl_rav_labels/{frontal,left,lefthalf,right,righthalf}/{trainset,testset}/labels/<name>.pts",
        "merl_rav_organized/<pose>/<set>/<name>.jpg (made by the authors' script from AFLW)",
    ),
    licence="labels: non-commercial research; pictures as AFLW",
    citation="Kumar et al., LUVLi Face Alignment, CVPR 2020",
    load=load,
    sizes={"train": 15449, "test": 3865},
    subset_sizes=_POSES,
    whole="all",
    scheme=IBUG68,
    normalisers=("lmkbox",),
    thresholds={"lmkbox": (7.0,)},
    headline=("merl-rav/test/all/nme-lmkbox",),
    box="gt",
    box_scale=1.25,
    aliases={"full": "test"},
    scored_only=True,
)
