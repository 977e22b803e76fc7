"""Two real processes that share a batch, against one that has it whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing
from torch.nn.parallel import DistributedDataParallel

from pretrain import ranks
from pretrain.method import losses
from pretrain.method.assignment import sinkhorn
from tests.pretrain.small import at, part_of, small_batch, small_method

WORLD = 2
METHODS: dict[str, dict[str, Any]] = {
    "shared": {"loss": {"geometry": 0.1}},
    "position": {"codebook": {"scope": "position", "size": 5, "key_dim": 8, "kmeans_patches": 128}},
    "hungarian": {"incubation": {"target": "hungarian"}},
    "unused": {"incubation": {"epochs": 0.0}, "loss": {"align": 0.0, "balance": 0.0}},  # no gradient for the pixel head
    "dropped": {"codebook": {"size": 16, "code_drop": 0.5, "key_dim": 8}, "loss": {"tokens": 0.5}},
}


def logits():
    return torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def costs():
    return torch.rand(3, 8, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


VALID = torch.tensor([[True] * 8, [True, False] * 4, [False] * 4 + [True] * 4])  # no row of pool 2 on the first rank
POOLS = torch.tensor([0, 0, 0, 2, 0, 2])  # pool 1 is nobody's, pool 2 the second rank's alone


def balanced(rank: int, world: int) -> dict[str, torch.Tensor]:
    """The balance of this rank's rows and its gradient there, shared and in pools."""
    mine = slice(rank * 6 // world, (rank + 1) * 6 // world)
    found = {}
    for name, pools in (("balance", None), ("pools", POOLS[mine])):
        weights = logits().requires_grad_()
        value = losses.balance(weights.softmax(-1)[mine], pools, count=3)
        value.backward()
        found |= {name: value.detach(), f"{name}-gradient": weights.grad}
    return found


def assigned(rank: int, world: int) -> torch.Tensor:
    mine = slice(rank * 8 // world, (rank + 1) * 8 // world)
    return sinkhorn(costs()[:, mine], epsilon=0.1, iterations=3, valid=VALID[:, mine])


def one_step(name: str, rank: int, world: int) -> dict[str, Any]:
    """Loss, gradients, choices and usage of a step on this rank's part of a batch of four pictures."""
    method = small_method(**METHODS[name])
    method.start(iter([small_batch(8, seed=9)]))
    with torch.no_grad():
        method.codebook.usage[:, 3] = 0.001  # a dead token
    batch = part_of(small_batch(), rank * 4 // world, (rank + 1) * 4 // world)
    optimizer = torch.optim.AdamW(method.parameters())
    clock = at(499, epoch=0.5)  # in incubation, and followed by a restart
    # As the trainer shares it: the gradients of each rank are then the mean over the ranks.
    forward = method if world == 1 else DistributedDataParallel(method, find_unused_parameters=True)
    outcome = forward(batch, clock)
    outcome.loss.backward()
    gradients = {n: p.grad.clone() for n, p in method.named_parameters() if p.grad is not None}
    said = method.after_step([outcome], clock, optimizer)
    return {
        "loss": outcome.loss.detach(),
        "gradients": gradients,
        "counts": outcome.state["counts"],
        "usage": method.codebook.usage.clone(),
        "tokens": method.codebook.tokens.detach().clone(),
        "said": dict(said),
    }


def work(rank: int, folder: str) -> None:
    """What each process does; the answers lie in the folder."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=WORLD)
    mine = torch.tensor([1.0 + rank, -3.0 * rank])
    summed = mine.clone().requires_grad_()
    (ranks.summed(summed) * torch.tensor([1.0, 10.0])).sum().backward()
    answers = {
        "place": (ranks.rank(), ranks.world_size()),
        "total": ranks.total(mine),
        "largest": ranks.largest(mine),
        "summed": ranks.summed(mine),
        "summed-gradient": summed.grad,
        "untouched": mine,
        "sinkhorn": assigned(rank, WORLD),
        **balanced(rank, WORLD),
        **{name: one_step(name, rank, WORLD) for name in METHODS},
    }
    torch.save(answers, Path(folder) / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    multiprocessing.spawn(work, args=(str(folder),), nprocs=WORLD)
    return [torch.load(folder / f"{rank}.pt") for rank in range(WORLD)]


def mean_of(answers, *keys):
    found = answers
    for key in keys:
        found = [a[key] for a in found]
    return sum(found) / WORLD


def test_one_process_is_its_own_sum():
    value = torch.tensor([1.0, 2.0], requires_grad=True)
    assert ranks.summed(value) is value
    assert torch.equal(ranks.total(value), value)
    assert not ranks.total(value).requires_grad
    assert (ranks.rank(), ranks.world_size()) == (0, 1)


def test_a_generator_depends_on_its_parts_alone():
    device = torch.device("cpu")
    draws = [torch.rand(3, generator=ranks.generator(device, *parts)) for parts in ((0, 1, "a"), (0, 1, "a"), (0, 11))]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


@pytest.mark.slow
def test_sums_and_maxima_run_over_the_ranks(answers):
    assert [a["place"] for a in answers] == [(0, 2), (1, 2)]
    for rank, a in enumerate(answers):
        assert a["untouched"].tolist() == [1.0 + rank, -3.0 * rank]
        assert a["total"].tolist() == a["summed"].tolist() == [3.0, -3.0]
        assert a["largest"].tolist() == [2.0, 0.0]
        # Each rank's loss is 1 * sum + 10 * sum; the sum's gradient is added over both.
        assert a["summed-gradient"].tolist() == [2.0, 20.0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["balance", "pools"])
def test_the_mean_gradient_of_the_balance_is_that_of_the_whole_batch(answers, name):
    whole = balanced(0, 1)
    for a in answers:
        assert float(a[name]) == pytest.approx(float(whole[name]))
    gradient = mean_of(answers, f"{name}-gradient")
    assert torch.allclose(gradient, whole[f"{name}-gradient"])
    assert float(gradient.abs().max()) > 1e-3


@pytest.mark.slow
def test_sinkhorn_balances_over_the_ranks(answers):
    assert torch.allclose(torch.cat([a["sinkhorn"] for a in answers], dim=1), assigned(0, 1), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_a_step_of_two_ranks_is_the_step_of_one(answers, name):
    whole = one_step(name, 0, 1)
    assert float(mean_of(answers, name, "loss")) == pytest.approx(float(whole["loss"]), rel=1e-5)
    assert torch.equal(sum(a[name]["counts"] for a in answers), whole["counts"])  # the same draws
    for a in answers:
        assert a[name]["gradients"].keys() == whole["gradients"].keys()
        assert torch.allclose(a[name]["usage"], whole["usage"])
        assert a[name]["said"] == pytest.approx(whole["said"])
        assert whole["said"]["restarts"] > 0
        assert torch.allclose(a[name]["tokens"], whole["tokens"])
    for parameter, gradient in whole["gradients"].items():
        found = mean_of(answers, name, "gradients", parameter)
        assert torch.allclose(found, gradient, rtol=1e-3, atol=1e-6), parameter
