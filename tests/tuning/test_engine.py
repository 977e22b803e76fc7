"""The loop: what it learns, what it keeps, where it goes on, and where it stops."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from facebench.errors import FacebenchError
from facebench.tuning.engine import Course, Task, _follow, batches, tune
from facebench.tuning.recipe import PARSING

RECIPE = replace(PARSING, epochs=5, patience=9, batch=4, backbone_rate=1e-2, head_rate=5e-2, average=0.5, milestone=4)


class Squares:
    """Pictures of one colour, whose target is that colour; another draw each epoch."""

    def __init__(self, count: int, epoch: int = 0) -> None:
        self.count, self.epoch = count, epoch

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        value = np.random.default_rng((self.epoch, number)).integers(0, 256)
        return np.full((4, 4, 3), value, np.uint8), np.float32(value / 255)


class Small(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = torch.nn.Linear(3, 8)
        self.head = torch.nn.Sequential(torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.2), torch.nn.Linear(8, 1))

    def forward(self, images):
        return self.head(self.backbone(images.mean(dim=(2, 3))))[:, 0]


def judge(made):
    return float(torch.cat([(scores - targets).abs() for scores, targets in made]).mean())


TASK = Task(lambda scores, targets: (scores - targets).square().mean(), judge)


def trained(folder, *, recipe=RECIPE, task=TASK, told=lambda *_: None, **changes: Any):
    network = Small()
    settings = {"identity": "one", "seed": 0, "device": "cpu"} | changes
    course = tune(
        network, lambda epoch: Squares(18, epoch + 1), Squares(8), task, recipe,
        state=folder / "state.pt", told=told, **settings,
    )  # fmt: skip
    return network, course


def test_it_learns_and_keeps_the_best_epoch(tmp_path):
    _, course = trained(tmp_path)
    assert len(course.curve) == 5
    assert course.curve[course.best] == min(course.curve) < 0.5 * course.curve[0]
    network = Small()
    network.load_state_dict(course.weights)
    network.eval()
    with torch.no_grad():
        made = [(network(x.float() / 255), y) for x, y in batches(Squares(8), 4)]
    assert judge(made) == pytest.approx(min(course.curve), abs=1e-7), "the kept weights are those of the best score"


@pytest.mark.parametrize("stop", [0, 2, 3])
def test_a_training_that_was_stopped_ends_in_the_same_bits(tmp_path, stop):
    network, course = trained(tmp_path / "whole")

    class Killed(Exception):
        pass

    def kill(epoch, _):
        if epoch == stop:
            raise Killed

    with pytest.raises(Killed):
        trained(tmp_path / "parts", told=kill)
    again, rest = trained(tmp_path / "parts")
    assert rest.curve == course.curve
    assert all(
        torch.equal(a, b) for a, b in zip(network.state_dict().values(), again.state_dict().values(), strict=True)
    )
    assert all(torch.equal(course.weights[name], rest.weights[name]) for name in course.weights)


def test_a_finished_training_trains_no_more_and_a_state_of_another_is_not_taken(tmp_path):
    trained(tmp_path)
    told = []
    trained(tmp_path, told=lambda epoch, _: told.append(epoch))
    assert told == []
    trained(tmp_path, told=lambda epoch, _: told.append(epoch), identity="two")
    assert told == [0, 1, 2, 3, 4]


def test_a_state_that_is_cut_off_is_not_taken(tmp_path):
    trained(tmp_path)
    path = tmp_path / "state.pt"
    path.write_bytes(path.read_bytes()[:1000])
    told = []
    trained(tmp_path, told=lambda epoch, _: told.append(epoch))
    assert told == [0, 1, 2, 3, 4]


def test_patience_ends_it():
    recipe = replace(RECIPE, epochs=100, patience=3)
    assert not Course([3.0, 2.0, 2.5, 2.4], best=1).ended(recipe)
    assert Course([3.0, 2.0, 2.5, 2.4, 2.6], best=1).ended(recipe)
    assert Course([1.0] * 100, best=99).ended(recipe)


def test_rates_fall_at_the_milestone(tmp_path):
    seen = []
    task = Task(lambda scores, targets: (scores - targets).square().mean(), judge)
    original = torch.optim.AdamW.step

    def step(self, *arguments, **named):
        seen.append(tuple(group["lr"] for group in self.param_groups))
        return original(self, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", step)
        trained(tmp_path, task=task)
    assert seen[0] == (1e-2, 5e-2)
    assert seen[-1] == pytest.approx((1e-3, 5e-3))


def test_a_loss_that_is_no_number_stops_it(tmp_path):
    task = Task(lambda scores, targets: (scores - targets).sum() * float("nan"), judge)
    with pytest.raises(FacebenchError, match="the loss is nan in epoch 0"):
        trained(tmp_path, task=task)


def test_the_running_mean_follows_the_weights():
    network = torch.nn.BatchNorm1d(2)
    mean = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        network.weight.fill_(3.0)
        network.num_batches_tracked += 7
    _follow(mean, network, 0.75)
    torch.testing.assert_close(mean["weight"], torch.full((2,), 1.5))
    assert int(mean["num_batches_tracked"]) == 7


def test_batches_keep_their_order_and_drop_a_last_picture_alone_in_training():
    squares = Squares(9)
    plain = [len(targets) for _, targets in batches(squares, 4)]
    trained_on = [targets for _, targets in batches(squares, 4, order=[8, 7, 6, 5, 4, 3, 2, 1, 0])]
    assert plain == [4, 4, 1]
    assert [len(targets) for targets in trained_on] == [4, 4]
    assert float(trained_on[0][0]) == squares[8][1]
    by_workers = [targets for _, targets in batches(squares, 4, order=[8, 7, 6, 5, 4, 3, 2, 1, 0], workers=1)]
    assert all(torch.equal(a, b) for a, b in zip(trained_on, by_workers, strict=True))
