"""The teacher: its momentum by hand, and that it follows without a gradient."""

from __future__ import annotations

import math

import pytest
import torch

from pretrain.method.teacher import follow, momentum_at, teacher_of
from tests.pretrain.small import at, small_batch, small_method


@pytest.mark.parametrize(
    ("progress", "wanted"), [(0.0, 0.996), (0.5, 0.998), (1.0, 1.0), (1 / 3, 1 - 0.004 * 0.75), (0.25, 0.9965858)]
)
def test_momentum_by_hand(progress, wanted):
    # 1 - 0.004 * (cos(pi p) + 1) / 2: at a third (0.5 + 1) / 2 = 0.75, at a quarter (0.7071068 + 1) / 2 = 0.8535534.
    assert momentum_at(0.996, progress) == pytest.approx(wanted, abs=1e-7)


def test_it_moves_towards_the_encoder_by_one_less_momentum():
    method = small_method()
    before = [p.clone() for p in method.teacher.parameters()]
    with torch.no_grad():
        for parameter in method.encoder.parameters():
            parameter.add_(1.0)
    follow(method.teacher, method.encoder, 0.9)
    for old, slow in zip(before, method.teacher.parameters(), strict=True):
        assert torch.allclose(slow, old + 0.1, atol=1e-6)


def test_momentum_one_keeps_it_and_nought_copies():
    method = small_method()
    with torch.no_grad():
        for parameter in method.encoder.parameters():
            parameter.mul_(2.0).add_(0.1)
    before = [p.clone() for p in method.teacher.parameters()]
    follow(method.teacher, method.encoder, 1.0)
    assert all(torch.equal(a, b) for a, b in zip(before, method.teacher.parameters(), strict=True))
    follow(method.teacher, method.encoder, 0.0)
    pairs = zip(method.encoder.parameters(), method.teacher.parameters(), strict=True)
    assert all(torch.allclose(a, b) for a, b in pairs)


def test_a_step_moves_it_by_the_momentum_of_the_clock():
    method, batch, clock = small_method("mae"), small_batch(), at(step=500)
    with torch.no_grad():
        for parameter in method.encoder.parameters():
            parameter.add_(1.0)
    before = [p.clone() for p in method.teacher.parameters()]
    optimizer = torch.optim.AdamW(p for p in method.parameters() if p.requires_grad)
    method.after_step([method(batch, clock)], clock, optimizer)
    share = 0.004 * (math.cos(math.pi * 0.5) + 1) / 2
    for old, slow in zip(before, method.teacher.parameters(), strict=True):
        assert torch.allclose(slow, old + share, atol=1e-5)


def test_a_teacher_takes_no_gradient_and_stays_as_it_is_evaluated():
    method = small_method(encoder={"drop_path": 0.5, "checkpointing": True})
    method.train()
    assert not method.teacher.training
    assert method.encoder.training
    assert not any(p.requires_grad for p in method.teacher.parameters())
    assert not method.teacher.grad_checkpointing
    assert all(torch.equal(a, b) for a, b in zip(method.encoder.parameters(), method.teacher.parameters(), strict=True))
    assert teacher_of(method.encoder) is not method.encoder


def test_there_is_none_where_none_is_wanted():
    assert small_method("mae", teacher={"enabled": False}).teacher is None
    assert small_method(teacher={"enabled": False}, loss={"spatial": 0.0}).teacher is None
