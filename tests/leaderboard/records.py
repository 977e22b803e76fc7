"""Records for the tests: plausible rows with one thing changed at a time."""

from __future__ import annotations

from typing import Any

from facebench.record import (
    BackboneRecord,
    Counts,
    DatasetRecord,
    PredictionsRecord,
    Result,
    Score,
    signature,
)

SIGNATURE = {
    "box": "gt*1.25",
    "data": "3fa9c1",
    "eval": "landmarks.v1",
    "fit": "train",
    "probe": "linear.v1",
    "sel": "val",
}


def score(key: str = "wflw/test/all/nme-ioc", value: float | None = 4.0, **changes: Any) -> Score:
    """A headline score with an interval of ±3 %."""
    interval = None if value is None else (value * 0.97, value * 1.03)
    fields = {"unit": "%", "direction": "lower", "n": 2500, "headline": True, "interval": interval}
    return Score(key=key, value=value, **(fields | changes))


def backbone(name: str, weights: str = "pretrained:augreg", **changes: Any) -> BackboneRecord:
    """A timm backbone."""
    fields: dict[str, Any] = {
        "spec": f"timm:{name}",
        "sha256": "0123456789abcdef",
        "parameters": 86_000_000,
        "input_size": 224,
    }
    return BackboneRecord(name=name, weights=weights, **(fields | changes))


def record(subject: str = "vit", *scores: Score, fields: dict[str, str] | None = None, **changes: Any) -> Result:
    """A complete result of a backbone on WFLW; `fields` change its signature."""
    scores = scores or (score(),)
    dataset, split = scores[0].key.split("/")[:2]
    about = DatasetRecord(name=dataset, split=split, revision="3fa9c1", official=True, licence="-", citation="-")
    values: dict[str, Any] = {
        "task": "landmarks",
        "evaluator": "landmarks",
        "evaluator_version": 1,
        "dataset": about,
        "backbone": backbone(subject),
        "predictions": None,
        "protocol": "linear.v1",
        "signature": signature(**(SIGNATURE | (fields or {}))),
        "counts": Counts(expected=2500, scored=2500, failed=0),
        "interval_method": "bootstrap",
        "created": "2026-01-01T00:00:00+00:00",
    }
    return Result(subject=subject, scores=scores, **(values | changes))


def floor(value: float) -> Result:
    """What no skill scores: neither a backbone nor predictions."""
    return record("floor", score(value=value), backbone=None)


def predicted(subject: str, value: float) -> Result:
    """Predictions that were made elsewhere."""
    about = PredictionsRecord(name=f"{subject}.npz", sha256="fedcba9876543210")
    return record(subject, score(value=value), backbone=None, predictions=about)


def incomplete(subject: str, value: float, failed: int = 10) -> Result:
    """A result that lost samples."""
    counts = Counts(expected=2500, scored=2500 - failed, failed=failed, reasons={"a/b.jpg#1,2": "no prediction"})
    return record(subject, score(value=value, n=2500 - failed), counts=counts)
