"""One step of learning, against the same step written out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pretrain.batch import Batch, Clock
from pretrain.config import PretrainConfig
from pretrain.method.methods import build_method
from pretrain.training.learner import Learner, compile_blocks
from pretrain.training.processes import Processes
from tests.pretrain.toy import Noise, Toy, configured, tiny

TORCH_WARNS_OF_ITSELF = pytest.mark.filterwarnings("ignore:.*torch.jit.script_method.*:DeprecationWarning")

CLOCK = Clock(step=3, steps=10, steps_per_epoch=5.0, seed=1)


def toy() -> Toy:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Toy()


def batches(config: PretrainConfig) -> Any:
    return next(iter(Noise(config).steps(CLOCK.step, rank=0, world=1, patch=4)))


def stepped(tmp_path: Path, **optim: Any) -> tuple[Toy, Any]:
    config = configured(tmp_path, optim=optim)
    method = toy()
    step = Learner(method, config.optim, Processes()).step(batches(config), CLOCK, stop=False)
    return method, step


def test_a_step_is_adamw_by_hand(tmp_path: Path) -> None:
    """The first step of AdamW moves every weight by rate * (sign of its gradient, nearly) and shrinks what decays."""
    method, step = stepped(tmp_path, base_lr=1e-2, clip=1e9, warmup=0)
    fresh = toy()
    batch = batches(configured(tmp_path))[0]
    fresh(batch, CLOCK).loss.backward()
    rate = 1e-2 * 8 / 256 * (1 + math.cos(math.pi * 3 / 10)) / 2
    assert step.rate == pytest.approx(rate)
    norm = torch.cat([p.grad.flatten() for p in fresh.parameters() if p.grad is not None]).norm()
    assert step.terms["gradient"] == pytest.approx(float(norm), rel=1e-5)
    for (name, after), before in zip(method.named_parameters(), fresh.parameters(), strict=True):
        scale, decay = (1.0, 0.05) if before.ndim > 1 else (2.0, 0.0)
        wanted = before * (1 - rate * scale * decay) - rate * scale * before.grad / (before.grad.abs() + 1e-8)
        torch.testing.assert_close(after, wanted, rtol=1e-5, atol=1e-7, msg=name)


@pytest.mark.parametrize("accumulate", [2, 4, 8])
def test_micro_batches_learn_what_one_batch_does(tmp_path: Path, accumulate: int) -> None:
    one, told = stepped(tmp_path, accumulate=1)
    many, told_in_parts = stepped(tmp_path, accumulate=accumulate)
    for name in told.terms:
        assert told_in_parts.terms[name] == pytest.approx(told.terms[name], rel=1e-5)
    for (name, a), b in zip(one.named_parameters(), many.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6, msg=name)


def test_micro_batches_of_unequal_size_weigh_by_their_pictures(tmp_path: Path) -> None:
    config = configured(tmp_path)
    whole = batches(config)[0]
    cut = [
        Batch(whole.images[a:b], whole.replaced[a:b], whole.regions[a:b], whole.ids[a:b], first=a, total=8)
        for a, b in ((0, 5), (5, 8))
    ]
    one, other = toy(), toy()
    Learner(one, config.optim, Processes()).step([whole], CLOCK, stop=False)
    Learner(other, config.optim, Processes()).step(cut, CLOCK, stop=False)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_the_gradient_is_clipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    step = torch.optim.AdamW.step

    def look(optimizer: Any, *args: Any) -> Any:
        grads = [p.grad.flatten() for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
        seen.append(float(torch.cat(grads).norm()))
        return step(optimizer, *args)

    monkeypatch.setattr(torch.optim.AdamW, "step", look)
    _, made = stepped(tmp_path, clip=0.01)
    assert made.terms["gradient"] > 0.01
    assert seen == [pytest.approx(0.01, rel=1e-3)]


def test_bfloat16_reaches_the_method_and_weights_stay_whole(tmp_path: Path) -> None:
    kinds: list[torch.dtype] = []
    config = configured(tmp_path, optim={"precision": "bf16"})
    method = toy()
    method.blocks[0].register_forward_hook(lambda _module, _given, made: kinds.append(made.dtype))
    made = Learner(method, config.optim, Processes()).step(batches(config), CLOCK, stop=False)
    assert kinds == [torch.bfloat16]
    assert {p.dtype for p in method.parameters()} == {torch.float32}
    assert math.isfinite(made.terms["loss"])


@pytest.mark.parametrize("method", ["paco-fr", "mae", "simmim"])
def test_norms_biases_tokens_and_positions_do_not_decay(tmp_path: Path, method: str) -> None:
    made = build_method(tiny(method, tmp_path))
    decay = {id(p): g["weight_decay"] for g in made.parameter_groups() for p in g["params"]}
    free = {id(p) for m in made.modules() if isinstance(m, nn.LayerNorm) for p in m.parameters()}
    for name, parameter in made.named_parameters():
        if not parameter.requires_grad:
            assert id(parameter) not in decay, name
            continue
        word = name.rpartition(".")[2]
        spared = id(parameter) in free or word in ("bias", "pos_embed", "cls_token", "mask_token", "tokens", "scale")
        assert decay[id(parameter)] == (0.0 if spared else 0.05), name


@TORCH_WARNS_OF_ITSELF
def test_compiling_touches_blocks_alone_and_keeps_names(tmp_path: Path) -> None:
    made = build_method(tiny("mae", tmp_path))
    names = list(made.state_dict())
    compile_blocks(made)
    compiled = [name for name, module in made.named_modules() if module._compiled_call_impl is not None]
    depth = len(made.encoder.blocks)
    teacher = [f"teacher.blocks.{i}" for i in range(depth)] if made.teacher is not None else []
    assert set(compiled) == {f"encoder.blocks.{i}" for i in range(depth)} | {"decoder.blocks.0"} | set(teacher)
    assert list(made.state_dict()) == names


@TORCH_WARNS_OF_ITSELF
@pytest.mark.slow
def test_a_compiled_step_is_the_plain_one(tmp_path: Path) -> None:
    plain, told = stepped(tmp_path)
    fast, told_fast = stepped(tmp_path, compile=True)
    assert told_fast.terms["loss"] == pytest.approx(told.terms["loss"], rel=1e-5)
    for a, b in zip(plain.parameters(), fast.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)
