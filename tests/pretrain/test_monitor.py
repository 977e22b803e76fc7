"""The log, the alarms and the curves."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from facebench.errors import DataError
from pretrain.batch import Clock
from pretrain.training.alarms import Alarms
from pretrain.training.folder import RunFolder
from pretrain.training.log import Log, read_log
from pretrain.training.monitor import Monitor, Watch
from tests.pretrain.toy import configured

GOOD = {"perplexity": 60.0, "used": 0.9, "belief_entropy": 2.0, "context_gain": 0.4}  # of K = 128: log K = 4.85


def at_epoch(epoch: float, *, of: float = 10.0) -> Clock:
    return Clock(step=round(epoch * 10), steps=round(of * 10), steps_per_epoch=10.0, seed=0)


def alarms(tmp_path: Path, **incubation: Any) -> Alarms:
    return Alarms(configured(tmp_path, codebook={"size": 128}, incubation=incubation))


@pytest.mark.parametrize(
    ("name", "value", "epoch", "of", "alarmed"),
    [
        ("perplexity", 38.3, 1.0, 10, True),  # 0.3 * 128 = 38.4
        ("perplexity", 38.5, 1.0, 10, False),
        ("perplexity", 5.0, 0.9, 10, False),  # incubation is not over
        ("used", 0.79, 1.0, 10, True),
        ("used", 0.8, 1.0, 10, False),
        ("belief_entropy", 0.91 * math.log(128), 3.0, 10, True),
        ("belief_entropy", 0.89 * math.log(128), 3.0, 10, False),
        ("belief_entropy", 0.91 * math.log(128), 2.9, 10, False),
        ("belief_entropy", 0.91 * math.log(128), 1.0, 2, True),  # half of a training of two epochs
        ("context_gain", 0.14, 3.0, 10, True),
        ("context_gain", 0.14, 2.9, 10, False),
    ],
)
def test_each_bound(tmp_path: Path, name: str, value: float, epoch: float, of: float, alarmed: bool) -> None:
    said = alarms(tmp_path).check(GOOD | {name: value}, at_epoch(epoch, of=of))
    assert len(said) == alarmed
    assert all(text.startswith(f"{name} is ") for text in said)


def test_an_alarm_is_said_once_and_what_is_absent_is_no_alarm(tmp_path: Path) -> None:
    watched = alarms(tmp_path)
    assert watched.check({}, at_epoch(9)) == ()
    assert len(watched.check({"used": 0.1, "perplexity": 1.0}, at_epoch(9))) == 2
    assert len(watched.check({"used": 0.1, "context_gain": 0.0}, at_epoch(9))) == 1
    later = alarms(tmp_path)
    later.load(watched.said)
    assert later.check({"used": 0.1, "context_gain": 0.0}, at_epoch(9)) == ()


def test_incubation_of_no_length(tmp_path: Path) -> None:
    assert len(alarms(tmp_path, epochs=0).check(GOOD | {"used": 0.1}, at_epoch(0))) == 1


def test_lines_after_the_step_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1, "loss": 2.5}\n{"step": 2, "loss": 2.0}\n{"step": 2, "alarm": "x"}\n{"step": 3, "lo')
    log = Log(path, 2)
    log.write({"step": 3, "loss": math.inf})
    log.close()
    assert [line["step"] for line in read_log(path)] == [1, 2, 2, 3]
    assert read_log(path)[-1]["loss"] is None


def test_a_log_damaged_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1}\nnothing\n{"step": 2}\n')
    with pytest.raises(DataError, match=r"log\.jsonl, line 2 is no line of a training log"):
        read_log(path)


def test_a_full_disk_ends_with_one_line(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.jsonl", 0)
    log._file.close()
    with Path("/dev/full").open("w") as full:
        log._file = full
        with pytest.raises(DataError, match=r"cannot write .*log.jsonl: No space left on device"):
            log.write({"step": 1})
        full.buffer.raw.close()


def test_curves_for_tensorboard(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    config = configured(tmp_path, run={"output": tmp_path, "log_every": 2, "tensorboard": True})
    lines: list[Any] = []
    monitor = Monitor(config, RunFolder(tmp_path), Watch(line=lines.append), step=0)
    for step in range(4):
        monitor.step(Clock(step, 4, 2.0, 0), 1e-3, {"loss": float(step), "gradient": 1.0}, {"used": 0.5})
    monitor.close()
    events = accumulator.EventAccumulator(str(RunFolder(tmp_path).tensorboard))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(2, 0.5), (4, 2.5)]
    assert [line["loss"] for line in lines] == [0.5, 2.5]
    assert lines[0]["epoch"] == 1.0


def test_context_gain_is_that_of_the_means(tmp_path: Path) -> None:
    """Ratios of the two steps are 1 - 1/2 and 1 - 3/4; of their means, 1 - 4/6."""
    config = configured(tmp_path, run={"output": tmp_path, "log_every": 2})
    lines: list[Any] = []
    monitor = Monitor(config, RunFolder(tmp_path), Watch(line=lines.append), step=0)
    for step, (rec, align) in enumerate([(1.0, 2.0), (3.0, 4.0)]):
        monitor.step(Clock(step, 2, 2.0, 0), 1e-3, {"loss": 0.0, "rec": rec, "align": align, "context_gain": 9.0}, {})
    monitor.close()
    assert lines[0]["context_gain"] == pytest.approx(1 / 3)
