"""What a run will do, found out before the work: rows, what is finished already, what is left, how long it takes.

`plan` reads the annotations, opens the backbones, times a few pictures and tries the output folder, so that a wrong
name, a missing file or a full disk ends a run in its first seconds and not in its last.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np

from facebench.batches import Batches
from facebench.errors import DataError, UsageError
from facebench.feature_cache import FeatureCache, read_cap
from facebench.features import SHARD, Extractor
from facebench.framing import Framing
from facebench.geometry.head_model import HeadModel, read_head_model
from facebench.images import read_image
from facebench.job import Job, signature_fields
from facebench.journal import cache_root
from facebench.protocols.finetune import require_trainable
from facebench.protocols.known import find_protocol
from facebench.protocols.probe import HeadProtocol
from facebench.protocols.splits import read_splits
from facebench.record import Result
from facebench.registry import Registry
from facebench.types import Dataset
from facebench.views import View, ViewedFraming, read_view

Policy = Literal["only-missing", "always"]

BATCH: Mapping[str, int] = {"cpu": 16, "cuda": SHARD, "mps": 32}
"""Batch size by device before any memory runs out: a ViT-S on two cores gains nothing above 16."""

FLOOR_SIZE = 256
"""Input side that the floor is framed with, pixels; its predictions scale with the crop and do not depend on it."""

WARM_UP = 4
"""Pictures that an estimate times, after as many that warm the machine up."""


@dataclass(frozen=True)
class Request:
    """What to run.

    Attributes:
        backbones: specs, as the user spelt them.
        benchmarks: names of data sets.
        data: the data root.
        output: the folder of all runs.
        split: the split to score; None for each benchmark's own.
        limit: at most this many samples of each split.
        labels: percents of the training labels, each with rows of its own.
        subset: which of the nested subsets of labels.
        views: ways of looking at the test pictures (`blur@3`), each with rows of its own beside the plain ones.
        protocols: how much of a backbone may learn, each with rows of its own; features are those of the first.
        model: file of a head model (FLAME) for reconstruction; None for a basis of the training heads.
        seeds: recorded; the mapping head takes one.
        device: `auto` or torch's name.
        batch: batch size to begin with; None for the device's usual one.
        input_size: of every backbone; None for each one's own.
        policy: whether rows that are finished are taken or made again.
        budget: name of the budget, part of the signature.
        cache: folder of the feature cache; None for the usual one.
        cache_gb: its bound in gigabytes; None for FACEBENCH_CACHE_GB, or the usual one.
    """

    backbones: tuple[str, ...]
    benchmarks: tuple[str, ...]
    data: Path
    output: Path
    split: str | None = None
    limit: int | None = None
    labels: tuple[float, ...] = (100.0,)
    subset: int = 0
    views: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ("linear",)
    model: Path | None = None
    seeds: tuple[int, ...] = (0,)
    device: str = "auto"
    batch: int | None = None
    input_size: int | None = None
    policy: Policy = "only-missing"
    budget: str = "full"
    cache: Path | None = None
    cache_gb: str | None = None


@dataclass(frozen=True, eq=False)
class Planned:
    """A row, what is known of it before the work, and how it is looked at.

    Attributes:
        job: the row.
        done: the finished result that will be taken.
        pictures: how many pictures have to go through the backbone, for this row and those of other protocols after it.
        seconds: estimate for them; 0 where there are none.
    """

    job: Job
    done: Result | None
    pictures: int
    seconds: float


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything that `run` will do.

    Attributes:
        request: what was asked for.
        rows: one a row of a table, floors first in each benchmark, then backbone by backbone.
        device: torch's name of the device.
        batch: batch size to begin with.
        cache: where features are kept.
    """

    request: Request
    rows: tuple[Planned, ...]
    device: str
    batch: int
    cache: FeatureCache

    @property
    def seconds(self) -> float:
        """Estimate of the whole, features only: they are nearly all of it."""
        return sum(row.seconds for row in self.rows)


def plan(request: Request, registry: Registry) -> Plan:
    """Read annotations, open backbones, time a few pictures, try the output folder.

    Raises:
        UsageError: an unknown name, a set that nothing is trained on or that the protocol has no head for, a device
            that is not there.
        DataError: data or a head model that are missing, or an output folder that cannot be written.
    """
    from facebench.backbones.spec import open_backbone

    _check_writable(request.output)
    device = choose_device(request.device)
    batch = request.batch or BATCH.get(device.partition(":")[0], BATCH["cpu"])
    folder = request.cache or cache_root() / "features"
    cache = FeatureCache(folder, read_cap(request.cache_gb or os.environ.get("FACEBENCH_CACHE_GB"), folder))
    protocols = {name: find_protocol(name) for name in request.protocols}
    views = _views(request, protocols)
    datasets = [_trainable(registry.get("datasets", name)) for name in request.benchmarks]
    model = _head_model(request, protocols, datasets)
    whole = [read_splits(d, request.data, split=request.split, limit=request.limit) for d in datasets]
    splits = [
        (dataset, percent, parts.with_labels(percent, request.subset))
        for dataset, parts in zip(datasets, whole, strict=True)
        for percent in request.labels
    ]
    backbones = [open_backbone(spec, registry, request.input_size) for spec in request.backbones]
    rows = []
    for dataset, percent, parts in splits:
        evaluator = registry.get("evaluators", dataset.task)
        for backbone in (None, *backbones):
            size = FLOOR_SIZE if backbone is None else backbone.input_size
            framing = Framing(dataset.box, dataset.box_scale, size)
            heads = model if dataset.task == "reconstruction" else None
            looked_at: set[View | None] = set()  # the features that one protocol asks for serve all
            for protocol, view in product(protocols.values(), (None, *views)):
                seen = None if view is None else ViewedFraming(framing.box, framing.scale, framing.size, view)
                fields = signature_fields(
                    parts, seen or framing, probe=protocol.NAME, budget=request.budget, limit=request.limit,
                    model=heads, labels=_labels(percent, request.subset),
                    corrupt="" if view is None or view.moves else str(view),
                )  # fmt: skip
                job = Job(
                    dataset, evaluator, parts, framing, backbone, fields, request.output, protocol, request.seeds,
                    heads, seen,
                )  # fmt: skip
                rows.append(_planned(job, request.policy, cache, device, batch, looked_at=view in looked_at))
                if rows[-1].pictures > 0 and protocol.READS == "features":
                    looked_at.add(view)
    return Plan(request, tuple(rows), device, batch, cache)


def _views(request: Request, protocols: Mapping[str, HeadProtocol]) -> tuple[View, ...]:
    """The views that were asked for. Raises `UsageError`."""
    views = tuple(dict.fromkeys(map(read_view, request.views)))
    if views and (tuned := [name for name, protocol in protocols.items() if protocol.READS == "crops"]):
        raise UsageError(f"views are for frozen backbones; leave out --protocol {tuned[0]}, or --view")
    return views


def _labels(percent: float, subset: int) -> str:
    """How a signature says the share of the labels: `10`, of another subset than the first `10#1`."""
    return f"{percent:g}" + (f"#{subset}" if subset and percent != 100 else "")


def choose_device(name: str) -> str:
    """Torch's name of the device that `name` (`auto` or a device) means. Raises `UsageError`."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as cause:
        raise UsageError(f"device {name!r} cannot be used: {str(cause).splitlines()[0]}") from cause
    return name


def _planned(job: Job, policy: Policy, cache: FeatureCache, device: str, batch: int, *, looked_at: bool) -> Planned:
    done = job.finished() if policy == "only-missing" else None
    if done is not None or job.backbone is None:
        return Planned(job, done, 0, 0.0)
    if job.protocol.READS == "crops":
        require_trainable(job.backbone)
        pictures = tuned_pictures(job)
        return Planned(job, None, pictures, pictures / _rate(job, device))
    if looked_at:
        return Planned(job, None, 0, 0.0)
    extractor = Extractor(job.backbone, job.seen or job.framing, cache, Batches(batch), device)
    parts = (job.splits.test,) if job.seen else (job.splits.train, job.splits.val, job.splits.test)
    pictures = sum(extractor.missing(part) for part in parts)
    return Planned(job, None, pictures, pictures / _rate(job, device) if pictures else 0.0)


def tuned_pictures(job: Job) -> int:
    """How many pictures a training costs at most, in forward passes: a step is three of them."""
    from facebench.tuning.recipe import recipe_for

    recipe, splits = recipe_for(job.dataset.task, job.dataset.name, job.fields["budget"]), job.splits
    return recipe.epochs * (3 * len(splits.train) + len(splits.val)) + len(splits.test)


def _rate(job: Job, device: str) -> float:
    """Pictures a second, timed on a few of the job's own."""
    import torch

    assert job.backbone is not None
    crops = []
    start = time.perf_counter()
    for sample in job.splits.train[:WARM_UP]:
        crops.append(job.framing.crop(sample).apply(read_image(sample.image)))
    reading = (time.perf_counter() - start) / len(crops)
    images = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).to(device).float() / 255
    job.backbone.features(images)
    start = time.perf_counter()
    job.backbone.features(images).pooled.cpu()
    return 1 / max((time.perf_counter() - start) / len(crops) + reading, 1e-9)


def _head_model(
    request: Request, protocols: Mapping[str, HeadProtocol], datasets: Sequence[Dataset]
) -> HeadModel | None:
    """The head model that was asked for, after a look at whether protocols and benchmarks go together."""
    tasks = {dataset.task for dataset in datasets}
    for name, protocol in protocols.items():
        if without := sorted(tasks - set(protocol.TASKS)):
            known = ", ".join(protocol.TASKS)
            raise UsageError(f"the {name} protocol has no head for {', '.join(without)}; it knows {known}")
        if name != "linear" and len(request.seeds) > 1:
            raise UsageError(f"a head of the {name} protocol begins from one seed, not {len(request.seeds)}")
    if request.model is None:
        return None
    if "reconstruction" not in tasks:
        raise UsageError(f"{request.model} is a model of heads, and none of the benchmarks is about them")
    return read_head_model(request.model)


def _trainable(dataset: Dataset) -> Dataset:
    if dataset.scored_only:
        raise UsageError(f"nothing is trained on {dataset.name}; score predictions on it with `facebench score`")
    return dataset


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as cause:
        raise DataError(f"cannot write to {folder}: {cause.strerror or cause}; name another folder with -o") from cause
