"""From predictions to a `Result`: measure every sample, reduce once, say what was left out.

`facebench score` and `facebench run` end here: a prediction that was made anywhere and one that a head just made are
measured by the same lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from facebench.cells import cells_of, headline_keys
from facebench.environment import describe_environment
from facebench.errors import DataError, FacebenchError
from facebench.journal import Journal
from facebench.metric import Metric, Statistics
from facebench.ordered import in_order
from facebench.record import (
    BackboneRecord,
    Counts,
    DatasetRecord,
    PredictionsRecord,
    Result,
    SamplesRecord,
    Score,
    signature,
    write_results,
)
from facebench.sample_table import SampleTable, collect, write_table
from facebench.stats import METHOD, intervals, take
from facebench.types import Dataset, Evaluator, Predictions, Sample, revision

REVISION_DIGITS = 6
"""Digits of the dataset's revision that a signature shows; the record holds all of them."""

SYNTHETIC_LICENCE = "synthetic faces, drawn by facebench: free to use and to show"


@dataclass(frozen=True, eq=False)
class Measured:
    """What measuring a split gave.

    Attributes:
        table: statistics of the samples that were scored.
        failures: id of each sample that was not, with its reason.
        expected: number of samples of the split.
        unknown: number of predictions that were for no sample of the split.
    """

    table: SampleTable
    failures: Mapping[str, str]
    expected: int
    unknown: int = 0

    @property
    def counts(self) -> Counts:
        """Expected, scored and failed, with reasons."""
        scored, failed, reasons = len(self.table.ids), len(self.failures), dict(self.failures)
        return Counts(expected=self.expected, scored=scored, failed=failed, unknown=self.unknown, reasons=reasons)


def measure(
    evaluator: Evaluator,
    dataset: Dataset,
    samples: Sequence[Sample],
    predictions: Predictions,
    *,
    settings: Mapping[str, str],
    unusable: Mapping[str, str] | None = None,
    journal: Journal | None = None,
    workers: int = 1,
    on_sample: Callable[[Sample], None] = lambda _: None,
) -> Measured:
    """Statistics of every sample of a split.

    A sample without a usable prediction is a failure with its reason; it never stops the rest and never counts as
    scored.

    Args:
        evaluator: the task.
        dataset: what the samples belong to.
        samples: the split, in its order.
        predictions: read one at a time.
        settings: choices of the evaluator (`mode`, `unit`).
        unusable: ids that are known to have no prediction that could be read, with the reason.
        journal: keeps rows over an interruption.
        workers: threads that read and measure; more than one pays where the work is in compiled code. Order, journal
            and progress are as with one, and no more than twice as many samples are under way.
        on_sample: called after each sample.
    """
    known = dict(journal.rows()) if journal else {}
    refused, failures, scored, rows = unusable or {}, dict[str, str](), list[Sample](), list[Statistics]()

    def judge(sample: Sample) -> Statistics | DataError:
        try:
            if sample.id in refused:
                raise DataError(refused[sample.id])
            row = known.get(sample.id)
            return evaluator.measure(dataset, sample, predictions.read(sample), settings) if row is None else row
        except DataError as cause:
            return cause

    try:
        for sample, row in zip(samples, in_order(judge, samples, workers=workers), strict=True):
            if isinstance(row, DataError):
                failures[sample.id] = str(row)
            else:
                scored.append(sample)
                rows.append(row)
                if journal and sample.id not in known:
                    journal.add(sample, row)
            on_sample(sample)
    except BaseException:
        if journal:
            journal.flush()
        raise
    if not rows:
        first = next(iter(failures.items()))
        raise FacebenchError(f"none of the {len(samples)} samples could be scored; the first, {first[0]}: {first[1]}")
    return Measured(collect(scored, rows), failures, len(samples))


def reduce_scores(
    metrics: Sequence[Metric], dataset: Dataset, split: str, subset: str | None, table: SampleTable, *, seed: int = 0
) -> tuple[Score, ...]:
    """Every metric on the whole and on each subset, with its interval.

    Args:
        metrics: what to reduce.
        dataset: names the keys and the headline.
        split: the split the table was measured on.
        subset: the subset that the table is restricted to; None for the whole split.
        table: statistics by sample.
        seed: of the bootstrap.
    """
    cells = cells_of(metrics, dataset, split, subset, table)
    found = intervals([(cell.metric, cell.mask) for cell in cells], table.columns, table.clusters, seed=seed)
    headline = headline_keys(dataset, split, subset)
    scores = []
    for cell, interval in zip(cells, found, strict=True):
        metric = cell.metric
        value = metric.value(take(table.columns, cell.mask))
        scores.append(
            Score(
                key=cell.key,
                value=value,
                unit=metric.unit,
                direction=metric.direction,
                n=int(cell.mask.sum()),
                headline=cell.key in headline,
                interval=(interval.low, interval.high) if interval and value is not None else None,
                reason=None if value is not None else metric.undefined,
                doubts=interval.doubts if interval and value is not None else (),
            )
        )
    return tuple(scores)


def build_result(
    evaluator: Evaluator,
    dataset: Dataset,
    split: str,
    samples: Sequence[Sample],
    measured: Measured,
    *,
    subject: str,
    protocol: str,
    signature_fields: Mapping[str, str],
    backbone: BackboneRecord | None = None,
    predictions: PredictionsRecord | None = None,
    seeds: Sequence[int] = (),
    settings: Mapping[str, Any] | None = None,
    timing: Mapping[str, float] | None = None,
    warnings: Sequence[str] = (),
) -> Result:
    """The record of one measured split.

    Args:
        evaluator: the task.
        dataset: what was scored against.
        split: the split or subset as the user named it (`test`, `common`).
        samples: all of its samples, scored or not.
        measured: what `measure` gave.
        subject: short name of what was judged.
        protocol: `linear.v1`, or `none` for predictions made elsewhere.
        signature_fields: what must match before two results may be compared; `data`, `eval`, the evaluator's defaults
            and, where the faces were drawn, `world:synthetic` are added here.
        backbone: who made the features.
        predictions: which file was scored.
        seeds: of the heads.
        settings: every further choice.
        timing: seconds by stage.
        warnings: what a reader of the row must be told.
    """
    split, subset = dataset.select(split)
    synthetic = any(sample.synthetic for sample in samples)
    size = None if synthetic else _official_size(dataset, split, subset)
    truth = _truth(dataset, split, samples, size)
    scores = reduce_scores(evaluator.metrics(dataset), dataset, split, subset, measured.table)
    defaults: Mapping[str, str] = getattr(evaluator, "defaults", {})
    fields = {
        "data": truth.revision[:REVISION_DIGITS],
        "eval": f"{evaluator.name}.v{evaluator.version}",
        **defaults,
        **signature_fields,
        **({"world": "synthetic"} if synthetic else {}),
    }
    return Result(
        subject=subject,
        task=evaluator.name,
        evaluator=evaluator.name,
        evaluator_version=evaluator.version,
        dataset=truth,
        backbone=backbone,
        predictions=predictions,
        protocol=protocol,
        signature=signature(**fields),
        counts=measured.counts,
        scores=scores,
        interval_method=METHOD,
        seeds=tuple(seeds),
        settings={**defaults, **(settings or {})},
        environment=describe_environment(),
        timing=dict(timing or {}),
        warnings=(*warnings, *_doubts(split, len(samples), size, synthetic=synthetic), *_wide(scores)),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _truth(dataset: Dataset, split: str, samples: Sequence[Sample], size: int | None) -> DatasetRecord:
    """What was scored against; `size` is the official number of samples, None where there is none."""
    drawn = any(sample.synthetic for sample in samples)
    return DatasetRecord(
        name=dataset.name,
        split=split,
        revision=revision(samples),
        official=None if size is None else size == len(samples),
        licence=SYNTHETIC_LICENCE if drawn else dataset.licence,
        citation=dataset.citation,
    )


def _doubts(split: str, found: int, size: int | None, *, synthetic: bool) -> Sequence[str]:
    """What a reader must be told of the truth itself."""
    if synthetic:
        return ["synthetic faces: no number here is one on real faces"]
    if size is not None and size != found:
        return [f"{found} samples, not the official {size}: not the published {split} set"]
    return []


def _wide(scores: Sequence[Score]) -> Iterator[str]:
    """What speaks against the intervals of the headline."""
    for score in scores:
        if score.headline and score.doubts:
            yield f"interval of {score.key} may cover less than it says: {', '.join(score.doubts)}"


def _official_size(dataset: Dataset, split: str, subset: str | None) -> int | None:
    if subset is None:
        return dataset.sizes.get(split)
    return dataset.subset_sizes.get(subset, dataset.subset_sizes.get(f"{split}/{subset}"))


def save(result: Result, measured: Measured, record: Path) -> Result:
    """Write `record` (JSON) and, beside it, the Parquet table of per-sample statistics; returns the full record."""
    table = record.with_name(f"{record.stem.removesuffix('result').rstrip('.-') or 'samples'}.parquet")
    digest = write_table(table, measured.table)
    samples = SamplesRecord(path=table.name, sha256=digest, rows=len(measured.table.ids))
    full = result.model_copy(update={"samples": samples})
    write_results(record, [full])
    return full
