"""The `finetune` protocol: the whole backbone learns, under a UPerNet head, by FaRL's recipe; val chooses the epoch.

What published face numbers are made with: maps of four depths, a feature pyramid, a UPerNet head (`tuning.network`); a
running mean of the weights is judged on val after each epoch, the best epoch is kept, and a training that was stopped
goes on and, on a CPU, ends in the same bits (`tuning.engine`). The recipe, and what of it is ours, is in
`tuning.recipe`. The network is trained in place and put back afterwards, so the same backbone can go on to the next
benchmark.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from facebench.errors import FacebenchError, UsageError
from facebench.framing import Framing
from facebench.protocols import linear_landmarks, linear_parsing
from facebench.protocols.linear import fit_floor
from facebench.protocols.probe import Probe, Setting
from facebench.schemes import LabelScheme, LandmarkScheme
from facebench.types import Prediction

if TYPE_CHECKING:
    from torch import Tensor, nn

    from facebench.features import Shard
    from facebench.tuning.engine import Course, Task
    from facebench.tuning.recipe import Recipe

__all__ = ["NAME", "READS", "TASKS", "fit", "fit_floor"]

NAME = "finetune.v1"
"""Goes up whenever a training of the same pictures can end elsewhere."""

READS: Literal["features", "crops"] = "crops"
TASKS = ("landmarks", "parsing")
MOST_WORKERS = 8


@dataclass(frozen=True, eq=False)
class TunedProbe:
    """A tuned network, whose weights are laid into the module only while it predicts.

    Attributes:
        network: backbone, pyramid and head.
        course: val's curve, and the weights of the best epoch.
        recipe: by which it was trained.
        restore: what makes a prediction of scores (C, G, G) in the frame of the stored picture.
    """

    network: nn.Module
    course: Course
    recipe: Recipe
    framing: Framing
    device: str
    restore: Callable[..., Callable[[], Prediction]]

    @property
    def chosen(self) -> Mapping[str, Any]:
        """The epoch, the curve that chose it, and the recipe."""
        return {
            "epoch": self.course.best,
            "epochs": len(self.course.curve),
            "curve": [round(value, 6) for value in self.course.curve],
            "recipe": asdict(self.recipe),
        }

    def predict(self, shard: Shard) -> Iterator[Callable[[], Prediction]]:
        """What makes the prediction for each crop of `shard`."""
        import torch

        from facebench.tuning.engine import laid_in
        from facebench.tuning.pictures import as_input

        if not shard.samples:
            return
        with laid_in(self.network, self.course.weights), torch.no_grad():
            self.network.eval()
            parts = torch.split(shard.tokens, self.recipe.batch)
            scores = torch.cat([self.network(as_input(part, self.device)).cpu() for part in parts])
        for sample, one in zip(shard.samples, scores, strict=True):
            yield self.restore(one, sample, self.framing)


def fit(setting: Setting) -> Probe:
    """The tuned network of the task.

    Raises:
        UsageError: the backbone cannot be trained.
        DataError: a picture that it should learn from cannot be read.
        FacebenchError: there is no head for this task, or the loss is not finite.
    """
    from facebench.tuning.engine import tune
    from facebench.tuning.network import Network
    from facebench.tuning.pictures import Pictures, crop_labels, unit_points
    from facebench.tuning.recipe import recipe_for

    task, scheme = setting.dataset.task, setting.dataset.scheme
    if task not in TASKS:
        raise FacebenchError(f"the finetune protocol has no head for {task}; it knows {', '.join(TASKS)}")
    assert isinstance(scheme, LandmarkScheme | LabelScheme)  # of the two tasks
    encoder: Any = setting.backbone
    require_trainable(encoder)
    recipe = recipe_for(task, setting.dataset.name, setting.budget)
    side = recipe.cells if task == "landmarks" else setting.framing.size
    before = {name: value.clone() for name, value in encoder.module.state_dict().items()}
    network = Network(encoder, scheme.size, side, seed=setting.seed, width=recipe.width)
    target = unit_points if task == "landmarks" else crop_labels
    shown = Pictures(setting.train, setting.framing, target, recipe.augment, setting.seed)
    identity = json.dumps([NAME, setting.identity, asdict(recipe)], sort_keys=True)
    try:
        course = tune(
            network, lambda epoch: replace(shown, epoch=epoch), replace(shown, samples=setting.val, augment=None),
            task_of(task, recipe), recipe, state=setting.state, identity=hashlib.sha256(identity.encode()).hexdigest(),
            seed=setting.seed, device=setting.device, workers=_workers(setting.device), told=setting.told,
        )  # fmt: skip
    finally:
        encoder.module.load_state_dict(before)
    restore = _points if task == "landmarks" else _labels
    return TunedProbe(network, course, recipe, setting.framing, setting.device, restore)


def require_trainable(backbone: Any) -> None:
    """Raise `UsageError` where `backbone` has nothing that could be tuned."""
    if not hasattr(backbone, "encode") or not any(p.requires_grad for p in backbone.module.parameters()):
        spec = backbone.record.spec
        raise UsageError(f"{spec} has no weights that could be fine-tuned; judge it by another protocol")


def _workers(device: str) -> int:
    """Processes that read pictures: none beside a network that needs the processor itself."""
    return 0 if device == "cpu" else min(MOST_WORKERS, os.cpu_count() or 1)


def task_of(name: str, recipe: Recipe) -> Task:
    """Loss and judge of a task: NME in units of the crop's side, or 100 - mean F1 over crops; lower is better."""
    import torch

    from facebench.tuning import losses
    from facebench.tuning.engine import Task

    if name == "landmarks":

        def error(made: Iterator[tuple[Tensor, Tensor]]) -> float:
            return float(torch.cat([losses.landmark_error(scores, points) for scores, points in made]).nanmean())

        return Task(partial(losses.landmark_loss, reach=recipe.reach), error)

    def shortfall(made: Iterator[tuple[Tensor, Tensor]]) -> float:
        return 100.0 - losses.mean_f1(sum(losses.confusion(scores, labels) for scores, labels in made))  # type: ignore[arg-type]

    return Task(losses.parsing_loss, shortfall)


def _points(scores: Tensor, sample: Any, framing: Framing) -> Callable[[], Prediction]:
    from facebench.tuning.network import softargmax

    return partial(linear_landmarks.from_unit, softargmax(scores[None])[0].double().numpy(), sample, framing)


def _labels(scores: Tensor, sample: Any, framing: Framing) -> Callable[[], Prediction]:
    return partial(linear_parsing.restore, scores.float().numpy(), sample, framing)
