"""The one loop of fine-tuning: steps, a running mean of the weights, val after each epoch, a state to go on from.

The running mean is what is judged and kept. After every epoch its score on val is taken; the best epoch is kept, and
`patience` epochs without a gain end the training. The state is written after each epoch, whole or not at all; a
training that was stopped goes on from it, and on a CPU ends in the same bits: pictures are drawn from (seed, epoch,
number), and dropout from (seed, epoch).
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from facebench.errors import DataError, FacebenchError
from facebench.tuning.pictures import Pictures, as_input
from facebench.tuning.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Task:
    """What is learnt.

    Attributes:
        loss: of scores and targets.
        judge: score on val of an iterator over (scores, targets); lower is better.
    """

    loss: Callable[[Tensor, Tensor], Tensor]
    judge: Callable[[Iterator[tuple[Tensor, Tensor]]], float]


@dataclass
class Course:
    """What a training has seen: val's score after each epoch, the best of them and its weights."""

    curve: list[float] = field(default_factory=list)
    best: int = -1
    weights: dict[str, Tensor] = field(default_factory=dict)

    def ended(self, recipe: Recipe) -> bool:
        """Whether the last epoch is done, or val has not gained for long enough."""
        done = len(self.curve)
        return done >= recipe.epochs or (done > 0 and done - 1 - self.best >= recipe.patience)


def tune(
    network: nn.Module, train: Callable[[int], Pictures], val: Pictures, task: Task, recipe: Recipe,
    *, state: Path, identity: str, seed: int, device: str, workers: int = 0, told: Callable[[int, float], None],
) -> Course:  # fmt: skip
    """Train `network` in place.

    Args:
        network: pictures to scores; parts named `backbone` have their own rate.
        train: number of the epoch to its pictures.
        val: what epochs are chosen on.
        task: loss and judge.
        recipe: how long and how fast.
        state: file that the training goes on from.
        identity: of the training; a state of another one is not taken.
        seed: of order and dropout.
        device: torch's name.
        workers: processes that read pictures.
        told: called with each finished epoch and its score.

    Raises:
        FacebenchError: a loss that is not finite.
        DataError: a picture cannot be read, or the state cannot be written.
    """
    network.to(device)
    optimizer = torch.optim.AdamW(_groups(network, recipe), weight_decay=recipe.decay)
    mean = {name: value.detach().clone() for name, value in network.state_dict().items()}
    course = _resumed(state, identity, network, optimizer, mean)
    while not course.ended(recipe):
        epoch = len(course.curve)
        torch.manual_seed(seed_of(seed, epoch))
        for group in optimizer.param_groups:
            group["lr"] = group["base"] * (0.1 if epoch >= recipe.milestone else 1.0)
        network.train()
        pictures = train(epoch)
        order = np.random.default_rng((seed, epoch)).permutation(len(pictures)).tolist()
        for images, targets in batches(pictures, recipe.batch, order=order, workers=workers):
            _step(network, optimizer, task, (as_input(images, device), targets.to(device)), epoch)
            _follow(mean, network, recipe.average)
        score = _score(network, mean, val, task, recipe, device)
        told(epoch, score)
        course.curve.append(score)
        if course.best < 0 or score < course.curve[course.best]:
            course.best, course.weights = epoch, {name: value.cpu().clone() for name, value in mean.items()}
        _save(state, identity, network, optimizer, mean, course)
    return course


def batches(
    pictures: Pictures, size: int, *, order: Sequence[int] | None = None, workers: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """(images (n, 3, S, S) uint8, targets); in `order` a last batch of one picture is left out: it has no variance."""
    numbers = list(range(len(pictures))) if order is None else list(order)
    groups = [numbers[i : i + size] for i in range(0, len(numbers), size)]
    if order is not None and len(groups) > 1 and len(groups[-1]) == 1:
        groups.pop()
    source: Any = pictures  # a sequence is all that torch needs
    yield from torch.utils.data.DataLoader(source, batch_sampler=groups, num_workers=workers, collate_fn=_stacked)


def _stacked(items: Sequence[tuple[Any, Any]]) -> tuple[Tensor, Tensor]:
    images, targets = (np.stack(parts) for parts in zip(*items, strict=True))
    return torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(targets)


def _groups(network: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    backbone: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        (backbone if name.startswith("backbone.") else rest).append(parameter)
    return [
        {"params": backbone, "lr": recipe.backbone_rate, "base": recipe.backbone_rate},
        {"params": rest, "lr": recipe.head_rate, "base": recipe.head_rate},
    ]


def _step(network: nn.Module, optimizer: Any, task: Task, batch: tuple[Tensor, Tensor], epoch: int) -> None:
    loss = task.loss(network(batch[0]), batch[1])
    if not math.isfinite(loss.item()):
        raise FacebenchError(f"fine-tuning: the loss is {loss.item()} in epoch {epoch}; lower the rates of the recipe")
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


@torch.no_grad()
def _follow(mean: dict[str, Tensor], network: nn.Module, momentum: float) -> None:
    """The running mean takes a step towards the weights; whole numbers (counts of batches) are copied."""
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            mean[name].lerp_(value, 1 - momentum)
        else:
            mean[name].copy_(value)


@contextmanager
def laid_in(module: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Weights in a module while the context is open; its own are put back at the end."""
    own = {name: value.clone() for name, value in module.state_dict().items()}
    module.load_state_dict(weights)
    try:
        yield
    finally:
        module.load_state_dict(own)


def _score(
    network: nn.Module, mean: dict[str, Tensor], val: Pictures, task: Task, recipe: Recipe, device: str
) -> float:
    with laid_in(network, mean), torch.no_grad():
        network.eval()
        return task.judge((network(as_input(x, device)), y.to(device)) for x, y in batches(val, recipe.batch))


def seed_of(seed: int, epoch: int) -> int:
    """Seed of what torch draws in an epoch."""
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0])


def _save(
    path: Path, identity: str, network: nn.Module, optimizer: Any, mean: dict[str, Tensor], course: Course
) -> None:
    held = {
        "identity": identity,
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "mean": mean,
        "curve": course.curve,
        "best": course.best,
        "weights": course.weights,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        place = path.with_name(f".{path.name}.part")
        torch.save(held, place)
        place.replace(path)
    except (OSError, RuntimeError) as cause:  # torch's writer says a full disk by a RuntimeError
        raise DataError(f"cannot write the state of the training to {path}: {cause}") from cause


def _resumed(path: Path, identity: str, network: nn.Module, optimizer: Any, mean: dict[str, Tensor]) -> Course:
    """What an earlier call left, laid into its places; a new course where there is none of this training."""
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError):  # none, or cut off: begin anew
        return Course()
    if held.get("identity") != identity:
        return Course()
    network.load_state_dict(held["network"])
    optimizer.load_state_dict(held["optimizer"])
    for name, value in held["mean"].items():
        mean[name].copy_(value)
    return Course(list(held["curve"]), held["best"], held["weights"])
