"""COFW-68: the 507 test pictures of COFW with 68 landmarks and visibility (Ghiasi and Fowlkes, cofw68-benchmark).

Layout: `COFW68_Data/test_annotations/<i>_points.mat`, i = 1..507, each with `Points` (68 x 2) and `Occ` (1 x 68,
1 = occluded). Picture i is picture i - 1 of COFW's `COFW_test_color.mat`, looked for here and in a `COFW` folder
beside this one. The field only scores on it.

Coordinates: as they are. The files come from Matlab, which would make the first pixel 1, but the benchmark says nothing
and no published code (LUVLi, SPIGA) shifts them; pixel centres at 0-based integers are assumed, not known.

Ids: `<i>`, as in the file name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from facebench.datasets.cofw import find_mat, picture_path
from facebench.datasets.matlab_file import matrix, read_mat
from facebench.errors import DataError
from facebench.schemes import IBUG68
from facebench.types import Dataset, Landmarks, Sample

_ENDING = "_points.mat"


def load(root: Path, split: str) -> Sequence[Sample]:
    """Samples of `test`, the only split, below `root`. Raises `DataError`."""
    assert split == "test", split
    places = [root / folder for folder in ("COFW68_Data/test_annotations", "test_annotations", "")]
    folder = next((place for place in places if place.is_dir() and any(place.glob(f"*{_ENDING}"))), None)
    if folder is None:
        raise DataError(f"{root}: no COFW68_Data/test_annotations/<i>{_ENDING}; unpack cofw68-benchmark there")
    pictures = _pictures(root)
    numbered = sorted((_number(path), path) for path in folder.glob(f"*{_ENDING}"))
    return [_sample(number, path, pictures) for number, path in numbered]


def _number(path: Path) -> int:
    text = path.name.removesuffix(_ENDING)
    # A leading zero would give one face two names.
    if not text.isdecimal() or not text.isascii() or str(int(text)) != text or text == "0":
        raise DataError(f"{path}: the name is not <i>{_ENDING} with i = 1, 2, ...")
    return int(text)


def _sample(number: int, path: Path, pictures: Path) -> Sample:
    content = read_mat(path, ("Points", "Occ"))
    points = matrix(content["Points"], (IBUG68.size, 2), f"{path}: Points")
    occluded = matrix(content["Occ"].reshape(-1), (IBUG68.size,), f"{path}: Occ")
    return Sample(
        id=str(number),
        image=picture_path(pictures, number - 1),
        box=None,
        target=Landmarks(points=points, visible=occluded == 0),
        cluster=str(number),
    )


def _pictures(root: Path) -> Path:
    for place in (root, root / "COFW", root.parent / "COFW"):
        try:
            return find_mat(place, "test")
        except DataError:
            continue
    return root / "COFW_test_color.mat"


DATASET = Dataset(
    name="cofw68",
    title="COFW-68",
    task="landmarks",
    folder="COFW68",
    layout=("COFW68_Data/test_annotations/<i>_points.mat", "COFW_test_color.mat (or in COFW/ beside this folder)"),
    licence="research; pictures as COFW",
    citation="Ghiasi, Fowlkes, Occlusion Coherence: Detecting and Localizing Occluded Faces, 2015",
    load=load,
    sizes={"test": 507},
    whole="all",
    scheme=IBUG68,
    normalisers=("ipupil", "ioc", "lmkbox"),
    thresholds={"ipupil": (10.0,), "lmkbox": (7.0,)},
    headline=("cofw68/test/all/nme-ipupil", "cofw68/test/all/nme-ipupil-visible"),
    box="gt",
    box_scale=1.25,
    aliases={"full": "test"},
    scored_only=True,
)
