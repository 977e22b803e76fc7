"""How often tokens are chosen: usage and perplexity by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pretrain.batch import Outcome
from tests.pretrain.small import PATCHES, PIXELS, at, small_method


def optimizer_of(method):
    return torch.optim.AdamW(p for p in method.parameters() if p.requires_grad)


def outcome_with(counts):
    state = {"counts": torch.tensor(counts), "pixels": torch.zeros(1, PATCHES, PIXELS)}
    state |= {"first": torch.tensor(0), "total": torch.tensor(1)}
    return Outcome(torch.tensor(0.0), {}, state)


def test_usage_and_perplexity_by_hand():
    method = small_method(codebook={"size": 4, "key_dim": 8, "usage_decay": 0.9, "restart_every": 0})
    outcomes = [outcome_with([[3.0, 1.0, 0.0, 0.0]]), outcome_with([[1.0, 3.0, 0.0, 0.0]])]
    said = method.after_step(outcomes, at(), optimizer_of(method))
    # Shares 1/2, 1/2, 0, 0: two tokens are used; 0.9 * 0.25 + 0.1 * share.
    assert method.codebook.usage.flatten().tolist() == pytest.approx([0.275, 0.275, 0.225, 0.225])
    entropy = -2 * (0.275 * np.log(0.275) + 0.225 * np.log(0.225))
    assert said == pytest.approx({"perplexity": np.exp(entropy), "used": 1.0, "restarts": 0.0})
    for _ in range(25):
        said = method.after_step(outcomes, at(), optimizer_of(method))
    # 0.25 * 0.9^26 = 0.016 is below 0.1 / 4.
    assert said["used"] == 0.5
    for _ in range(200):
        said = method.after_step(outcomes, at(), optimizer_of(method))
    assert said["perplexity"] == pytest.approx(2.0, rel=1e-4)


def test_usage_of_a_position_that_nobody_replaced_stays_as_it_was():
    method = small_method(codebook={"size": 4, "key_dim": 8, "scope": "position", "usage_decay": 0.5})
    counts = np.zeros((PATCHES, 4), np.float32)
    counts[0] = [2, 2, 0, 0]
    counts[3] = [1, 1, 1, 1]
    said = method.after_step([outcome_with(counts.tolist())], at(), optimizer_of(method))
    assert method.codebook.usage[0].tolist() == [0.375, 0.375, 0.125, 0.125]
    assert method.codebook.usage[1].tolist() == [0.25] * 4
    first = -2 * (0.375 * np.log(0.375) + 0.125 * np.log(0.125))
    assert said["perplexity"] == pytest.approx((np.exp(first) + (PATCHES - 1) * 4) / PATCHES)
