"""300W: 68 landmarks on AFW, HELEN, LFPW and iBUG, and the private test of 2013 (Sagonas et al., IMAVIS 2016).

Layout: `afw/`, `helen/{trainset,testset}/`, `lfpw/{trainset,testset}/`, `ibug/`, and for the private test `01_Indoor/`
and `02_Outdoor/`, a `.pts` beside each picture; a wrapping `300w/`, `300W/`, `images/` or (private) `Test/` folder is
seen through. Where a split has no `.pts` at all, HRNet's csv takes its place: `face_landmarks_300w_{train,valid,
valid_common,valid_challenge,test}.csv` (`test` there is the private test).
Train is afw + helen/trainset + lfpw/trainset, common helen/testset + lfpw/testset, challenge ibug, and test (the
field's "full") common and challenge together. Mirrored copies (`*_mirror.pts`), which some packages add, are no faces
of 300W and are left out.

Coordinates: `.pts` files are 1-based (Matlab), so 1 is subtracted. The csv of test and private test hold the same raw
numbers (equal to the `.pts`, checked against SPIGA's lists, which are raw - 1), so 1 is subtracted from them too. For
HRNet's train csv the same is assumed; FaRL subtracts 2 there and nobody says why. Both ways are rounded to 1e-6 pixels,
the precision of the `.pts`, so that both give the same revision.

Ids: the path without its suffix and without spaces, `ibug/image_092_01`: the suffix is known only where the picture
is there, and the csv writes `image_092_01.jpg` for the picture `image_092 _01.jpg`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np

from facebench.datasets.held_out import is_held_out
from facebench.datasets.hrnet_csv import CsvFace, read_hrnet_csv
from facebench.datasets.listing import require_unique
from facebench.datasets.points_file import read_pts
from facebench.errors import DataError
from facebench.schemes import IBUG68
from facebench.shapes import FloatArray
from facebench.types import Dataset, Landmarks, Sample

_OFFSET = 1.0  # Matlab's first pixel is 1 (mdm issue 13)

_TRAIN = ("afw", "helen/trainset", "lfpw/trainset")
_FOLDERS: Mapping[str, Sequence[str]] = {
    "train": _TRAIN,
    "val": _TRAIN,
    "trainval": _TRAIN,
    "test": ("helen/testset", "lfpw/testset", "ibug"),
    "private": ("01_Indoor", "02_Outdoor"),
}
_SUBSETS: Mapping[str, str] = {
    "helen/testset": "common",
    "lfpw/testset": "common",
    "ibug": "challenge",
    "01_Indoor": "indoor",
    "02_Outdoor": "outdoor",
}
# The first table of a row that is there serves; test may also be put together from its halves.
_TRAIN_TABLES = (("face_landmarks_300w_train.csv",),)
_TABLES: Mapping[str, Sequence[Sequence[str]]] = {
    "train": _TRAIN_TABLES,
    "val": _TRAIN_TABLES,
    "trainval": _TRAIN_TABLES,
    "test": (
        ("face_landmarks_300w_valid.csv",),
        ("face_landmarks_300w_valid_common.csv", "face_landmarks_300w_valid_challenge.csv"),
    ),
    "private": (("face_landmarks_300w_test.csv",),),
}
_WRAPS = ("", "300w", "300W", "images", "Test", "300w/Test", "300W/Test", "images/Test", "images/300w", "annotations")
_SUFFIXES = (".jpg", ".png", ".jpeg", ".bmp")


@dataclass(frozen=True, eq=False)
class _Face:
    id: str
    image: Path
    points: FloatArray


def load(root: Path, split: str) -> Sequence[Sample]:
    """Samples of `train`, `val`, `trainval`, `test` or `private` below `root`. Raises `DataError`."""
    faces = _pts_faces(root, _FOLDERS[split]) or _csv_faces(root, split)
    if not faces:
        wanted = ", ".join(_FOLDERS[split])
        tables = " or ".join(" + ".join(names) for names in _TABLES[split])
        raise DataError(f"{root}: no .pts files in {wanted} and no {tables}; unpack the 300W packages there")
    if split in ("train", "val"):
        faces = [face for face in faces if is_held_out(face.id) == (split == "val")]
    samples = [
        Sample(
            id=face.id,
            image=face.image,
            box=None,
            target=Landmarks(points=np.round(face.points - _OFFSET, 6)),
            subsets=frozenset(_SUBSETS[part] for part in [_part(face.id)] if part in _SUBSETS),
            cluster=face.id,
        )
        for face in faces
    ]
    require_unique(samples, f"300w/{split} below {root}")
    return samples


def _part(face_id: str) -> str:
    return str(PurePosixPath(face_id).parent)


def _id(folder: str, stem: str) -> str:
    return f"{folder}/{stem.replace(' ', '')}"


def _pts_faces(root: Path, folders: Iterable[str]) -> list[_Face]:
    """Faces of every `.pts` in `folders`, by folder and name."""
    faces = []
    for folder in folders:
        place = _find_folder(root, folder)
        pictures = _pictures(place) if place is not None else {}
        for path in sorted(place.glob("*.pts")) if place is not None else ():
            if path.stem.endswith("_mirror"):
                continue
            image = pictures.get(path.stem.replace(" ", ""), path.with_suffix(_usual_suffix(folder)))
            faces.append(_Face(_id(folder, path.stem), image, read_pts(path, IBUG68.size)))
    return faces


def _find_folder(root: Path, folder: str) -> Path | None:
    return next((root / wrap / folder for wrap in _WRAPS if (root / wrap / folder).is_dir()), None)


def _usual_suffix(folder: str) -> str:
    """Suffix of a picture that is not there: LFPW and the private test are PNG, the rest JPEG."""
    return ".png" if folder.startswith(("lfpw", "01_", "02_")) else ".jpg"


def _pictures(folder: Path) -> dict[str, Path]:
    """Pictures of a folder by their stem without spaces."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    return {path.stem.replace(" ", ""): path for path in reversed(found)}


def _csv_faces(root: Path, split: str) -> list[_Face]:
    """Faces of HRNet's csv files, in file order; none where a split has no csv."""
    for names in _TABLES[split]:
        tables = [_find_table(root, name) for name in names]
        present = [table for table in tables if table is not None]
        if present:
            pictures = lru_cache(_pictures)
            rows = [row for table in present for row in read_hrnet_csv(table, IBUG68.size)]
            return [_csv_face(root, row, split, pictures) for row in rows]
    return []


def _find_table(root: Path, name: str) -> Path | None:
    return next((root / wrap / name for wrap in _WRAPS if (root / wrap / name).is_file()), None)


def _csv_face(root: Path, row: CsvFace, split: str, pictures: Callable[[Path], Mapping[str, Path]]) -> _Face:
    path = PurePosixPath(row.image)
    # The private test is spelt Test/01_Indoor/... or 300W/Test/01_Indoor/...; only what the folders name counts.
    folder = next((f for f in _FOLDERS[split] if f"/{path.parent}".endswith(f"/{f}")), None)
    if folder is None:
        raise DataError(f"{row.where}: {row.image!r} lies in none of {', '.join(_FOLDERS[split])}")
    place = _find_folder(root, folder)
    known = pictures(place) if place is not None else {}
    image = known.get(path.stem.replace(" ", ""), (place or root / folder) / path.name)
    return _Face(_id(folder, path.stem), image, row.points)


DATASET = Dataset(
    name="300w",
    title="300W",
    task="landmarks",
    folder="300W",
    layout=(
        "afw/<picture>.jpg with .pts",
        "helen/{trainset,testset}/<picture>.jpg with .pts",
        "lfpw/{trainset,testset}/<picture>.png with .pts",
        "ibug/<picture>.jpg with .pts",
        "{01_Indoor,02_Outdoor}/<picture>.png with .pts (private test)",
        "face_landmarks_300w_{train,valid,valid_common,valid_challenge,test}.csv (HRNet's form, in place of .pts)",
    ),
    licence="non-commercial research; pictures not to be passed on",
    citation="Sagonas et al., 300 Faces In-The-Wild Challenge: database and results, IMAVIS 2016",
    load=load,
    # The cut of train at the held-out pictures follows from the official folders; nobody publishes its sizes.
    sizes={"train": None, "val": None, "test": 689, "private": 600, "trainval": 3148},
    subset_sizes={"common": 554, "challenge": 135, "private/indoor": 300, "private/outdoor": 300},
    whole="full",
    scheme=IBUG68,
    normalisers=("ioc", "ipupil", "lmkbox"),
    thresholds={"ioc": (8.0, 5.0, 10.0), "lmkbox": (7.0,)},
    headline=("300w/test/full/nme-ioc", "300w/test/common/nme-ioc", "300w/test/challenge/nme-ioc"),
    box="gt",
    box_scale=1.25,
    aliases={"full": "test", "challenging": "challenge", "ibug": "challenge"},
)
