"""Made results on WFLW whose per-sample errors are known, with records and statistics on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facebench.record import Counts, DatasetRecord, SamplesRecord, write_results
from facebench.registry import Registry
from facebench.sample_table import SampleTable, write_table
from facebench.scoring import reduce_scores
from tests.leaderboard.records import backbone, record

REGISTRY = Registry()


def made(
    folder: Path,
    errors: Sequence[float],
    *,
    subject: str = "vit",
    ids: Sequence[str] | None = None,
    fields: Mapping[str, str] | None = None,
    expected: int | None = None,
    seed: int = 0,
    sha256: str = "0123456789abcdef",
    profile: Sequence[bool] | None = None,
    **changes: Any,
) -> Path:
    """A folder with `result.json` and `samples.parquet` of faces whose errors are `errors` (fractions)."""
    dataset = REGISTRY.get("datasets", "wflw")
    values = np.asarray(errors, dtype=np.float64)
    names = tuple(ids or (f"face{i}" for i in range(len(values))))
    flags = np.asarray(profile if profile is not None else np.arange(len(values)) % 2 == 0)
    columns = {f"error-{name}": values for name in dataset.normalisers}
    table = SampleTable(names, names, {"yaw=profile": flags}, {}, columns)
    metrics = REGISTRY.get("evaluators", "landmarks").metrics(dataset)
    scores = reduce_scores(metrics, dataset, "test", None, table)
    folder.mkdir(parents=True, exist_ok=True)
    digest = write_table(folder / "samples.parquet", table)
    whole = expected or len(values)
    about = DatasetRecord(name="wflw", split="test", revision="3fa9c1", official=None, licence="-", citation="-")
    result = record(
        subject,
        *scores,
        fields=dict(fields or {}),
        dataset=about,
        backbone=backbone(subject, sha256=sha256),
        counts=Counts(expected=whole, scored=len(values), failed=whole - len(values)),
        samples=SamplesRecord(path="samples.parquet", sha256=digest, rows=len(values)),
        seeds=(seed,),
        **changes,
    )
    write_results(folder / "result.json", [result])
    return folder


def noisy(n: int, *, mean: float = 0.05, spread: float = 0.01, seed: int = 0) -> np.ndarray:
    """Errors of n faces."""
    return np.abs(np.random.default_rng(seed).normal(mean, spread, size=n))
