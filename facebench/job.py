"""One row of a run: one backbone, or the floor, on one benchmark, and the folder its result is kept in."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import facebench
from facebench.errors import DataError
from facebench.features import Shard
from facebench.framing import Framing
from facebench.geometry.head_model import HeadModel
from facebench.protocols.probe import Floor, HeadProtocol, Probe
from facebench.protocols.splits import Splits
from facebench.record import Result, read_results, signature
from facebench.types import Backbone, Dataset, Evaluator, Prediction, Sample, revision

Source: TypeAlias = Iterator[tuple[Sample, Prediction | None, str]]
"""(sample, prediction, reason it has none), in the order of the split."""

DIGITS = 6
"""Digits of a revision that a signature shows, as in `facebench.scoring`."""


@dataclass(frozen=True, eq=False)
class Job:
    """What one row needs.

    Attributes:
        dataset: the benchmark.
        evaluator: its task.
        splits: the samples.
        framing: how they are cropped.
        seen: how those that are scored are, where a view shows them otherwise; None for `framing`.
        backbone: who is judged; None for the floor.
        fields: the signature, but for `data` and `eval`, which the evaluation adds.
        runs: the folder of all runs.
        protocol: how much of the backbone may learn.
        seeds: recorded; the linear protocol draws nothing, the mapping head begins from the first.
        model: heads are coefficients of it; None for a basis of the training heads.
    """

    dataset: Dataset
    evaluator: Evaluator
    splits: Splits
    framing: Framing
    backbone: Backbone | None
    fields: Mapping[str, str]
    runs: Path
    protocol: HeadProtocol
    seeds: tuple[int, ...] = ()
    model: HeadModel | None = None
    seen: Framing | None = None

    @property
    def subject(self) -> str:
        """Short name for tables."""
        return "floor" if self.backbone is None else self.backbone.record.name

    @property
    def folder(self) -> Path:
        """The folder of this row, named by everything its numbers depend on."""
        name = re.sub(r"[^a-z0-9]+", "-", self.subject.lower()).strip("-")[:48]
        return self.runs / f"{self.dataset.name}-{name}-{self.key[:8]}"

    @property
    def key(self) -> str:
        """Hash (sha256, hex) over the signature, the backbone and every setting."""
        return hashlib.sha256(json.dumps(self._identity(), sort_keys=True).encode()).hexdigest()

    def _identity(self) -> dict[str, Any]:
        record = None if self.backbone is None else self.backbone.record
        return {
            "facebench": facebench.__version__,
            "protocol": self.protocol.NAME,
            "signature": signature(**self.fields),
            "eval": f"{self.evaluator.name}.v{self.evaluator.version}",
            "split": self.splits.name,
            "data": revision(self.splits.test),
            "fit": self.splits.fitted_on,
            "size": self.framing.size,
            "seeds": list(self.seeds),
            "backbone": record and [record.sha256 or record.spec, record.details, record.input_size, record.name],
        }

    def finished(self) -> Result | None:
        """The result that an earlier run left, whole and complete; None where there is none.

        An incomplete one is made again: the picture that failed may have been mended since.
        """
        path = self.folder / "result.json"
        if not path.is_file():
            return None
        try:
            result = read_results(path)[0]
            table = self.folder / result.samples.path if result.samples else None
            whole = table is not None and hashlib.sha256(table.read_bytes()).hexdigest() == _sha256_of(result)
        except (DataError, OSError):
            return None
        return result if whole and result.counts.complete else None


def signature_fields(
    splits: Splits,
    framing: Framing,
    *,
    probe: str,
    budget: str,
    limit: int | None,
    model: HeadModel | None,
    labels: str = "100",
    corrupt: str = "",
) -> Mapping[str, str]:
    """What must match before two rows may be compared; the input size is the backbone's own and is not in it."""
    fields = {
        "box": str(framing),
        "budget": budget,
        "crop": "edge.v1",
        "fit": splits.fitted_on[:DIGITS],
        "labels": labels,
        "probe": probe,
        "sel": "val",
        "tta": "none",
    }
    fields |= {} if limit is None else {"limit": str(limit)}
    fields |= {"corrupt": corrupt} if corrupt else {}
    return fields if model is None else fields | {"basis": model.sha256[:DIGITS]}


def _sha256_of(result: Result) -> str:
    return result.samples.sha256 if result.samples else ""


@dataclass
class Made:
    """Predictions made one shard at a time, in the order they are asked for.

    Attributes:
        samples: the split.
        source: (sample, prediction, reason it has none), in the order of the split.
        keep: called with each prediction when it is read.
    """

    samples: Sequence[Sample]
    source: Source
    keep: Callable[[Sample, Prediction], None]

    def ids(self) -> Sequence[str]:
        """Every id of the split: each gets a prediction or a reason."""
        return [sample.id for sample in self.samples]

    def read(self, sample: Sample) -> Prediction:
        """The prediction for `sample`, the next of the split. Raises `DataError` where its picture was unreadable."""
        # Samples that an interrupted call has measured already are not asked for again.
        _, prediction, reason = next(made for made in self.source if made[0].id == sample.id)
        if prediction is None:
            raise DataError(reason)
        self.keep(sample, prediction)
        return prediction

    def digest(self) -> str:
        """Predictions that were just made have no file."""
        return ""

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids())


def predictions(probe: Probe, samples: Sequence[Sample], shards: Iterator[Shard]) -> Source:
    """(sample, prediction, reason it has none) of every sample, in order."""
    position = 0
    for shard in shards:
        made = zip(shard.samples, probe.predict(shard), strict=True)
        for sample in samples[position : position + len(shard.samples) + len(shard.failures)]:
            position += 1
            if sample.id in shard.failures:
                yield sample, None, shard.failures[sample.id]
            else:
                found, make = next(made)
                assert found.id == sample.id, f"features of {found.id} where {sample.id} was next"
                yield _made(sample, make)


def floor_predictions(floor: Floor, samples: Sequence[Sample]) -> Source:
    """The floor's prediction of every sample, in order; a picture whose size cannot be read has none."""
    for sample in samples:
        yield _made(sample, partial(floor.predict, sample))


def _made(sample: Sample, make: Callable[[], Prediction]) -> tuple[Sample, Prediction | None, str]:
    try:
        return sample, make(), ""
    except DataError as cause:
        return sample, None, str(cause)
