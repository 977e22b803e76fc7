"""AFLW with 19 landmarks on 24,386 faces (Koestinger et al. 2011; re-annotated by Zhu et al., CVPR 2016).

Layout: `AFLWinfo_release.mat` with `bbox` (N x 4: left, right, top, bottom), `data` (N x 38: x1..x19, y1..y19),
`mask_new` (N x 19: 1 = visible), `nameList` (N paths below the picture folder) and `ra`, a 1-based permutation; the
pictures below `flickr/` or `data/flickr/`. Train is the first 20,000 of `ra`, test the other 4,386 (the field's
"full"), frontal those of test with all 19 points visible (1,314; the 1,165 of the paper is another rule). A made world
may say in a variable `train_count` where its `ra` is cut. Invisible points are annotated and count, as in FaRL and
HRNet.

Coordinates: as they are. The file comes from Matlab, which would make the first pixel 1, but neither its page nor any
published code (FaRL, HRNet, PIPNet, mmpose) shifts it; boxes and points are in one frame, and so are published
predictions. Pixel centres at 0-based integers are assumed, not known.

Ids: `<path>#<row>`, the 0-based row of the .mat file, since several faces share a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facebench.datasets.held_out import is_held_out
from facebench.datasets.listing import image_path
from facebench.datasets.matlab_file import matrix, read_mat
from facebench.errors import DataError
from facebench.schemes import AFLW19
from facebench.shapes import AnyArray, BoolArray, FloatArray, IntArray
from facebench.types import Dataset, Landmarks, Sample

_FILE = "AFLWinfo_release.mat"
_VARIABLES = ("bbox", "data", "mask_new", "nameList", "ra")
_TRAIN_COUNT = 20000  # Zhu et al.; FaRL datasets/aflw19.py
_PICTURES = ("flickr", "data/flickr", "aflw/data/flickr", "images")


@dataclass(frozen=True, eq=False)
class _Table:
    """The content of the .mat file: N faces, and the rows of train and test in the order of `ra`."""

    paths: Sequence[str]
    points: FloatArray
    boxes: FloatArray
    visible: BoolArray
    train: IntArray
    test: IntArray


def load(root: Path, split: str) -> Sequence[Sample]:
    """Samples of `train`, `val`, `trainval` or `test` below `root`. Raises `DataError`."""
    table = _read(_find(root))
    rows = (table.test if split == "test" else table.train).tolist()
    if split in ("train", "val"):
        rows = [row for row in rows if is_held_out(table.paths[row]) == (split == "val")]
    pictures = next((root / folder for folder in _PICTURES if (root / folder).is_dir()), root)
    return [_sample(table, row, pictures) for row in rows]


def _sample(table: _Table, row: int, pictures: Path) -> Sample:
    left, right, top, bottom = table.boxes[row].tolist()
    visible = table.visible[row]
    return Sample(
        id=f"{table.paths[row]}#{row}",
        image=pictures / table.paths[row],
        box=(left, top, right, bottom),
        target=Landmarks(points=table.points[row], visible=visible),
        subsets=frozenset({"frontal"} if visible.all() else ()),
        cluster=table.paths[row],
    )


def _find(root: Path) -> Path:
    places = [root / folder / _FILE for folder in ("", "data", "aflw", "annotations")]
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        raise DataError(f"{root}: no {_FILE}; put the file of Zhu et al. (compositional face alignment) there")
    return found


def _read(path: Path) -> _Table:
    content = read_mat(path, _VARIABLES, optional=("train_count",))
    points = matrix(content["data"], (None, 2 * AFLW19.size), f"{path}: data")
    n = len(points)
    mask = matrix(content["mask_new"], (n, AFLW19.size), f"{path}: mask_new")
    order = _permutation(content["ra"], n, path)
    cut = content.get("train_count", np.array([_TRAIN_COUNT]))
    if cut.size != 1 or cut.dtype.kind not in "iuf" or not np.isfinite(cut).all():
        raise DataError(f"{path}: train_count is not one number")
    return _Table(
        paths=_paths(content["nameList"], n, path),
        points=points.reshape(n, 2, AFLW19.size).transpose(0, 2, 1).copy(),
        boxes=matrix(content["bbox"], (n, 4), f"{path}: bbox"),
        visible=mask == 1,
        train=order[: int(cut.item())],
        test=order[int(cut.item()) :],
    )


def _permutation(ra: AnyArray, n: int, path: Path) -> IntArray:
    order = matrix(ra.reshape(-1), (None,), f"{path}: ra")
    if not np.array_equal(np.sort(order), np.arange(1, n + 1)):
        raise DataError(f"{path}: ra is not a permutation of 1..{n}; rows are doubled or missing")
    return order.astype(np.int64) - 1


def _paths(names: AnyArray, n: int, path: Path) -> list[str]:
    cells = names.reshape(-1)
    if len(cells) != n:
        raise DataError(f"{path}: nameList has {len(cells)} entries, expected {n}")
    return [image_path(_text(cell, f"{path}: nameList[{i}]"), f"{path}: nameList[{i}]") for i, cell in enumerate(cells)]


def _text(cell: object, where: str) -> str:
    """The string inside the one-element arrays that scipy makes of a Matlab cell."""
    while isinstance(cell, np.ndarray) and cell.size == 1:
        cell = cell.reshape(-1)[0]
    if not isinstance(cell, str):
        raise DataError(f"{where} is {type(cell).__name__}, not a path")
    return str(cell)


DATASET = Dataset(
    name="aflw19",
    title="AFLW-19",
    task="landmarks",
    folder="AFLW",
    layout=("AFLWinfo_release.mat", "flickr/{0,2,3}/<picture>.jpg"),
    licence="non-commercial research, on request from TU Graz; pictures not to be passed on",
    citation="Zhu et al., Unconstrained Face Alignment via Cascaded Compositional Learning, CVPR 2016",
    load=load,
    # The cut of train at the held-out pictures follows from the official file; nobody publishes its sizes.
    sizes={"train": None, "val": None, "test": 4386, "trainval": 20000},
    subset_sizes={"frontal": 1314},
    whole="full",
    scheme=AFLW19,
    normalisers=("diag", "box", "boxmax", "ioc", "ipupil"),
    thresholds={"box": (7.0,)},
    headline=("aflw19/test/full/nme-diag", "aflw19/test/frontal/nme-diag"),
    box="annotated",
    box_scale=1.0,
    aliases={"full": "test"},
)
