"""Options of a training that must not change what it learns, or by how little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pretrain.training.log import read_log
from pretrain.training.monitor import Watch
from pretrain.training.train import train
from tests.pretrain.toy import Noise, tiny

ENCODER = {"arch": "test_vit", "img_size": 32}


def losses(output: Path, method: str, *, watch: Watch | None = None, **sections: Any) -> list[float]:
    config = tiny(method, output, **sections | {"optim": {"steps": 4, **sections.get("optim", {})}})
    lines = read_log(train(config, Noise(config), watch=watch).log)
    return [line["loss"] for line in lines if "loss" in line]


@pytest.mark.parametrize("method", ["paco-fr", "mae"])
def test_checkpointed_activations_give_the_same_losses(tmp_path: Path, method: str) -> None:
    plain = losses(tmp_path / "a", method)
    recomputed = losses(tmp_path / "b", method, encoder=ENCODER | {"checkpointing": True})
    assert recomputed == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize("method", ["paco-fr", "mae"])
def test_bfloat16_gives_nearly_the_same_losses(tmp_path: Path, method: str) -> None:
    plain = losses(tmp_path / "a", method)
    rounded = losses(tmp_path / "b", method, optim={"precision": "bf16"})
    assert rounded == pytest.approx(plain, rel=0.01)  # bfloat16 has 8 bits: 0.4 % a number
    assert rounded != plain


class Killed(Exception):
    """The end of a process, for a test."""


def test_what_draws_from_torchs_own_generator_goes_on_too(tmp_path: Path) -> None:
    sections: dict[str, Any] = {"encoder": ENCODER | {"drop_path": 0.5}, "run": {"save_every": 2}}

    def die(step: int, _loss: float, _rate: float) -> None:
        if step == 3:
            raise Killed

    whole = losses(tmp_path / "a", "mae", **sections | {"run": {"output": tmp_path / "a", "save_every": 2}})
    at = sections | {"run": {"output": tmp_path / "b", "save_every": 2}}
    with pytest.raises(Killed):
        losses(tmp_path / "b", "mae", watch=Watch(step=die), **at)
    assert losses(tmp_path / "b", "mae", **at) == whole
    assert whole != losses(tmp_path / "c", "mae")
