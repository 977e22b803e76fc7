"""LaPa: eleven classes of face parsing, with 106 landmarks (Liu et al., AAAI 2020).

Layout: `{train,val,test}/images/<name>.jpg`, `labels/<name>.png` (grey, class ids 0..10 of the authors' labelmap.txt,
at the size of the picture), `landmarks/<name>.txt` (the number 106, then 106 lines `x y`).

Sizes: 18,176 / 2,000 / 2,000 is how the set is described; no official code holds the numbers, so they are unverified.

Coordinates: landmarks as they are; where the first pixel lies is not said. They are not scored here. FaRL aligns faces
by five of them (`ALIGNMENT_POINTS`), and a couple of dozen training files are known to be wrong (lapa-dataset issue 3).

Ids: the bare name; one label map a picture. Names end in the number of the face within one photograph
(`10773046825_0`), so faces that share the rest of the name are one cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from facebench.datasets.listing import numbers, read_lines
from facebench.errors import DataError
from facebench.images import read_label_map
from facebench.schemes import LAPA11
from facebench.shapes import FloatArray
from facebench.types import Dataset, LabelMap, Sample

LANDMARKS = 106

ALIGNMENT_POINTS = (104, 105, 54, 84, 90)
"""Left pupil, right pupil, nose tip, mouth corners as the image shows them: FaRL's five points (face_parsing, LaPa)."""


def load(root: Path, split: str) -> Sequence[Sample]:
    """Samples of `train`, `val` or `test` below `root`, by name. Raises `DataError`."""
    folder = root / split
    labels = _names(folder / "labels", ".png")
    if not labels:
        raise DataError(
            f"{folder}: no label map in labels/; unpack LaPa.tar.gz so that {folder / 'labels'} holds *.png"
        )
    # A picture without its label map is a copy that stopped half-way; a label map without its picture can be scored.
    bare = sorted(_names(folder / "images", ".jpg") - labels)
    if bare:
        raise DataError(f"{folder}: {len(bare)} pictures have no label map, first {bare[0]}.jpg; copy labels/ again")
    return [_sample(folder, name) for name in sorted(labels)]


def read_landmarks(path: Path) -> FloatArray:
    """Landmarks of a LaPa `.txt` file, (106, 2) float64, pixels of the stored picture. Raises `DataError`."""
    lines = read_lines(path)
    if not lines or lines[0][1].strip() != str(LANDMARKS) or len(lines) != LANDMARKS + 1:
        raise DataError(f"{path}: {len(lines)} lines, expected the number {LANDMARKS} and as many lines `x y`")
    pairs = [(where, line.split()) for where, line in lines[1:]]
    for where, pair in pairs:
        if len(pair) != 2:
            raise DataError(f"{where}: {len(pair)} numbers, expected x and y")
    return numbers([token for _, pair in pairs for token in pair], str(path)).reshape(-1, 2)


def landmarks_file(sample: Sample) -> Path:
    """The landmark file beside a sample's picture."""
    return sample.image.parent.parent / "landmarks" / f"{sample.id}.txt"


def _sample(folder: Path, name: str) -> Sample:
    label = folder / "labels" / f"{name}.png"
    return Sample(
        id=name,
        image=folder / "images" / f"{name}.jpg",
        box=None,
        target=LabelMap(files=(label,), read=partial(read_label_map, label, LAPA11.size)),
        cluster=name.rpartition("_")[0] or name,
    )


def _names(folder: Path, suffix: str) -> set[str]:
    """Bare names of the files of one kind; the hidden ones that some systems leave behind are not meant."""
    if not folder.is_dir():
        return set()
    return {p.stem for p in folder.iterdir() if p.suffix == suffix and not p.name.startswith(".")}


DATASET = Dataset(
    name="lapa",
    title="LaPa",
    task="parsing",
    folder="LaPa",
    layout=(
        "{train,val,test}/images/<name>.jpg",
        "{train,val,test}/labels/<name>.png",
        "{train,val,test}/landmarks/<name>.txt (read for alignment only)",
    ),
    licence="non-commercial research; pictures not to be shown or passed on",
    citation="Liu et al., A New Dataset and Boundary-Attention Semantic Segmentation for Face Parsing, AAAI 2020",
    load=load,
    sizes={"train": 18176, "val": 2000, "test": 2000},
    scheme=LAPA11,
    headline=("lapa/test/mean-fg10/f1",),
    box="whole",
)
