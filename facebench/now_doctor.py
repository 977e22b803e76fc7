"""The prediction doctor: what is wrong with a NoW submission folder, named, counted, and with what to do.

Images are looked at one by one (`now_checks`); what only several show, an expression left on, is looked for over the
images of a subject.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from facebench.errors import DataError
from facebench.geometry.similarity import fit_similarity
from facebench.metrics.scan import Unit
from facebench.now_checks import Remark, Severity, check_prediction
from facebench.now_predictions import NowFolder
from facebench.ordered import in_order
from facebench.shapes import FloatArray
from facebench.types import Sample, Scan, ScanFiles

NEUTRAL, EXPRESSIVE = "multiview_neutral", "multiview_expressions"
MOVED = 2.5  # times as far from a subject's neutral mesh as its neutral images are from one another
MOVED_LEAST = 0.01  # of the outer-eye distance, some 0.9 mm
_COLOUR_BYTES = 1 << 16


@dataclass(frozen=True)
class Trouble:
    """One kind of trouble in a folder.

    Attributes:
        what: the kind.
        severity: `fault` or `hint`.
        images: ids of the images that have it, in order.
        detail: what was found in the first.
        todo: what to do.
    """

    what: str
    severity: Severity
    images: tuple[str, ...]
    detail: str
    todo: str


@dataclass(frozen=True, eq=False)
class _Seen:
    """What is kept of one image."""

    remarks: tuple[Remark, ...]
    mouth: FloatArray | None = field(default=None)


def examine(
    folder: Path, samples: Sequence[Sample], *, unit: Unit | None = None, workers: int = 1
) -> tuple[Trouble, ...]:
    """Everything wrong with the predictions in `folder` for `samples`, faults first, the most frequent first.

    Args:
        folder: the submission folder.
        samples: the split.
        unit: the unit that the predictions are said to be in, for the metrical protocol.
        workers: threads.

    Raises:
        DataError: there is no such folder.
    """
    predictions = NowFolder(folder)
    known = set(predictions.ids())
    reference = _References(predictions)

    def look(sample: Sample) -> _Seen:
        return _look(predictions, sample, sample.id in known, unit, reference)

    seen = dict(zip([s.id for s in samples], in_order(look, samples, workers=workers), strict=True))
    pairs = [(name, remark) for name, found in seen.items() for remark in found.remarks]
    pairs += _expressions(samples, {name: found.mouth for name, found in seen.items() if found.mouth is not None})
    pairs += _strangers(predictions, samples)
    return _gathered(pairs)


def _look(predictions: NowFolder, sample: Sample, known: bool, unit: Unit | None, reference: _References) -> _Seen:
    if not known:
        todo = f"write {sample.id}.obj and {sample.id}.npy; the official code leaves such images out silently"
        return _Seen((Remark("missing mesh", "fault", "no .obj or .ply", todo),))
    remarks = [*_colours(predictions.mesh(sample.id))]
    try:
        prediction = predictions.read(sample)
    except DataError as cause:
        what = "missing landmarks" if "no landmarks beside it" in str(cause) else "unreadable prediction"
        return _Seen((*remarks, Remark(what, "fault", str(cause), "write the file again; the line says what is wrong")))
    remarks += check_prediction(prediction, _truth(sample), unit)
    return _Seen(
        tuple(remarks), None if any(r.severity == "fault" for r in remarks) else reference.mouth(sample, prediction)
    )


def _truth(sample: Sample) -> FloatArray | None:
    assert isinstance(sample.target, ScanFiles)
    try:
        return sample.target.read().landmarks
    except DataError:  # the scans of the test split are private
        return None


def _colours(path: Path) -> Iterable[Remark]:
    """More than three numbers on the first vertex line."""
    if path.suffix.lower() != ".obj":
        return
    with path.open("rb") as file:
        lines = file.read(_COLOUR_BYTES).split(b"\n")
    first = next((line.split() for line in lines if line.lstrip()[:2] in {b"v ", b"v\t"}), [])
    if len(first) > 4:
        yield Remark(
            "vertex colours", "hint", f"{len(first) - 1} numbers a vertex",
            "nothing here; the official reader takes colours for coordinates, so write x y z alone for others",
        )  # fmt: skip


class _References:
    """Mouths of a subject's images in one frame: that of the first image of the same mesh."""

    def __init__(self, predictions: NowFolder) -> None:
        self._predictions = predictions
        self._first: dict[str, str] = {}
        for name in predictions.ids():
            subject, challenge, _ = name.split("/", 2)
            if challenge == NEUTRAL:
                self._first.setdefault(subject, name)

    def mouth(self, sample: Sample, prediction: Scan) -> FloatArray | None:
        """(n, 3) vertices about the mouth in outer-eye distances; None where they cannot be compared."""
        first = self._first.get(sample.id.split("/", 1)[0])
        if first is None or sample.id.split("/")[1] not in {NEUTRAL, EXPRESSIVE}:
            return None
        try:
            model = self._predictions.read_id(first)
            if len(model.mesh.vertices) != len(prediction.mesh.vertices):
                return None
            fit = fit_similarity(prediction.mesh.vertices, model.mesh.vertices)
        except DataError:
            return None
        eyes = float(np.linalg.norm(model.landmarks[0] - model.landmarks[3]))
        away = np.linalg.norm(model.mesh.vertices - model.landmarks[5:].mean(axis=0), axis=1)
        return fit.apply(prediction.mesh.vertices[away < 0.4 * eyes]) / eyes


def _expressions(samples: Sequence[Sample], mouths: Mapping[str, FloatArray]) -> list[tuple[str, Remark]]:
    """Images with an expression whose mouth is elsewhere than in the subject's neutral ones."""
    subjects: dict[str, dict[str, list[str]]] = {}
    for sample in samples:
        if sample.id in mouths:
            subject, challenge, _ = sample.id.split("/", 2)
            subjects.setdefault(subject, {}).setdefault(challenge, []).append(sample.id)
    found = []
    for images in subjects.values():
        neutral = np.array([mouths[name] for name in images.get(NEUTRAL, [])])
        if not len(neutral) or not neutral.shape[1]:
            continue
        mean = neutral.mean(axis=0)
        usual = float(np.median([_apart(mouth, mean) for mouth in neutral]))
        for name in images.get(EXPRESSIVE, []):
            apart = _apart(mouths[name], mean)
            if apart > max(MOVED * usual, MOVED_LEAST):
                found.append((name, _expression_remark(apart, usual)))
    return found


def _expression_remark(apart: float, usual: float) -> Remark:
    return Remark(
        "expression left on?", "hint",
        f"the mouth is {100 * apart:.1f} % of the eye distance from the subject's neutral images, "
        f"which vary by {100 * usual:.1f} %",
        "every image is scored against the neutral scan: set expression and jaw to zero before writing the mesh",
    )  # fmt: skip


def _apart(mouth: FloatArray, mean: FloatArray) -> float:
    """Root mean square distance."""
    return float(np.sqrt(((mouth - mean) ** 2).sum(axis=1).mean()))


def _strangers(predictions: NowFolder, samples: Sequence[Sample]) -> list[tuple[str, Remark]]:
    ids = [s.id for s in samples]
    strange = sorted(set(predictions.ids()) - set(ids))
    return [
        (name, Remark("not an image of this split", "hint", _nearest(name, ids), "rename or remove it"))
        for name in strange
    ]


def _nearest(name: str, ids: Sequence[str]) -> str:
    close = get_close_matches(name, ids, 1)
    return f"{name} is most like {close[0]}" if close else f"{name} is like none"


def _gathered(pairs: Iterable[tuple[str, Remark]]) -> tuple[Trouble, ...]:
    kinds: dict[str, list[tuple[str, Remark]]] = {}
    for name, remark in pairs:
        kinds.setdefault(remark.what, []).append((name, remark))
    troubles = [
        Trouble(what, found[0][1].severity, tuple(name for name, _ in found), found[0][1].detail, found[0][1].todo)
        for what, found in kinds.items()
    ]
    return tuple(sorted(troubles, key=lambda t: (t.severity != "fault", -len(t.images), t.what)))
