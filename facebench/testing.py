"""Contract checks that a plug-in's author runs on their own backbone, data set or evaluator.

    from facebench.testing import check_backbone

    def test_my_backbone():
        check_backbone(BACKBONE.open("small", 64))

Each check is a function that returns nothing and raises `AssertionError` with a sentence that names what was promised
and what was found. Everything that ships with facebench passes the same checks in its own tests. What the nouns promise
is written in `facebench.types`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facebench.errors import DataError
from facebench.made_samples import made_samples, perfect, perturbed, unusable
from facebench.metric import Columns, Metric
from facebench.record import BackboneRecord
from facebench.sample_table import collect
from facebench.schemes import LabelScheme, LandmarkScheme
from facebench.shapes import FloatArray
from facebench.types import (
    Backbone,
    Dataset,
    Evaluator,
    Features,
    LabelMap,
    Landmarks,
    Sample,
    ScanFiles,
    revision,
)

if TYPE_CHECKING:
    from torch import Tensor

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
TOLERANCE = 1e-5
"""How far a picture's features may move with the batch it is in, as a share of the largest feature."""

UNITS = ("%", "fraction", "mm")


# --- backbones -------------------------------------------------------------------------------------------------------


def check_backbone(backbone: Backbone, *, batch: int = 3, tolerance: float = TOLERANCE) -> None:
    """Check what a backbone promises: its record, shapes, finite numbers, the same features whatever the batch.

    Args:
        backbone: as its source opens it.
        batch: N, pictures of seeded noise; at least 2.
        tolerance: how far features may move with the batch, as a share of the largest.
    """
    import torch

    assert isinstance(backbone, Backbone), "a backbone has `record`, `input_size` and `features(images)`"
    _check_backbone_record(backbone)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(batch, 3, backbone.input_size, backbone.input_size, generator=generator)
    before, state = images.clone(), torch.get_rng_state()
    features = backbone.features(images)
    assert torch.equal(images, before), "features() changed the pictures it was given"
    assert torch.equal(torch.get_rng_state(), state), "features() drew from torch's global generator"
    named = _named_tensors(features, batch)
    again = _named_tensors(backbone.features(images), batch)
    singles = [_named_tensors(backbone.features(image[None]), 1) for image in images]
    for name, tensor in named.items():
        assert torch.equal(tensor, again[name]), f"{name} differs between two calls on the same pictures"
        alone = torch.cat([single[name] for single in singles])
        moved = float((tensor - alone).abs().max())
        allowed = tolerance * max(1.0, float(tensor.abs().max()))
        assert moved <= allowed, (
            f"{name} of a picture moves by {moved:.3g} with the batch it is in; allowed {allowed:.3g}"
        )
    assert not torch.equal(named["pooled"][0], named["pooled"][1]), (
        "two different pictures have the same pooled features"
    )


def _check_backbone_record(backbone: Backbone) -> None:
    record = backbone.record
    assert isinstance(record, BackboneRecord), f"record is a {type(record).__name__}, not a BackboneRecord"
    assert record.input_size == backbone.input_size >= 1, "record.input_size is not input_size"
    assert all((record.spec, record.name, record.weights)), "record.spec, .name and .weights may not be empty"
    assert record.sha256 is None or re.fullmatch("[0-9a-f]{64}", record.sha256), f"sha256 is {record.sha256!r}"
    assert (record.sha256 is None) == (record.parameters == 0), "weights have a sha256, and only weights have one"
    for name in ("mean", "std"):
        values = record.details.get(name)
        numbers = isinstance(values, list) and len(values) == 3
        assert numbers, f"record.details[{name!r}] is {values!r}, not three numbers"
    for name in ("layers", "pooling"):
        assert record.details.get(name), f"record.details does not say its {name}"
    text = json.dumps(record.model_dump(mode="json"), allow_nan=False)
    assert BackboneRecord.model_validate_json(text) == record, "the record does not survive JSON"


def _named_tensors(features: Features, n: int) -> dict[str, Tensor]:
    """The tensors of `features` by name, each checked for shape, type and finite numbers."""
    import torch

    assert isinstance(features, Features), f"features() returned a {type(features).__name__}, not Features"
    assert isinstance(features.maps, tuple), "maps is not a tuple"
    assert features.maps, "maps is empty"
    named = {f"map {i}": m for i, m in enumerate(features.maps)} | {"pooled": features.pooled}
    for name, tensor in named.items():
        axes = "(N, D)" if name == "pooled" else "(N, D, h, w)"
        assert tensor.ndim == len(axes.split(",")), f"{name} has shape {tuple(tensor.shape)}, wanted {axes}"
        assert len(tensor) == n, f"{name} has {len(tensor)} rows for {n} pictures"
        assert tensor.numel() > 0, f"{name} is empty: {tuple(tensor.shape)}"
        assert tensor.dtype == torch.float32, f"{name} is {tensor.dtype}, wanted float32"
        assert not tensor.requires_grad, f"{name} carries a gradient"
        assert bool(tensor.isfinite().all()), f"{name} holds NaN or infinite numbers"
    sides = [m.shape[-1] for m in features.maps]
    assert sides == sorted(sides, reverse=True), f"maps are not from shallow to deep: their sides are {sides}"
    return named


# --- data sets -------------------------------------------------------------------------------------------------------


def check_dataset(dataset: Dataset, root: Path, *, splits: Sequence[str] = ("train", "val", "test")) -> None:
    """Check what a data set promises: its card, and the samples of each split below `root`.

    Args:
        dataset: the object under test.
        root: a data root, or the set's own folder; its samples are read twice.
        splits: which splits to read.
    """
    check_card(dataset)
    seen: dict[str, str] = {}
    for split in splits:
        samples = dataset.samples(root, split)
        ids = [sample.id for sample in samples]
        assert len(set(ids)) == len(ids), f"{split}: ids are doubled"
        known = {key.rpartition("/")[2] for key in dataset.subset_sizes}
        for sample in samples:
            check_sample(dataset, sample)
            named = {name for name in sample.subsets if "=" not in name}  # groups of slices.csv are not the set's own
            assert named <= known, f"{sample.id}: subsets {named - known} are not in subset_sizes"
            assert sample.id not in seen, f"{sample.id} is in {seen.get(sample.id)} and in {split}"
        seen |= dict.fromkeys(ids, split)
        again = dataset.samples(root, split)
        assert [sample.id for sample in again] == ids, f"{split}: read twice, the order differs"
        assert revision(again) == revision(samples), f"{split}: read twice, the revision differs"


def check_card(dataset: Dataset) -> None:
    """Check what a data set says of itself; reads no file."""
    assert isinstance(dataset, Dataset), f"{type(dataset).__name__} is not a facebench Dataset"
    assert NAME.fullmatch(dataset.name), f"name {dataset.name!r} is not small letters, digits and single hyphens"
    for field in ("title", "folder", "layout", "licence", "citation"):
        assert getattr(dataset, field), f"{field} is empty"
    assert dataset.sizes, "sizes names no split"
    for alias in dataset.aliases:
        dataset.select(alias)  # raises where an alias leads nowhere
    wanted = {"landmarks": LandmarkScheme, "parsing": LabelScheme, "reconstruction": type(None)}[dataset.task]
    assert isinstance(dataset.scheme, wanted), f"scheme of a {dataset.task} set is a {type(dataset.scheme).__name__}"
    assert set(dataset.thresholds) <= set(dataset.normalisers), "thresholds of a normaliser that is not in normalisers"
    assert dataset.headline, "headline names no key"
    for key in dataset.headline:
        parts = key.split("/")
        whole = len(parts) == 4 and parts[0] == dataset.name
        assert whole, f"headline {key!r} is not {dataset.name}/split/part/metric"
        assert parts[1] in dataset.sizes, f"headline {key!r} names a split that is not in sizes"
    assert dataset.box_scale > 0, f"box_scale is {dataset.box_scale}"


def check_sample(dataset: Dataset, sample: Sample) -> None:
    """Check one sample of `dataset`: id, box, and an annotation that fits the task."""
    safe = sample.id and "\n" not in sample.id and ".." not in sample.id.split("/")
    assert safe, f"id {sample.id!r} is empty, has two lines or climbs out of its folder"
    assert isinstance(sample.image, Path), f"{sample.id}: image is a {type(sample.image).__name__}, not a Path"
    if sample.box is not None:
        x0, y0, x1, y1 = sample.box
        area = np.isfinite(sample.box).all() and x1 > x0 and y1 > y0
        assert area, f"{sample.id}: box {sample.box} has no area"
    target, scheme = sample.target, dataset.scheme
    if isinstance(scheme, LandmarkScheme):
        assert isinstance(target, Landmarks), f"{sample.id}: a landmark set needs Landmarks"
        shape = (scheme.size, 2)
        assert target.points.shape == shape, f"{sample.id}: points are {target.points.shape}, wanted {shape}"
        assert target.points.dtype == np.float64, f"{sample.id}: points are {target.points.dtype}, wanted float64"
        assert np.isfinite(target.points).all(), f"{sample.id}: points are not finite"
        for flags in (target.visible, target.located):
            fits = flags is None or (flags.shape == shape[:1] and flags.dtype == np.bool_)
            assert fits, f"{sample.id}: visible and located are (K,) bool or None"
    elif isinstance(scheme, LabelScheme):
        assert isinstance(target, LabelMap), f"{sample.id}: a parsing set needs a LabelMap"
        labels = target.read()
        assert labels.ndim == 2, f"{sample.id}: label map is {labels.shape}, not (H, W)"
        assert labels.dtype == np.uint8, f"{sample.id}: label map is {labels.dtype}, not uint8"
        assert int(labels.max()) < scheme.size, f"{sample.id}: class {labels.max()} of {scheme.size} classes"
    else:
        assert isinstance(target, ScanFiles), f"{sample.id}: a scan set needs ScanFiles"
        scan = target.read()
        assert scan.landmarks.shape == (7, 3), f"{sample.id}: landmarks of the scan are {scan.landmarks.shape}"
        assert np.isfinite(scan.mesh.vertices).all(), f"{sample.id}: vertices of the scan are not finite"


# --- evaluators ------------------------------------------------------------------------------------------------------


def check_evaluator(evaluator: Evaluator, dataset: Dataset, samples: Sequence[Sample] | None = None) -> None:
    """Check what an evaluator promises on a data set: perfect is best, bad input raises, order does not matter.

    Args:
        evaluator: the object under test.
        dataset: a set of its task; none of its files are read.
        samples: at least two samples; None for made ones.
    """
    assert isinstance(evaluator, Evaluator), "an evaluator has name, version, summary, metrics() and measure()"
    assert all((evaluator.name, evaluator.summary, evaluator.version >= 1)), "name, summary or version is empty"
    metrics = evaluator.metrics(dataset)
    _check_metrics(metrics)
    samples = made_samples(dataset) if samples is None else samples
    best = _columns(evaluator, dataset, samples, [perfect(s) for s in samples])
    worse = _columns(evaluator, dataset, samples, [perturbed(s, seed=i) for i, s in enumerate(samples)])
    for index, metric in enumerate(metrics):
        _check_perfect_is_best(metric, best, worse, headline=index == 0)
        _check_weights(metric, worse)
    for sample in samples:
        for what, prediction in unusable(sample).items():
            try:
                evaluator.measure(dataset, sample, prediction, {})
            except DataError:
                continue
            raise AssertionError(f"{evaluator.name} scores a prediction with {what}; it must raise DataError")


def _check_metrics(metrics: Sequence[Metric]) -> None:
    assert metrics, "metrics() names no metric"
    names = [(metric.name, metric.slice) for metric in metrics]
    assert len(set(names)) == len(names), "two metrics have the same name and slice"
    for metric in metrics:
        assert metric.unit in UNITS, f"{metric.name}: unit {metric.unit!r} is none of {', '.join(UNITS)}"
        assert metric.direction in ("lower", "higher"), f"{metric.name}: direction {metric.direction!r}"


def _columns(evaluator: Evaluator, dataset: Dataset, samples: Sequence[Sample], predictions: Sequence[Any]) -> Columns:
    """Statistics of `samples`, measured twice and found equal."""
    rows = [evaluator.measure(dataset, s, p, {}) for s, p in zip(samples, predictions, strict=True)]
    again = evaluator.measure(dataset, samples[0], predictions[0], {})
    assert set(again) == set(rows[0]), "measure() gives other statistics the second time"
    for name in again:
        same = np.array_equal(np.asarray(again[name]), np.asarray(rows[0][name]), equal_nan=True)
        assert same, f"statistic {name} differs between two calls on the same sample"
        assert all(set(row) == set(again) for row in rows), "samples have different statistics"
    return collect(samples, rows).columns


def _check_perfect_is_best(metric: Metric, best: Columns, worse: Columns, *, headline: bool) -> None:
    perfect_value, worse_value = metric.value(best), metric.value(worse)
    label = metric.name if metric.slice is None else f"{metric.slice}/{metric.name}"
    if perfect_value is None or worse_value is None:
        assert not headline, f"{label} comes first and is undefined on ordinary samples"
        return
    gain = perfect_value - worse_value if metric.direction == "higher" else worse_value - perfect_value
    found = f"perfect predictions {perfect_value:.6g}, perturbed ones {worse_value:.6g}, {metric.direction} is better"
    assert gain >= 0, f"{label}: {found}"
    assert gain > 0 or not headline, f"{label} comes first and does not tell them apart: {found}"


def _check_weights(metric: Metric, columns: Columns) -> None:
    """A weight of 2 is the sample twice, and the order of the samples is nothing."""
    n = len(next(iter(columns.values())))
    drawn = np.array([0, 0, *range(2, n)])
    weights: FloatArray = np.bincount(drawn, minlength=n).astype(np.float64)[None]
    weighted = float(metric.values(columns, weights)[0])
    repeated = float(metric.values({k: c[drawn[::-1]] for k, c in columns.items()}, np.ones((1, n)))[0])
    same = np.isclose(weighted, repeated, rtol=1e-9, atol=1e-12, equal_nan=True)
    assert same, f"{metric.name}: weights give {weighted:.9g}, the drawn samples themselves {repeated:.9g}"
