"""The loop on a toy: logs, stops, goes on, and says what went wrong."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from facebench.errors import FacebenchError, UsageError
from pretrain.config import PretrainConfig
from pretrain.training.checkpoint import load
from pretrain.training.folder import RunFolder, held
from pretrain.training.log import read_log
from pretrain.training.monitor import Watch
from pretrain.training.train import train
from tests.pretrain.toy import Noise, Toy, configured, picture


def toy(_config: PretrainConfig) -> Toy:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return Toy()


@pytest.fixture(autouse=True)
def _no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """A toy's encoder is no model of timm's."""
    monkeypatch.setattr("pretrain.training.outputs.write_encoder", lambda *_args, **_kwargs: None)


def run(config: PretrainConfig, **changed: Any) -> RunFolder:
    return train(config, Noise(config, **changed), build=toy)


def told(folder: RunFolder) -> list[dict[str, Any]]:
    return [line for line in read_log(folder.log) if "alarm" not in line]


def losses(folder: RunFolder) -> list[tuple[int, float]]:
    return [(line["step"], line["loss"]) for line in told(folder)]


def stopped_after(steps: int, stop: Callable[[], None]) -> Watch:
    return Watch(step=lambda done, _loss, _rate: stop() if done == steps else None)


def test_a_run_learns_and_tells_every_step(tmp_path: Path) -> None:
    folder = run(configured(tmp_path))
    found = losses(folder)
    assert [step for step, _ in found] == list(range(1, 21))
    assert found[-1][1] < 0.6 * found[0][1]
    lines = read_log(folder.log)
    assert {"epoch", "lr", "gradient", "rec", "perplexity", "images_per_second"} <= lines[0].keys()
    assert "incubation" in lines[4]
    assert "incubation" not in lines[5]
    assert [p.name for p in folder.checkpoints()] == ["step-00000020.pt", "step-00000015.pt"]


def test_a_line_is_the_mean_of_its_steps_and_counts_restarts(tmp_path: Path) -> None:
    every = told(run(configured(tmp_path / "a")))
    fourth = told(run(configured(tmp_path / "b", run={"output": tmp_path / "b", "log_every": 4})))
    assert [line["step"] for line in fourth] == [4, 8, 12, 16, 20]
    for i, line in enumerate(fourth):
        window = every[4 * i : 4 * i + 4]
        assert line["loss"] == pytest.approx(sum(w["loss"] for w in window) / 4)
        assert line["perplexity"] == window[-1]["perplexity"]
        assert line["restarts"] == 2
        assert line["lr"] == window[-1]["lr"]


def test_the_same_seed_gives_the_same_bits_and_leaves_the_generator_alone(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    one, other = (losses(run(configured(tmp_path / name))) for name in "ab")
    assert one == other
    assert torch.equal(torch.get_rng_state(), before)


def test_the_codebook_starts_from_what_one_process_would_see(tmp_path: Path) -> None:
    folder = run(configured(tmp_path))
    state = load(folder.checkpoints()[0]).method
    assert state["started"] == pytest.approx(float(torch.stack([picture(n) for n in range(8)]).sum()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_saves_and_goes_on_to_the_same_losses(tmp_path: Path, number: int) -> None:
    whole = losses(run(configured(tmp_path / "a")))
    config = configured(tmp_path / "b", run={"output": tmp_path / "b", "log_every": 1, "save_every": 100})
    watch = stopped_after(7, lambda: os.kill(os.getpid(), number))
    with pytest.raises(KeyboardInterrupt):
        train(config, Noise(config), build=toy, watch=watch)
    folder = RunFolder(config.run.output)
    assert [p.name for p in folder.checkpoints()] == ["step-00000008.pt"]
    assert signal.getsignal(number) is not None
    assert losses(run(config)) == whole


class Struck(Noise):
    """Ctrl-C at a terminal: the loader's processes are struck too, and its next batch never comes."""

    def steps(self, first: int, **who: Any) -> Any:
        for step, batches in enumerate(super().steps(first, **who), start=first):
            if step == 7:
                os.kill(os.getpid(), signal.SIGINT)
                raise FacebenchError("a loader process ended")
            yield batches


def test_an_interruption_that_takes_the_loader_along_saves_too(tmp_path: Path) -> None:
    config = configured(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(config, Struck(config), build=toy)
    assert RunFolder(tmp_path).checkpoints()[0].name == "step-00000007.pt"


class Killed(Exception):
    """A run that ends in the middle of a step, without a word."""


@pytest.mark.parametrize("steps", [1, 5, 6, 13])
@pytest.mark.parametrize("log_every", [1, 3])
def test_a_killed_run_tells_every_step_once(tmp_path: Path, steps: int, log_every: int) -> None:
    def at(name: str) -> PretrainConfig:
        return configured(tmp_path / name, run={"output": tmp_path / name, "log_every": log_every})

    def die() -> None:
        raise Killed

    whole = losses(run(at("a")))
    with pytest.raises(Killed):
        train(at("b"), Noise(at("b")), build=toy, watch=stopped_after(steps, die))
    with RunFolder(tmp_path / "b").log.open("a") as log:
        log.write('{"step": 14, "lo')  # the line that was being written
    assert losses(run(at("b"))) == whole


def test_a_finished_run_that_is_called_again_does_nothing(tmp_path: Path) -> None:
    folder = run(configured(tmp_path))
    before = {p: p.stat().st_mtime_ns for p in folder.root.rglob("step-*")}
    lines = losses(folder)
    run(configured(tmp_path))
    assert {p: p.stat().st_mtime_ns for p in folder.root.rglob("step-*")} == before
    assert losses(folder) == lines


def test_a_nan_stops_with_step_pictures_and_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(FacebenchError) as error:
        run(configured(tmp_path), poison=12)
    text = str(error.value)
    assert text.startswith("the loss is nan in step 12; the pictures were face16, face17,")  # 12 * 8 = 96 = 16 of 40
    assert "(rank 0)" in text
    assert text.endswith("step-00000010.pt")
    assert len(losses(RunFolder(tmp_path))) == 12


def test_only_the_micro_batch_with_the_nan_is_named(tmp_path: Path) -> None:
    with pytest.raises(FacebenchError, match=r"pictures were face6, face7 \(rank 0\); .* none, it begins anew"):
        run(configured(tmp_path, optim={"accumulate": 4}), poison=0)


def test_an_infinite_gradient_of_a_finite_loss_stops_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "pretrain.training.learner.nn.utils.clip_grad_norm_", lambda _parameters, _limit: torch.tensor(float("inf"))
    )
    with pytest.raises(FacebenchError, match=r"the gradient's norm is inf in step 0; the pictures were face0, face1"):
        run(configured(tmp_path))


def test_another_configuration_is_refused(tmp_path: Path) -> None:
    run(configured(tmp_path))
    with pytest.raises(UsageError, match=r"other settings: optim.steps was 20, is 30"):
        run(configured(tmp_path, optim={"steps": 30}))


def test_other_pictures_are_refused(tmp_path: Path) -> None:
    run(configured(tmp_path))
    with pytest.raises(UsageError, match="trained on other pictures: their digest was dddddddddddd, is eeeeeeeeeeee"):
        run(configured(tmp_path), digest="e" * 64)


def test_two_trainings_do_not_share_a_folder(tmp_path: Path) -> None:
    with held(RunFolder(tmp_path)), pytest.raises(UsageError, match="another training writes to"):
        run(configured(tmp_path))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FacebenchError, match=r"cannot write to .*name another run.output"):
        run(configured(tmp_path / "file" / "run"))


def test_alarms_are_said_once_and_not_again_after_a_stop(tmp_path: Path) -> None:
    config = configured(tmp_path, codebook={"size": 100_000}, run={"log_every": 1, "output": tmp_path})
    watch = stopped_after(12, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        train(config, Noise(config), build=toy, watch=watch)
    notes: list[str] = []
    train(config, Noise(config), build=toy, watch=Watch(note=notes.append))
    alarms = [line for line in read_log(RunFolder(tmp_path).log) if "alarm" in line]
    assert [line["step"] for line in alarms] == [6]  # five steps are the first epoch
    assert "perplexity is" in alarms[0]["alarm"]
    assert not [note for note in notes if note.startswith("alarm")]


def test_what_is_no_number_is_null_in_the_log(tmp_path: Path) -> None:
    class Odd(Toy):
        def after_step(self, *args: Any) -> dict[str, float]:
            return {**super().after_step(*args), "used": float("nan")}

    config = configured(tmp_path, optim={"steps": 2})
    train(config, Noise(config), build=lambda _config: Odd())
    text = RunFolder(tmp_path).log.read_text()
    assert '"used": null' in text
    assert json.loads(text.splitlines()[0])["step"] == 1
