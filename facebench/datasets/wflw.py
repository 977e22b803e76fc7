"""WFLW: 98 landmarks, ten thousand faces in the wild (Wu et al., Look at Boundary, CVPR 2018).

Layout: `WFLW_annotations/list_98pt_rect_attr_train_test/list_98pt_rect_attr_{train,test}.txt`, one face a line, 207
words: 196 coordinates, the face rectangle `xmin ymin xmax ymax`, six attributes 0/1 (pose, expression, illumination,
make-up, occlusion, blur), the picture's path below `WFLW_images`. Where the test list is missing, the csv of HRNet
(`face_landmarks_wflw_test.csv` and `..._test_<subset>.csv`) or the official subset lists
(`list_98pt_test/list_98pt_test_<subset>.txt`, 197 words, no rectangle) take its place; with subset lists alone `test`
holds the faces of the lists that are there, so the subsets are whole and the split is not.

Coordinates: as they are. Neither the paper nor the readme says whether the first pixel is 0 or 1, and every published
evaluation (LAB, HRNet, FaRL, PIPNet, STAR) uses the numbers of the list, so pixel centres at 0-based integers is taken
as given. The HRNet csv holds the same numbers (equal up to 2e-5 pixels, the rounding of single precision).

Ids: `<path>#<x>,<y>`, the first landmark rounded to whole pixels, since several faces share a picture: 2,500 test faces
lie in 2,118 pictures. The first landmark is printed alike in the lists and in the csv.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facebench.datasets.held_out import is_held_out
from facebench.datasets.hrnet_csv import read_hrnet_csv
from facebench.datasets.listing import image_path, numbers, read_lines, require_unique
from facebench.errors import DataError
from facebench.schemes import WFLW98
from facebench.shapes import Box, FloatArray
from facebench.types import Dataset, Landmarks, Sample

# Attribute order of the 207-word lists (README_rect_attr); sizes: FaRL's and SPIGA's denominators.
SUBSETS: Mapping[str, int] = {
    "pose": 326,
    "expression": 314,
    "illumination": 698,
    "makeup": 206,
    "occlusion": 736,
    "blur": 773,
}
_FULL_WORDS, _SUBSET_WORDS, _COORDINATES = 207, 197, 196
_FILE_NAMES = {"pose": "largepose"}
"""A subset's name in file names, where it differs."""


@dataclass(frozen=True, eq=False)
class _Face:
    image: str
    points: FloatArray
    box: Box | None
    subsets: frozenset[str]

    @property
    def id(self) -> str:
        """Path and first landmark: the same from every kind of list."""
        x, y = self.points[0]
        return f"{self.image}#{round(x)},{round(y)}"


def load(root: Path, split: str) -> Sequence[Sample]:
    """Samples of `train`, `val`, `trainval` or `test` below `root`. Raises `DataError`."""
    faces = _faces(root, "test" if split == "test" else "train")
    if split in ("train", "val"):
        faces = [face for face in faces if is_held_out(face.image) == (split == "val")]
    images = next((root / d for d in ("WFLW_images", "images") if (root / d).is_dir()), root / "WFLW_images")
    samples = [
        Sample(
            id=face.id,
            image=images / face.image,
            box=face.box,
            target=Landmarks(points=face.points),
            subsets=face.subsets,
            cluster=face.image,
        )
        for face in faces
    ]
    require_unique(samples, f"wflw/{split} below {root}")
    return samples


def _faces(root: Path, part: str) -> list[_Face]:
    """Faces of the official list `part` (train or test), from the first kind of list that is there."""
    main = _find(root, f"list_98pt_rect_attr_{part}.txt", "list_98pt_rect_attr_train_test")
    if main is not None:
        faces = [_full_face(line, where) for where, line in read_lines(main)]
        if part == "test":
            _cross_check(faces, root, main)
        return faces
    table = _find(root, f"face_landmarks_wflw_{part}.csv", "")
    if table is not None:
        return _csv_faces(table, root, part)
    if part == "test":
        faces = _joined(_subset_faces(root))
        if faces:
            return faces
    wanted = f"WFLW_annotations/list_98pt_rect_attr_train_test/list_98pt_rect_attr_{part}.txt"
    raise DataError(f"{root}: no {wanted} (nor a csv or subset list in its place); unpack WFLW_annotations there")


def _find(root: Path, name: str, folder: str) -> Path | None:
    """The list `name`, in its official folder or loose in the places where people put it."""
    below = (root / "WFLW_annotations", root / "annotations", root)
    places = [base / folder / name for base in below] + [base / name for base in below]
    return next((path for path in places if path.is_file()), None)


def _full_face(line: str, where: str) -> _Face:
    words = _words(line, where, _FULL_WORDS)
    points, rect = words[:_COORDINATES], words[_COORDINATES : _COORDINATES + 4]
    flags = words[_COORDINATES + 4 : -1]
    if not set(flags) <= {"0", "1"}:
        raise DataError(f"{where}: attributes {' '.join(flags)[:60]!r}, expected six times 0 or 1")
    x0, y0, x1, y1 = numbers(rect, where).tolist()
    return _Face(
        image=image_path(words[-1], where),
        points=numbers(points, where).reshape(-1, 2),
        box=(x0, y0, x1, y1),
        subsets=frozenset(name for name, flag in zip(SUBSETS, flags, strict=True) if flag == "1"),
    )


def _words(line: str, where: str, expected: int) -> list[str]:
    words = line.split()
    if len(words) != expected:
        raise DataError(f"{where}: {len(words)} words, expected {expected}")
    return words


def _subset_faces(root: Path) -> Iterator[tuple[str, _Face]]:
    """(subset, face) of every official subset list that is there."""
    for subset in SUBSETS:
        path = _find(root, f"list_98pt_test_{_FILE_NAMES.get(subset, subset)}.txt", "list_98pt_test")
        for where, line in read_lines(path) if path is not None else ():
            words = _words(line, where, _SUBSET_WORDS)
            points = numbers(words[:-1], where).reshape(-1, 2)
            yield subset, _Face(image_path(words[-1], where), points, None, frozenset({subset}))


def _joined(faces: Iterator[tuple[str, _Face]]) -> list[_Face]:
    """One face for each id, in all the subsets that list it; a face doubled within one subset stays doubled."""
    joined: dict[str, _Face] = {}
    doubled: list[_Face] = []
    for subset, face in faces:
        known = joined.get(face.id)
        if known is not None and subset in known.subsets:
            doubled.append(face)
        joined[face.id] = face if known is None else _Face(face.image, face.points, None, known.subsets | {subset})
    return [*joined.values(), *doubled]


def _cross_check(faces: Sequence[_Face], root: Path, main: Path) -> None:
    """Raise `DataError` where a subset list holds a face of the main list that lacks the attribute there."""
    known = {face.id: face.subsets for face in faces}
    for subset, face in _subset_faces(root):
        if subset not in known.get(face.id, {subset}):
            raise DataError(f"{main}: {face.id} is in the subset list of {subset} but its attribute {subset} is 0")


def _csv_faces(table: Path, root: Path, part: str) -> list[_Face]:
    """Faces of an HRNet csv; the subsets of test from the csv, or the official list, of each subset."""
    faces = _read_csv(table)
    members: dict[str, set[str]] = {face.id: set() for face in faces}
    for subset, face in (*_subset_csv_faces(table), *_subset_faces(root)) if part == "test" else ():
        members.get(face.id, set()).add(subset)
    return [_Face(f.image, f.points, None, frozenset(members[f.id])) for f in faces]


def _subset_csv_faces(table: Path) -> Iterator[tuple[str, _Face]]:
    for subset in SUBSETS:
        path = table.with_name(f"face_landmarks_wflw_test_{_FILE_NAMES.get(subset, subset)}.csv")
        yield from ((subset, face) for face in (_read_csv(path) if path.is_file() else ()))


def _read_csv(path: Path) -> list[_Face]:
    return [_Face(row.image, row.points, None, frozenset()) for row in read_hrnet_csv(path, WFLW98.size)]


DATASET = Dataset(
    name="wflw",
    title="WFLW",
    task="landmarks",
    folder="WFLW",
    layout=(
        "WFLW_images/<event>/<picture>.jpg",
        "WFLW_annotations/list_98pt_rect_attr_train_test/list_98pt_rect_attr_{train,test}.txt",
        "WFLW_annotations/list_98pt_test/list_98pt_test_<subset>.txt (only where the test list is missing)",
        "face_landmarks_wflw_{train,test,test_<subset>}.csv (HRNet's form, in place of the lists)",
    ),
    licence="non-commercial research; pictures of WIDER FACE, not to be shown or passed on",
    citation="Wu et al., Look at Boundary: A Boundary-Aware Face Alignment Algorithm, CVPR 2018",
    load=load,
    # The cut of train at the held-out pictures follows from the official list; nobody publishes its sizes.
    sizes={"train": None, "val": None, "test": 2500, "trainval": 7500},
    subset_sizes=SUBSETS,
    whole="all",
    scheme=WFLW98,
    normalisers=("ioc", "ipupil"),
    thresholds={"ioc": (10.0, 5.0, 8.0)},
    headline=("wflw/test/all/nme-ioc",),
    box="gt",
    box_scale=1.25,
    aliases={"full": "test", "all": "test", "largepose": "pose", "make-up": "makeup"},
)
