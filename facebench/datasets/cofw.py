"""COFW: 29 landmarks under occlusion (Burgos-Artizzu et al., ICCV 2013).

Layout: two Matlab 7.3 (HDF5) files, `COFW_train_color.mat` with `IsTr`, `bboxesTr`, `phisTr` and `COFW_test_color.mat`
with `IsT`, `bboxesT`, `phisT`: the pictures themselves (some grey), boxes [x y w h], and N x 87 numbers a face: 29 x,
29 y, 29 occlusion flags (1 = occluded). HDF5 keeps Matlab's arrays transposed. The flags mark points as not visible;
they do not enter the official error.

Pictures: picture i (0-based) of a file is addressed as `COFW_test_color.mat#i`; `read_cofw_image` reads it.

Coordinates: as they are. The file comes from Matlab, which would make the first pixel 1, but neither the paper nor any
published code (HRNet, AWing, PIPNet, mmpose) shifts it, and published predictions are in the same frame. Pixel centres
at 0-based integers are assumed, not known.

Ids: `test/12`, part and 0-based index. Held out for validation is a tenth of train, by the hash of that index.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from facebench.datasets.held_out import is_held_out
from facebench.datasets.matlab_file import matrix
from facebench.errors import DataError
from facebench.schemes import COFW29
from facebench.shapes import AnyArray, ByteArray
from facebench.types import Dataset, Landmarks, Sample

_SUFFIX = {"train": "Tr", "test": "T"}
_PLACES = ("", "COFW_color", "common/xpburgos/behavior/code/pose", "COFW_color/common/xpburgos/behavior/code/pose")
_MAX_NUMBERS = 3 * 89_478_485  # three channels of the largest picture that facebench.images reads


def load(root: Path, split: str) -> Sequence[Sample]:
    """Samples of `train`, `val`, `trainval` or `test` below `root`. Raises `DataError`."""
    part = "test" if split == "test" else "train"
    samples = _samples(find_mat(root, part), part)
    if split in ("train", "val"):
        return [s for i, s in enumerate(samples) if is_held_out(str(i)) == (split == "val")]
    return samples


def find_mat(root: Path, part: str) -> Path:
    """The file of `part` (train or test) below `root`. Raises `DataError`."""
    name = f"COFW_{part}_color.mat"
    found = next((root / place / name for place in _PLACES if (root / place / name).is_file()), None)
    if found is None:
        raise DataError(f"{root}: no {name}; unpack COFW_color.zip there")
    return found


def picture_path(mat: Path, index: int) -> Path:
    """Address of picture `index` (0-based) inside `mat`, as `facebench.images` understands it."""
    return mat.with_name(f"{mat.name}#{index}")


def read_cofw_image(mat_path: Path, index: int) -> ByteArray:
    """Picture `index` (0-based) of a COFW file, (H, W, 3) uint8 RGB, grey ones as three equal channels.

    Raises `DataError`.
    """
    where = f"{mat_path}#{index}"
    with _opened(mat_path) as file:
        name = next((f"Is{suffix}" for suffix in _SUFFIX.values() if f"Is{suffix}" in file), "IsT")
        cells = _read(file, name, mat_path).reshape(-1)
        if not 0 <= index < len(cells):
            raise DataError(f"{where}: the file holds {len(cells)} pictures, 0..{len(cells) - 1}")
        try:
            stored = file[cells[index]]
        except (KeyError, OSError, RuntimeError, TypeError, ValueError) as cause:
            raise DataError(f"{where}: {name} does not lead to a picture ({cause})") from cause
        pixels = _array(stored, where)
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[0] not in (1, 3)):
        raise DataError(f"{where}: not a picture but {pixels.dtype} {' x '.join(map(str, pixels.shape))}")
    # HDF5 keeps (channels, W, H).
    planes = pixels if pixels.ndim == 3 else pixels[None]
    colour = np.broadcast_to(planes, (3, *planes.shape[1:]))
    return np.ascontiguousarray(colour.transpose(2, 1, 0))


def _samples(mat: Path, part: str) -> list[Sample]:
    suffix, size = _SUFFIX[part], COFW29.size
    with _opened(mat) as file:
        phis = matrix(_read(file, f"phis{suffix}", mat).T, (None, 3 * size), f"{mat}: phis{suffix}")
        n = len(phis)
        boxes = matrix(_read(file, f"bboxes{suffix}", mat).T, (n, 4), f"{mat}: bboxes{suffix}")
        pictures = _read(file, f"Is{suffix}", mat).size
    if pictures != n:
        raise DataError(f"{mat}: {pictures} pictures but {n} annotated faces")
    return [
        Sample(
            id=f"{part}/{i}",
            image=picture_path(mat, i),
            box=(x, y, x + w, y + h),
            target=Landmarks(points=face[: 2 * size].reshape(2, size).T.copy(), visible=face[2 * size :] == 0),
            cluster=f"{part}/{i}",
        )
        for i, (face, (x, y, w, h)) in enumerate(zip(phis, boxes.tolist(), strict=True))
    ]


@contextmanager
def _opened(mat: Path) -> Iterator[Any]:
    import h5py

    try:
        file = h5py.File(mat, "r")
    except OSError as cause:
        state = "does not exist" if not mat.exists() else f"is not a whole Matlab 7.3 file: {cause}"
        raise DataError(f"{mat} {state}; unpack COFW_color.zip again") from cause
    with file:
        yield file


def _read(file: Any, name: str, mat: Path) -> AnyArray:
    """Variable `name` as HDF5 keeps it: Matlab's array transposed."""
    import h5py

    # A link could lead out of the file; Matlab writes none.
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise DataError(f"{mat}: no variable {name}; another file under this name?")
    return _array(file[name], f"{mat}: {name}")


def _array(stored: Any, where: str) -> AnyArray:
    import h5py

    if not isinstance(stored, h5py.Dataset) or stored.external or stored.is_virtual:
        raise DataError(f"{where} is no array of this file")
    if stored.size is None or stored.size > _MAX_NUMBERS:
        raise DataError(f"{where} says it has {stored.size} numbers; more than {_MAX_NUMBERS} are refused")
    try:
        return np.asarray(stored[()])
    except OSError as cause:
        raise DataError(f"{where} is damaged: {cause}; unpack COFW_color.zip again") from cause


DATASET = Dataset(
    name="cofw",
    title="COFW",
    task="landmarks",
    folder="COFW",
    layout=("COFW_train_color.mat", "COFW_test_color.mat"),
    licence="research; pictures not to be shown or passed on",
    citation="Burgos-Artizzu, Perona, Dollár, Robust Face Landmark Estimation under Occlusion, ICCV 2013",
    load=load,
    # The cut of train at the held-out faces follows from the official file; nobody publishes its sizes.
    sizes={"train": None, "val": None, "test": 507, "trainval": 1345},
    whole="all",
    scheme=COFW29,
    normalisers=("ioc", "ipupil", "lmkbox"),
    thresholds={"ioc": (10.0,), "ipupil": (10.0,)},
    headline=("cofw/test/all/nme-ioc", "cofw/test/all/nme-ipupil"),
    box="gt",
    box_scale=1.25,
    aliases={"full": "test"},
)
