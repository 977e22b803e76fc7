"""Result: all that the leaderboard, `compare` and `gate` may know of an evaluation.

Records hold finite, full-precision numbers in the published unit; only a renderer rounds. They are read without torch,
validated on the way in and out, and written atomically. Reading a record runs nothing: a `module:` spec in it is text.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from facebench.errors import DataError

SCHEMA_VERSION: Final = 1


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BackboneRecord(_Record):
    """Who the backbone is.

    Attributes:
        spec: as the user spelt it.
        name: the short name for tables.
        weights: where the numbers came from: `pretrained:TAG`, `random:SEED`, `file`, `none`.
        sha256: over names, shapes and values of all weights; None where there are none.
        parameters: number of weights.
        input_size: S, pixels.
        gmacs: multiply-adds of one picture at `input_size`, 10^9; None where nobody counted them.
        details: mean, std, layers, pooling and whatever else belongs to the backbone.
    """

    spec: str
    name: str
    weights: str
    sha256: str | None
    parameters: int
    input_size: int
    gmacs: FiniteFloat | None = None
    details: dict[str, Any] = Field(default_factory=dict)


class LatencyRecord(_Record):
    """How long the backbone takes for a picture: the median over the batches that were made anyway.

    Attributes:
        milliseconds: of a picture, in batches of `batch`; reading and cropping are not in it.
        batches: how many were timed.
        device: where they ran.
    """

    milliseconds: FiniteFloat
    batch: int
    batches: int
    device: str


class PredictionsRecord(_Record):
    """Which predictions were scored: the file's own name and the sha256 of its content."""

    name: str
    sha256: str


class DatasetRecord(_Record):
    """Which truth was scored against.

    Attributes:
        revision: sha256 over ids, boxes, subsets and annotations of the scored samples.
        official: whether the number of samples is the official one; None where there is none.
    """

    name: str
    split: str
    revision: str
    official: bool | None
    licence: str
    citation: str


class Counts(_Record):
    """How many samples were expected, scored and not scored, with the reasons of the latter.

    Attributes:
        unknown: predictions for ids that the split does not have; they were left out.
    """

    expected: int
    scored: int
    failed: int
    unknown: int = 0
    reasons: dict[str, str] = Field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every expected sample was scored, and every prediction was for one."""
        return self.failed == 0 and self.scored == self.expected and self.unknown == 0

    @property
    def shortfall(self) -> str:
        """What is not complete, in words; nothing where nothing is."""
        lacking = self.expected - self.scored
        parts = (
            f"{lacking:,} of {self.expected:,} not scored" if lacking or self.failed else "",
            f"{self.unknown:,} predicted for no sample of the split" if self.unknown else "",
        )
        return ", ".join(filter(None, parts))


class Score(_Record):
    """One number.

    Attributes:
        key: what was measured: `dataset/split/subset/metric-normaliser`.
        value: in the published unit; None where undefined, with `reason`.
        interval: 95 % interval (low, high), made as docs/statistics.md says; None where there is none.
        n: number of samples behind it.
        doubts: why the interval may cover less often than it says: few samples, events or clusters.
    """

    key: str
    value: FiniteFloat | None
    unit: str
    direction: Literal["lower", "higher"]
    n: int
    headline: bool = False
    interval: tuple[FiniteFloat, FiniteFloat] | None = None
    reason: str | None = None
    doubts: tuple[str, ...] = ()


class SamplesRecord(_Record):
    """The Parquet file of per-sample statistics beside the record."""

    path: str
    sha256: str
    rows: int


class Result(_Record):
    """One backbone (or one set of predictions) on one split of one data set under one protocol.

    Attributes:
        subject: short name of what was judged, for tables.
        signature: sorted `key:value|...` of what must match before two results may be compared.
        interval_method: how the intervals were made.
        settings: every further choice, resolved.
        environment: versions, machine, git commit.
        timing: seconds by stage.
        latency: of the backbone; None where its features were made before anybody took the time.
        warnings: what a reader of the row must be told.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    subject: str
    task: str
    evaluator: str
    evaluator_version: int
    dataset: DatasetRecord
    backbone: BackboneRecord | None
    predictions: PredictionsRecord | None
    protocol: str
    signature: str
    counts: Counts
    scores: tuple[Score, ...]
    interval_method: str
    seeds: tuple[int, ...] = ()
    settings: dict[str, Any] = Field(default_factory=dict)
    samples: SamplesRecord | None = None
    environment: dict[str, Any] = Field(default_factory=dict)
    timing: dict[str, FiniteFloat] = Field(default_factory=dict)
    latency: LatencyRecord | None = None
    warnings: tuple[str, ...] = ()
    created: Annotated[str, Field(description="UTC, ISO 8601")]

    def score(self, key: str) -> Score:
        """The score under `key`. Raises `KeyError`."""
        return {s.key: s for s in self.scores}[key]


def signature(**fields: str | int | float) -> str:
    """Readable, sorted signature: `box:gt*1.25|data:3fa9c1|probe:none`."""
    return "|".join(f"{name}:{value}" for name, value in sorted(fields.items()))


def parse_signature(text: str) -> dict[str, str]:
    """Fields of a signature, by name."""
    return dict(part.split(":", 1) for part in text.split("|") if part)


def write_text(path: Path, text: str) -> None:
    """Write `text` so that a reader sees the old file or the new one, never half. Raises `DataError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as f:
            f.write(text)
            f.flush()
            os.fsync(f.fileno())
        Path(f.name).replace(path)
    except OSError as cause:
        raise DataError(f"cannot write {path}: {cause.strerror or cause}") from cause


def write_results(path: Path, results: Iterable[Result]) -> None:
    """Write one record, or a list of them, as JSON."""
    records = [r.model_dump(mode="json") for r in results]
    payload = records[0] if len(records) == 1 else records
    write_text(path, json.dumps(payload, indent=2, allow_nan=False) + "\n")


def record_files(path: Path) -> tuple[Path, ...]:
    """`path` itself, or every `result.json` below it where it is a folder. Raises `DataError` where there is none."""
    files = tuple(sorted(path.rglob("result.json"))) if path.is_dir() else (path,)
    if not files:
        raise DataError(f"{path} holds no result.json; `facebench run -o {path}` writes them")
    return files


def read_results(path: Path) -> tuple[Result, ...]:
    """Records of a JSON file, or of every `result.json` below a folder. Raises `DataError`."""
    return tuple(result for file in record_files(path) for result in _read_file(file))


def _read_file(path: Path) -> tuple[Result, ...]:
    try:
        payload = json.loads(path.read_text(encoding="utf-8"))
        records = payload if isinstance(payload, list) else [payload]
        return tuple(Result.model_validate(record) for record in records)
    except OSError as cause:
        raise DataError(f"cannot read {path}: {cause.strerror or cause}") from cause
    except ValueError as cause:
        raise DataError(f"{path} is not a facebench record: {_first_problem(cause)}") from cause


def _first_problem(cause: ValueError) -> str:
    if isinstance(cause, ValidationError):
        problem = cause.errors()[0]
        return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
    return str(cause).splitlines()[0]


def json_schema() -> dict[str, Any]:
    """JSON Schema of a record."""
    return Result.model_json_schema()
