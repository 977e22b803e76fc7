"""The nouns that flow through an evaluation, and the protocols of what is plugged in.

    dataset ── Sample ──> crop ──> Backbone ── Features ──> head ── Prediction, in the frame of the original image
                                                                       └──> Evaluator.measure ──> Statistics

This module imports neither torch nor pandas; tensors are named in annotations only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np

from facebench.errors import DataError, unknown_name
from facebench.schemes import LabelScheme, LandmarkScheme
from facebench.shapes import BoolArray, Box, ByteArray, FloatArray, IntArray

if TYPE_CHECKING:
    from torch import Tensor

    from facebench.metric import Metric, Statistics
    from facebench.record import BackboneRecord

Task: TypeAlias = Literal["landmarks", "parsing", "reconstruction"]


@dataclass(frozen=True, eq=False)
class Landmarks:
    """The annotated points of one face.

    Attributes:
        points: (K, 2) float64, pixels of the stored image, 0-based, x right, y down. Rows that are not `located` hold
            finite numbers that mean nothing.
        visible: (K,) bool, False where the data set marks the point occluded; None where it says nothing.
        located: (K,) bool, False where the data set gives no place at all (MERL-RAV's self-occluded points); None
            where every point has its place.
    """

    points: FloatArray
    visible: BoolArray | None = None
    located: BoolArray | None = None

    def fingerprint(self) -> bytes:
        """Bytes that change whenever the annotation does."""
        flags = [b"-" if f is None else np.packbits(f).tobytes() for f in (self.visible, self.located)]
        return self.points.astype("<f8").tobytes() + b"|".join(flags)


@dataclass(frozen=True, eq=False)
class LabelMap:
    """The label map of one picture, read when it is asked for.

    Attributes:
        files: what it is made from; named in errors, hashed into the dataset's revision.
        read: returns (H, W) uint8 class ids at the stored size.
    """

    files: tuple[Path, ...]
    read: Callable[[], ByteArray]

    def fingerprint(self) -> bytes:
        """Bytes that change whenever the annotation does."""
        return _digest_files(self.files)


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh.

    Attributes:
        vertices: (V, 3) float64, in the unit its owner says.
        faces: (F, 3) int64 indices into vertices.
    """

    vertices: FloatArray
    faces: IntArray


@dataclass(frozen=True, eq=False)
class Scan:
    """A face mesh with the seven NoW landmarks (schemes.NOW_LANDMARKS); truth in mm, prediction in its own unit."""

    mesh: Mesh
    landmarks: FloatArray


@dataclass(frozen=True, eq=False)
class ScanFiles:
    """The scan of one subject, read when it is asked for; the same object serves all pictures of the subject."""

    files: tuple[Path, ...]
    read: Callable[[], Scan]

    def fingerprint(self) -> bytes:
        """Bytes that change whenever the annotation does."""
        return _digest_files(self.files)


def _digest_files(files: Sequence[Path]) -> bytes:
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.digest()


Target: TypeAlias = Landmarks | LabelMap | ScanFiles
Prediction: TypeAlias = FloatArray | ByteArray | Scan
"""Landmarks (K, 2) in pixels of the stored image, a label map (H, W) at the stored size, or a mesh with landmarks."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One face of a data set.

    Attributes:
        id: stable and unique within the data set; never the bare file name where several faces share a picture.
        image: the stored picture; nothing opens it unless it must.
        box: the annotated face box, pixels of the stored image; None where the data set has none.
        target: the annotation.
        subsets: names of the subsets this face belongs to, beside the whole.
        cluster: samples with the same cluster are not independent (one picture, one subject).
        slices: facts about the sample that results can be grouped by (`yaw`, `skin_tone`); only made worlds have many.
        synthetic: whether the sample was drawn, not taken; no number on it is one on real faces.
    """

    id: str
    image: Path
    box: Box | None
    target: Target
    subsets: frozenset[str] = frozenset()
    cluster: str = ""
    slices: Mapping[str, float | str] = field(default_factory=dict)
    synthetic: bool = False


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in its official on-disk layout: what it is, and how it is read.

    Attributes:
        name: the name in keys and on the command line: `300w`.
        title: the name in prose.
        task: which evaluator scores it.
        folder: the official folder name below the data root.
        layout: what lies below that folder, one line a path, for people.
        licence: the terms in a few words, and whether pictures may be shown.
        citation: paper, venue and year.
        load: (folder, split) to the samples of `train`, `val`, `test` or a further split named in `sizes`. Raises
            `DataError`.
        sizes: the official number of samples of each split; None where no official number exists.
        subset_sizes: the official number of samples of each subset of `test` (or of the split before the slash:
            `private/indoor`); None where no official number exists.
        whole: the key part of the whole split: `all` or `full`.
        scheme: the landmark order or class list; None for scans.
        normalisers: landmark sets only: every normaliser the field uses, the headline's first.
        thresholds: normaliser to the FR / AUC thresholds in percent.
        headline: the keys a table shows first, the ranking one first.
        box: the box that `run` crops by: `gt`, `annotated` or `whole`.
        box_scale: how much the box side grows before the crop.
        aliases: further names of a split.
        scored_only: True where the field only scores predictions on it and nothing is trained.
    """

    name: str
    title: str
    task: Task
    folder: str
    layout: tuple[str, ...]
    licence: str
    citation: str
    load: Callable[[Path, str], Sequence[Sample]]
    sizes: Mapping[str, int | None]
    subset_sizes: Mapping[str, int | None] = field(default_factory=dict)
    whole: str = "all"
    scheme: LandmarkScheme | LabelScheme | None = None
    normalisers: tuple[str, ...] = ()
    thresholds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    headline: tuple[str, ...] = ()
    box: Literal["gt", "annotated", "whole"] = "gt"
    box_scale: float = 1.0
    aliases: Mapping[str, str] = field(default_factory=dict)
    scored_only: bool = False

    @property
    def default_split(self) -> str:
        """The split that is scored when none is named: the one of the first headline key."""
        return self.headline[0].split("/")[1] if self.headline else "test"

    def locate(self, root: Path) -> Path:
        """Folder of this set, given the data root or the folder itself. Raises `DataError` if neither exists."""
        if not root.is_dir():
            raise DataError(f"data root {root} does not exist; name it with --data DIR or FACEBENCH_DATA")
        return root / self.folder if (root / self.folder).is_dir() else root

    def select(self, name: str) -> tuple[str, str | None]:
        """Split and subset that a split name on the command line means: `common` is (`test`, `common`)."""
        name = self.aliases.get(name, name)
        if name in self.sizes:
            return name, None
        if "=" in name:  # a group of slices.csv, which may be asked of any split: `val/yaw=profile`
            split, _, group = name.rpartition("/")
            return (self.select(split)[0] if split else self.default_split), group
        subsets = {key.split("/")[-1]: key for key in self.subset_sizes}
        if name in subsets or name in self.subset_sizes:
            split, _, subset = subsets.get(name, name).rpartition("/")
            return split or "test", subset
        raise unknown_name(f"split of {self.name}", name, [*self.sizes, *self.aliases, *subsets])

    def samples(self, root: Path, split: str) -> tuple[Sample, ...]:
        """Samples of a split or subset, in the order of the official list. Raises `DataError`."""
        split, subset = self.select(split)
        folder = self.locate(root)
        samples = _with_slices(self.load(folder, split), folder)
        chosen = tuple(s for s in samples if subset is None or subset in s.subsets)
        if not chosen:
            there = ", ".join(sorted({name for s in samples for name in s.subsets}))
            more = f"subsets with samples: {there}" if there else f"`facebench data doctor {root}` says what is there"
            raise DataError(f"{self.name}/{subset or split}: no sample found below {folder}; {more}")
        return chosen


def _with_slices(samples: Sequence[Sample], folder: Path) -> Sequence[Sample]:
    """`samples` with what `slices.csv` and the mark of a drawn set say of them. Raises `DataError`."""
    from facebench.slices import FILE, MARK, read_slices

    if (folder / MARK).is_file():
        samples = [replace(sample, synthetic=True) for sample in samples]
    rows = read_slices(folder)
    if rows is None:
        return samples
    bare = [sample.id for sample in samples if sample.id not in rows]
    if bare:
        lacking = f"{len(bare)} of {len(samples)} samples, the first is {bare[0]!r}"
        raise DataError(f"{folder / FILE} has no row for {lacking}; complete or remove it")
    known = [(sample, rows[sample.id]) for sample in samples]
    return [replace(s, slices={**s.slices, **row.facts}, subsets=s.subsets | row.subsets) for s, row in known]


def revision(samples: Sequence[Sample]) -> str:
    """Hash of ids, boxes, subsets and annotations (sha256, hex): two results on one revision saw the same truth."""
    digest = hashlib.sha256()
    prints: dict[int, bytes] = {}  # one scan serves all pictures of its subject
    for sample in sorted(samples, key=lambda s: s.id):
        box = "-" if sample.box is None else ",".join(repr(float(v)) for v in sample.box)
        digest.update(f"{sample.id}\0{box}\0{','.join(sorted(sample.subsets))}\0".encode())
        if id(sample.target) not in prints:
            prints[id(sample.target)] = sample.target.fingerprint()
        digest.update(prints[id(sample.target)])
    return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Features:
    """What a backbone makes of a batch.

    Attributes:
        maps: feature maps from shallow to deep, each (N, D, h, w) float32.
        pooled: (N, D) float32, one vector a picture.
    """

    maps: tuple[Tensor, ...]
    pooled: Tensor


@runtime_checkable
class Backbone(Protocol):
    """Anything that turns face crops into features; it owns its own mean and std.

    Attributes:
        record: who it is: spec, weights and their sha256, sizes; goes into every result.
        input_size: S, side of the square crop it wants, pixels.
    """

    @property
    def record(self) -> BackboneRecord:
        """Who it is."""
        ...

    @property
    def input_size(self) -> int:
        """S, pixels."""
        ...

    def features(self, images: Tensor) -> Features:
        """Features of `images` (N, 3, S, S) float32 in [0, 1], RGB."""
        ...


@dataclass(frozen=True)
class BackboneSource:
    """One `source:` of the backbone grammar.

    Attributes:
        name: what stands before the colon: `timm`.
        grammar: how it is spelt, for people.
        summary: one line for `facebench list backbones`.
        open: what stands after the colon, and the wanted input side (None: the backbone's own) to a backbone.
    """

    name: str
    grammar: str
    summary: str
    open: Callable[[str, int | None], Backbone]


@runtime_checkable
class Evaluator(Protocol):
    """One task: how its predictions are measured, and which numbers that gives.

    Attributes:
        name: the task it scores.
        version: goes up whenever a number it gives can change.
        summary: one line for `facebench list evaluators`.

    An evaluator with choices may also have `defaults`, a mapping of those that hold where `settings` makes none; they
    are part of every signature.
    """

    name: str
    version: int
    summary: str

    def metrics(self, dataset: Dataset) -> tuple[Metric, ...]:
        """Every metric this task stores for `dataset`, the headline first."""
        ...

    def measure(self, dataset: Dataset, sample: Sample, prediction: Any, settings: Mapping[str, str]) -> Statistics:
        """Sufficient statistics of one sample. Raises `DataError` where the prediction cannot be scored."""
        ...


class Predictions(Protocol):
    """Predictions by sample id, read when asked for."""

    def ids(self) -> Sequence[str]:
        """Every id there is a prediction for, doubled ones doubled."""
        ...

    def read(self, sample: Sample) -> Prediction:
        """The prediction for `sample`. Raises `DataError` where it is damaged."""
        ...

    def digest(self) -> str:
        """Hash of the content (sha256, hex)."""
        ...
