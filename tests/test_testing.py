"""The contract checks: everything built in passes, and each broken promise is caught."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from facebench.backbones.spec import open_backbone
from facebench.errors import DataError
from facebench.made_samples import made_samples, perfect
from facebench.metric import Metric, Statistics, weighted_mean
from facebench.record import BackboneRecord
from facebench.registry import Registry
from facebench.schemes import LandmarkScheme
from facebench.testing import check_backbone, check_card, check_dataset, check_evaluator
from facebench.types import Dataset, Evaluator, Features, Landmarks, Sample
from tests.datasets.trees import points, wflw_line, write_wflw
from tests.plugin.src.facebench_dots.dots import DATASET as DOTS
from tests.plugin.src.facebench_dots.edges import BACKBONE as EDGES

REGISTRY = Registry()

# --- backbones -------------------------------------------------------------------------------------------------------

SMALL = [
    ("pixels", 32),
    ("pixels:16", 64),
    ("timm:vit_tiny_patch16_224@random:0", 64),
    ("timm:swin_tiny_patch4_window7_224@random:0", 64),
    ("timm:convnext_atto@random:0", 64),
    ("timm:resnet10t@random:0", 64),
    ("timm:vit_tiny_r_s16_p8_224@random:0", 64),
    ("timm:mobilenetv3_small_050@random:0", 64),
]


@pytest.mark.parametrize(("spec", "size"), SMALL)
def test_every_built_in_family_keeps_the_contract(spec: str, size: int) -> None:
    check_backbone(open_backbone(spec, REGISTRY, size))


# Families that differ in tokens, norms, windows or strides; None is the model's own size.
FURTHER = [
    ("beit_base_patch16_224", 112),
    ("cait_xxs24_224", None),
    ("deit_tiny_distilled_patch16_224", None),
    ("densenet121", 128),
    ("edgenext_xx_small", 128),
    ("efficientnet_b0", 128),
    ("eva02_tiny_patch14_224", 112),
    ("hiera_tiny_224", None),
    ("maxvit_pico_rw_256", None),
    ("mixer_s32_224", None),
    ("pvt_v2_b0", 128),
    ("regnetx_002", 128),
    ("swinv2_cr_tiny_224", None),
    ("vgg11", 128),
    ("vit_small_patch14_reg4_dinov2", 112),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), FURTHER)
def test_further_families_keep_the_contract(name: str, size: int | None) -> None:
    check_backbone(open_backbone(f"timm:{name}@random:0", REGISTRY, size), batch=2)


@dataclass(eq=False)
class Faulty:
    """The plug-in's backbone with one promise broken."""

    record: BackboneRecord
    input_size: int
    fault: str = ""

    def features(self, images: Tensor) -> Features:
        good = EDGES.open("", self.input_size).features(images)
        cells, pooled = good.maps[0], good.pooled
        faults: dict[str, Any] = {
            "batch": lambda: replace(good, maps=(cells - cells.mean(0),)),
            "random": lambda: replace(good, maps=(cells + torch.randn(1),)),
            "noise": lambda: replace(good, pooled=pooled + _dice()),
            "nan": lambda: replace(good, maps=(cells / 0 * 0,)),
            "double": lambda: replace(good, pooled=pooled.double()),
            "tokens": lambda: replace(good, maps=(cells.flatten(2),)),
            "empty": lambda: replace(good, maps=()),
            "list": lambda: replace(good, maps=[cells]),
            "upside": lambda: replace(good, maps=(cells[..., :2, :2], cells)),
            "gradient": lambda: replace(good, pooled=pooled.clone().requires_grad_()),
            "in place": lambda: images.mul_(2) is None or good,
            "blind": lambda: Features(maps=(torch.ones_like(cells),), pooled=torch.ones_like(pooled)),
            "one row": lambda: replace(good, pooled=pooled[:1]),
        }
        return faults[self.fault]() if self.fault in faults else good


_GENERATOR = torch.Generator().manual_seed(0)


def _dice() -> Tensor:
    return torch.rand(1, generator=_GENERATOR)


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("batch", "moves by .* with the batch"),
        ("random", "drew from torch's global generator"),
        ("noise", "pooled differs between two calls"),
        ("nan", "map 0 holds NaN"),
        ("double", "pooled is torch.float64, wanted float32"),
        ("tokens", r"map 0 has shape .*, wanted \(N, D, h, w\)"),
        ("empty", "maps is empty"),
        ("list", "maps is not a tuple"),
        ("upside", r"not from shallow to deep: their sides are \[2, 4\]"),
        ("gradient", "pooled carries a gradient"),
        ("in place", "changed the pictures"),
        ("blind", "two different pictures have the same"),
        ("one row", "pooled has 1 rows for 3 pictures"),
    ],
)
def test_a_backbone_that_breaks_a_promise_is_caught(fault: str, found: str) -> None:
    good = EDGES.open("", 32)
    check_backbone(Faulty(good.record, 32))
    with pytest.raises(AssertionError, match=found):
        check_backbone(Faulty(good.record, 32, fault))


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"input_size": 64}, "input_size"),
        ({"sha256": "abc"}, "sha256 is 'abc'"),
        ({"sha256": "a" * 64}, "only weights have one"),
        ({"parameters": 3}, "weights have a sha256"),
        ({"weights": ""}, "may not be empty"),
        ({"details": {"mean": [0.5]}}, "not three numbers"),
    ],
)
def test_a_record_that_does_not_say_who_it_is_is_caught(changes: dict[str, Any], found: str) -> None:
    good = EDGES.open("", 32).record
    with pytest.raises(AssertionError, match=found):
        check_backbone(Faulty(good.model_copy(update=changes), 32))


# --- data sets -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [entry.name for entry in REGISTRY.entries("datasets")])
def test_every_built_in_card_keeps_the_contract(name: str) -> None:
    check_card(REGISTRY.get("datasets", name))


def test_wflw_keeps_the_contract(tmp_path: Path) -> None:
    faces = {part: [wflw_line(points(98), f"a--b/{part}_{i}.jpg") for i in range(30)] for part in ("train", "test")}
    for part, lines in faces.items():
        write_wflw(tmp_path, part, lines)
    check_dataset(REGISTRY.get("datasets", "wflw"), tmp_path)


@pytest.fixture
def dots(tmp_path: Path) -> Path:
    for part in ("train", "val", "test"):
        faces = {f"{part}{i}": [[10 + i, 20], [30, 20], [20, 40]] for i in range(2)}
        (tmp_path / f"{part}.json").write_text(json.dumps(faces))
    return tmp_path


def test_a_third_partys_set_keeps_the_contract(dots: Path) -> None:
    check_dataset(DOTS, dots)


def test_a_sample_in_two_splits_is_caught(dots: Path) -> None:
    (dots / "val.json").write_text((dots / "train.json").read_text())
    with pytest.raises(AssertionError, match="train0 is in train and in val"):
        check_dataset(DOTS, dots)


def _changed(**changes: Any) -> Dataset:
    """The dots, with every sample changed."""
    return replace(DOTS, load=lambda root, split: tuple(replace(s, **changes) for s in DOTS.load(root, split)))


@pytest.mark.parametrize(
    ("dataset", "found"),
    [
        (_changed(id="same"), "ids are doubled"),
        (_changed(subsets=frozenset({"blur"})), r"subsets \{'blur'\} are not in subset_sizes"),
        (_changed(box=(10.0, 10.0, 10.0, 20.0)), "has no area"),
        (_changed(image="a.png"), "image is a str"),
        (_changed(target=Landmarks(np.zeros((4, 2)))), r"points are \(4, 2\), wanted \(3, 2\)"),
        (_changed(target=Landmarks(np.zeros((3, 2), dtype=np.float32))), "float32, wanted float64"),
        (_changed(target=Landmarks(np.full((3, 2), np.nan))), "points are not finite"),
        (_changed(target=Landmarks(np.zeros((3, 2)), visible=np.ones(2, dtype=bool))), "visible and located"),
        (replace(DOTS, load=lambda root, split: DOTS.load(root, split)[:: next(_STEPS)]), "the order differs"),
    ],
)
def test_samples_that_break_a_promise_are_caught(dots: Path, dataset: Dataset, found: str) -> None:
    with pytest.raises(AssertionError, match=found):
        check_dataset(dataset, dots)


_STEPS = iter([1, -1] * 50)


@pytest.mark.parametrize("bad", ["../up", "a/../../b", "two\nlines", ""])
def test_ids_that_climb_are_caught(dots: Path, bad: str) -> None:
    (dots / "train.json").write_text(json.dumps({bad: [[10, 20], [30, 20], [20, 40]]}))
    with pytest.raises(AssertionError, match="climbs out of its folder"):
        check_dataset(DOTS, dots)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"name": "My Set"}, "name 'My Set'"),
        ({"licence": ""}, "licence is empty"),
        ({"headline": ("dots/nme-ioc",)}, "is not dots/split/part/metric"),
        ({"headline": ("dots/private/all/nme-ioc",)}, "not in sizes"),
        ({"headline": ()}, "headline names no key"),
        ({"thresholds": {"box": (7.0,)}}, "thresholds of a normaliser"),
        ({"scheme": None}, "scheme of a landmarks set"),
        ({"box_scale": 0.0}, "box_scale"),
    ],
)
def test_cards_that_break_a_promise_are_caught(changes: dict[str, Any], found: str) -> None:
    with pytest.raises(AssertionError, match=found):
        check_card(replace(DOTS, **changes))


# --- evaluators ------------------------------------------------------------------------------------------------------


def _pairs(*, scans: bool) -> list[str]:
    tasks = {entry.name: REGISTRY.get("datasets", entry.name).task for entry in REGISTRY.entries("datasets")}
    return [name for name, task in tasks.items() if (task == "reconstruction") == scans]


@pytest.mark.parametrize("name", _pairs(scans=False))
def test_every_built_in_task_keeps_the_contract(name: str) -> None:
    dataset = REGISTRY.get("datasets", name)
    check_evaluator(REGISTRY.get("evaluators", dataset.task), dataset)


@pytest.mark.slow
@pytest.mark.parametrize("name", _pairs(scans=True))
def test_reconstruction_keeps_the_contract(name: str) -> None:
    dataset = REGISTRY.get("datasets", name)
    check_evaluator(REGISTRY.get("evaluators", dataset.task), dataset)


@dataclass
class Task:
    """A landmark evaluator with one promise broken."""

    fault: str = ""
    name: str = "task"
    version: int = 1
    summary: str = "mean error"
    calls: int = 0

    def metrics(self, dataset: Dataset) -> tuple[Metric, ...]:
        mean = Metric("err", "%", "lower", lambda columns, weights: weighted_mean(columns["err"], weights))
        faults = {
            "none": (),
            "doubled": (mean, mean),
            "unit": (replace(mean, unit="px"),),
            "direction": (replace(mean, direction="higher"),),
            "blind": (replace(mean, reduce=lambda columns, weights: np.ones(len(weights))),),
            "undefined": (replace(mean, reduce=lambda columns, weights: np.full(len(weights), np.nan)),),
            "weights": (replace(mean, reduce=lambda columns, weights: np.full(len(weights), columns["err"].mean())),),
            "order": (replace(mean, reduce=lambda columns, weights: np.full(len(weights), columns["err"][0])),),
        }
        return faults.get(self.fault, (mean,))

    def measure(self, dataset: Dataset, sample: Sample, prediction: Any, settings: Mapping[str, str]) -> Statistics:
        assert isinstance(sample.target, Landmarks)
        self.calls += 1
        points = sample.target.points
        if self.fault == "lenient":
            prediction = np.resize(np.nan_to_num(prediction), points.shape)
        elif np.shape(prediction) != points.shape or not np.isfinite(prediction).all():
            raise DataError("unusable")
        error = float(np.linalg.norm(prediction - points, axis=1).mean())
        return {"err": error + self.calls * (self.fault == "drifts")}


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("none", "names no metric"),
        ("doubled", "same name and slice"),
        ("unit", "unit 'px'"),
        ("direction", "perfect predictions 0, perturbed ones .*, higher is better"),
        ("blind", "does not tell them apart"),
        ("undefined", "undefined on ordinary samples"),
        ("weights", "weights give"),
        ("order", "weights give"),
        ("lenient", "scores a prediction with a NaN coordinate"),
        ("drifts", "statistic err differs between two calls"),
    ],
)
def test_an_evaluator_that_breaks_a_promise_is_caught(fault: str, found: str) -> None:
    good = Task()
    assert isinstance(good, Evaluator)
    check_evaluator(good, DOTS)
    with pytest.raises(AssertionError, match=found):
        check_evaluator(Task(fault), DOTS)


def test_own_samples_may_be_given(dots: Path) -> None:
    check_evaluator(Task(), DOTS, DOTS.samples(dots, "test"))


def test_made_samples_are_seeded_and_differ() -> None:
    scheme = DOTS.scheme
    assert isinstance(scheme, LandmarkScheme)
    first, again = made_samples(DOTS), made_samples(DOTS)
    assert all(np.array_equal(perfect(a), perfect(b)) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(perfect(first[0]), perfect(first[1]))
    assert not np.array_equal(perfect(first[0]), perfect(made_samples(DOTS, seed=1)[0]))
