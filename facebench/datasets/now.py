"""NoW: real head scans of a hundred people, and photographs of them (Sanyal et al., CVPR 2019).

Layout: `imagepathsvalidation.txt` and `imagepathstest.txt` list pictures, of which only the last three parts of the
path count, `<subject>/<challenge>/<picture>.jpg`; the pictures lie below `final_release_version/iphone_pictures`, the
neutral scan of each validation subject in `scans/<subject>/*.obj` (mm) and its seven landmarks in
`scans_lmks_onlypp/<subject>/*.pp`, the first match of each (by name, where the official code leaves the order to the
file system).

Splits: `val` is the published validation list, 20 subjects. The scans of `test`, 80 subjects, are private: its pictures
can be listed and predicted, and the predictions sent to the authors; scoring them here is an error that says so, unless
their scans lie beside the others. NoW has no training pictures. `train` is a folder of (picture, mesh) pairs of ours:

    train/images/<subject>/<challenge>/<picture>.jpg     (or .jpeg, .png)
    train/meshes/<subject>.obj                           the neutral head, mm
    train/meshes/<subject>.pp                            its seven landmarks, as MeshLab writes them

Choices are made on training subjects; `val` is what the field publishes on.

Boxes: none. The official `detected_face/**/*.npy` are pickles, which are never loaded; `run` crops the whole picture.

Ids: `<subject>/<challenge>/<picture without suffix>`, the path of the prediction in an official submission.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath

from facebench.datasets.listing import image_path, read_lines, require_unique
from facebench.errors import DataError
from facebench.geometry.mesh_io import read_mesh
from facebench.geometry.picked_points import read_picked_points
from facebench.types import Dataset, Sample, Scan, ScanFiles

CHALLENGES = ("multiview_neutral", "multiview_expressions", "multiview_occlusions", "selfie")
LISTS: Mapping[str, str] = {"val": "imagepathsvalidation.txt", "test": "imagepathstest.txt"}
PICTURES = ("final_release_version/iphone_pictures", "iphone_pictures")
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png")


def load(root: Path, split: str) -> Sequence[Sample]:
    """Samples of `train`, `val` or `test` below `root`. Raises `DataError`."""
    if split == "train":
        return _load_train(root)
    listed = root / LISTS[split]
    pictures = next((root / p for p in PICTURES if (root / p).is_dir()), root / PICTURES[0])
    entries = [_entry(where, line) for where, line in read_lines(listed)]
    _require_distinct(entries)
    subjects = sorted({entry.parts[0] for _, entry in entries})
    scans = {subject: _find_scan(root, subject) for subject in subjects}
    missing = [subject for subject, scan in scans.items() if scan is None]
    if missing and split == "val":
        named = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        wanted = "scans/<subject>/*.obj and scans_lmks_onlypp/<subject>/*.pp"
        raise DataError(f"{root}: no {wanted} for {len(missing)} of {len(subjects)} subjects ({named})")
    return [_sample(pictures / entry, entry, scans[entry.parts[0]] or _private(entry)) for _, entry in entries]


def _entry(where: str, line: str) -> tuple[str, PurePosixPath]:
    """Place and `<subject>/<challenge>/<picture>` of a line. Raises `DataError` where it is hostile or no such path."""
    # What stands before the last three parts is never used, so it may be the root of another machine.
    entry = PurePosixPath(*PurePosixPath(image_path(line.strip().lstrip("/"), where).replace("\\", "/")).parts[-3:])
    if len(entry.parts) != 3 or entry.suffix.lower() not in PICTURE_SUFFIXES:
        raise DataError(f"{where}: {line.strip()[:80]!r} is not <subject>/<challenge>/<picture>.jpg")
    if entry.parts[1] not in CHALLENGES:
        raise DataError(f"{where}: challenge {entry.parts[1][:40]!r} is none of {', '.join(CHALLENGES)}")
    return where, entry


def _require_distinct(entries: Sequence[tuple[str, PurePosixPath]]) -> None:
    first: dict[PurePosixPath, str] = {}
    for where, entry in entries:
        before = first.setdefault(entry.with_suffix(""), where)
        if before != where:
            raise DataError(f"{where}: {entry} is listed twice; it first stands on line {before.rpartition(':')[2]}")


def _find_scan(root: Path, subject: str) -> ScanFiles | None:
    """Scan and landmarks of a validation subject; None where one of them is missing."""
    meshes = sorted((root / "scans" / subject).glob("*.obj"))
    landmarks = sorted((root / "scans_lmks_onlypp" / subject).glob("*.pp"))
    return _scan_files(meshes[0], landmarks[0]) if meshes and landmarks else None


def _private(entry: PurePosixPath) -> ScanFiles:
    """The scan of a test subject: a target that says why it cannot be read."""

    def refuse() -> Scan:
        raise DataError(
            f"the NoW scan of test subject {entry.parts[0]} is private: send the predictions to the authors, "
            "or score --split val"
        )

    return ScanFiles(files=(), read=refuse)


def _load_train(root: Path) -> Sequence[Sample]:
    images, meshes = root / "train" / "images", root / "train" / "meshes"
    if not images.is_dir() or not meshes.is_dir():
        raise DataError(
            f"{root}: no train/images and train/meshes; NoW has no training pictures, see `facebench describe now` "
            "for the layout of (picture, mesh) pairs"
        )
    pairs: dict[str, ScanFiles] = {}
    samples = []
    for entry in _pictures(images):
        subject = entry.parts[0]
        if subject not in pairs:
            pairs[subject] = _scan_files(_present(meshes / f"{subject}.obj"), _present(meshes / f"{subject}.pp"))
        samples.append(_sample(images / entry, entry, pairs[subject]))
    require_unique(samples, images)
    return samples


def _pictures(images: Path) -> Iterator[PurePosixPath]:
    """`<subject>/<challenge>/<picture>` of every picture below `images`, sorted."""
    for path in sorted(images.glob("*/*/*")):
        if path.suffix.lower() in PICTURE_SUFFIXES:
            yield _entry(str(path), PurePosixPath(path.relative_to(images)).as_posix())[1]


def _present(path: Path) -> Path:
    if not path.is_file():
        raise DataError(f"{path} is missing, though there are training pictures of {path.stem}")
    return path


def _sample(image: Path, entry: PurePosixPath, target: ScanFiles) -> Sample:
    subject, challenge, _ = entry.parts
    return Sample(
        id=entry.with_suffix("").as_posix(),
        image=image,
        box=None,
        target=target,
        subsets=frozenset({challenge}),
        cluster=subject,
    )


def _scan_files(mesh: Path, landmarks: Path) -> ScanFiles:
    return ScanFiles(files=(mesh, landmarks), read=partial(_read_current, mesh, landmarks))


def _read_current(mesh: Path, landmarks: Path) -> Scan:
    return _read_scan(mesh, landmarks, *(_stamp(path) for path in (mesh, landmarks)))


def _stamp(path: Path) -> tuple[int, int]:
    """What changes when the file does; (0, 0) where it is missing, which the reader then reports."""
    if not path.is_file():
        return 0, 0
    status = path.stat()
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=24)  # a scan of 120,000 vertices is read once for all pictures of its subject; val has 20 subjects
def _read_scan(mesh: Path, landmarks: Path, *stamps: tuple[int, int]) -> Scan:
    del stamps  # part of the cache's key alone
    return Scan(mesh=read_mesh(mesh), landmarks=read_picked_points(landmarks))


DATASET = Dataset(
    name="now",
    title="NoW",
    task="reconstruction",
    folder="NoW",
    layout=(
        "imagepathsvalidation.txt, imagepathstest.txt",
        "final_release_version/iphone_pictures/<subject>/<challenge>/<picture>.jpg",
        "scans/<subject>/*.obj",
        "scans_lmks_onlypp/<subject>/*.pp",
        "train/images/<subject>/<challenge>/<picture>.jpg (our own layout: NoW has no training pictures)",
        "train/meshes/<subject>.obj, train/meshes/<subject>.pp",
    ),
    licence="non-commercial research, by registration; pictures and scans not to be shown or passed on",
    citation="Sanyal et al., Learning to Regress 3D Face Shape and Expression from an Image without 3D Supervision, "
    "CVPR 2019",
    load=load,
    # The project page counts 2,054 pictures over both lists; how many each list has is nowhere confirmed.
    sizes={"train": None, "val": None, "test": None},
    subset_sizes={f"val/{challenge}": None for challenge in CHALLENGES},
    whole="all",
    headline=("now/val/all/median",),
    box="whole",
)
