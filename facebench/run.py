"""The one loop: backbones through benchmarks, from pictures to results.

    plan ── for each benchmark: the floor, then each backbone ── features ── fit, choose ── predict ── measure ── Result

`plan` reads the annotations, opens the backbones, times a few pictures and finds an output that cannot be written, all
before the work; `run` does what the plan says. Nothing here prints: a `Watch` is told what happens.

A run may be stopped anywhere, by Ctrl-C or a kill. Features lie in the cache shard by shard, and finished rows in their
folders, `runs/<benchmark>-<backbone>-<key8>/`, named by everything the numbers depend on; the same command goes on from
both and ends with the same bytes of per-sample statistics. Two runs may share a folder: files appear whole, and the
same name means the same content.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from facebench.batches import Batches
from facebench.crops import crop_shards
from facebench.features import Extractor, Shard
from facebench.job import Job, Made, Source, floor_predictions, predictions
from facebench.journal import Journal
from facebench.keeping import Keeper
from facebench.plan import Plan, Planned, Request, plan
from facebench.protocols.probe import Setting
from facebench.record import LatencyRecord, Result
from facebench.scoring import Measured, build_result, measure, save
from facebench.types import Sample

__all__ = ["Plan", "Planned", "Request", "Watch", "plan", "run"]


TOLD_EPOCHS = 5
"""Of a training, every so many epochs are told."""


@dataclass(frozen=True)
class Watch:
    """Who is told what happens; every callback may be left out.

    Attributes:
        job: a row begins; the result is the finished one where it is taken from an earlier run.
        stage: a stage of a row begins: its name and its number of samples.
        step: so many samples of the stage are done; True where their features came from the cache.
        note: something a reader of the result must be told.
        result: a row is finished.
    """

    job: Callable[[Job, Result | None], None] = lambda _job, _done: None
    stage: Callable[[Job, str, int], None] = lambda _job, _name, _total: None
    step: Callable[[int, bool], None] = lambda _n, _cached: None
    note: Callable[[str], None] = lambda _: None
    result: Callable[[Result], None] = lambda _: None


@dataclass
class _Clock:
    """Seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)
    last: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self.last
        self.last = now


def run(plan: Plan, watch: Watch | None = None) -> tuple[Result, ...]:
    """Do what `plan` says; the results in its order.

    Raises:
        FacebenchError: a row could not be evaluated; rows before it are kept.
    """
    watch = watch or Watch()
    results = []
    for row in plan.rows:
        watch.job(row.job, row.done)
        result = row.done or _run_job(row.job, plan, watch)
        watch.result(result)
        results.append(result)
    return tuple(results)


def _run_job(job: Job, plan: Plan, watch: Watch) -> Result:
    if job.backbone is None:
        return _run_floor(job, watch)
    batches, clock = Batches(plan.batch), _Clock()
    extractor = Extractor(job.backbone, job.framing, plan.cache, batches, plan.device, note=watch.note, step=watch.step)

    def shards(samples: Sequence[Sample], name: str) -> Iterator[Shard]:
        watch.stage(job, name, len(samples))
        if job.protocol.READS == "crops":
            return crop_shards(samples, job.framing, watch.step)
        if name == "test" and job.seen is not None:
            return replace(extractor, framing=job.seen).shards(samples, f"{job.dataset.name}/{name}")
        return extractor.shards(samples, f"{job.dataset.name}/{name}")

    def told(epoch: int, score: float) -> None:
        if epoch % TOLD_EPOCHS == 0:
            watch.note(f"{job.dataset.name}: {job.subject}: epoch {epoch}: {score:.4g} on val")

    heads = plan.device if plan.device.startswith("cuda") else "cpu"  # float64, which MPS has not
    setting = Setting(
        job.dataset, job.splits.train, job.splits.val, job.framing, shards, heads, job.model, next(iter(job.seeds), 0),
        backbone=job.backbone, budget=job.fields["budget"], identity=job.key, state=job.folder / "training.pt",
        told=told,
    )  # fmt: skip
    probe = _through(job, job.protocol.fit(setting))
    clock.lap("fit")
    measured = _measure(job, predictions(probe, job.splits.test, shards(job.splits.test, "test")))
    clock.lap("predict")
    settings = {
        "device": plan.device,
        "batch": {"requested": plan.batch, "used": batches.size},
        "features": "none" if job.protocol.READS == "crops" else "streamed" if extractor.streamed else "cached",
        **probe.chosen,
    }
    result = _record(
        job, measured, settings=settings, timing=clock.seconds, subject=job.subject, latency=extractor.latency()
    )
    setting.state.unlink(missing_ok=True)  # five times the weights, and the row is done
    return result


def _through(job: Job, fitted: Any) -> Any:
    """A probe or a floor whose predictions come back from the crops that the scored samples are seen in."""
    return replace(fitted, framing=job.seen) if job.seen is not None and hasattr(fitted, "framing") else fitted


def _run_floor(job: Job, watch: Watch) -> Result:
    clock = _Clock()
    watch.stage(job, "floor", len(job.splits.test))
    floor = _through(job, job.protocol.fit_floor(job.dataset, job.splits.train, job.splits.val, job.framing, job.model))
    made = floor_predictions(floor, job.splits.test)
    measured = _measure(job, made, on_sample=lambda _: watch.step(1, False))
    clock.lap("floor")
    return _record(job, measured, settings={}, timing=clock.seconds, subject=floor.title)


def _measure(job: Job, made: Source, on_sample: Callable[[Sample], None] = lambda _: None) -> Measured:
    keeper = Keeper(job.dataset.task, job.folder)
    found = Made(job.splits.test, made, keeper.add)
    # A scan takes seconds, so its rows are kept over an interruption; faces and label maps are measured in one go.
    journal = Journal.of(job.key) if job.dataset.task == "reconstruction" else None
    measured = measure(
        job.evaluator, job.dataset, job.splits.test, found, settings={}, journal=journal, on_sample=on_sample
    )
    keeper.close()
    return measured


def _basis(job: Job) -> Mapping[str, Any]:
    """What heads are coefficients of, where it is a file."""
    return {} if job.model is None else {"basis": {"name": job.model.name, "sha256": job.model.sha256}}


def _record(
    job: Job,
    measured: Measured,
    *,
    settings: Mapping[str, Any],
    timing: Mapping[str, float],
    subject: str,
    latency: LatencyRecord | None = None,
) -> Result:
    result = build_result(
        job.evaluator,
        job.dataset,
        job.splits.name,
        job.splits.test,
        measured,
        subject=subject,
        protocol=job.protocol.NAME,
        signature_fields=job.fields,
        backbone=None if job.backbone is None else job.backbone.record,
        seeds=job.seeds,
        settings={**settings, **_basis(job), "box": str(job.seen or job.framing), "input_size": job.framing.size},
        timing=timing,
    )
    full = save(result.model_copy(update={"latency": latency}), measured, job.folder / "result.json")
    Journal.of(job.key).drop()
    return full
