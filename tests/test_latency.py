"""Milliseconds of a picture: which batches count, and what a cached feature still knows of them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from facebench.latency import Timed, latency_of, timed
from facebench.record import LatencyRecord

CPU = "cpu, 1 thread"


def test_the_median_is_of_whole_batches_without_the_first() -> None:
    batches = [
        Timed(4, 9.0, CPU, True),
        Timed(4, 0.4, CPU, False),
        Timed(4, 0.8, CPU, False),
        Timed(4, 0.44, CPU, False),
        Timed(1, 0.9, CPU, False),  # the rest of a shard
    ]
    found = latency_of(batches)
    assert found is not None
    assert found.milliseconds == pytest.approx(110)
    assert (found.batch, found.batches, found.device) == (4, 3, CPU)


def test_a_first_batch_counts_where_there_is_no_other_and_nothing_is_none() -> None:
    assert latency_of([Timed(2, 0.1, CPU, True)]) == LatencyRecord(milliseconds=50, batch=2, batches=1, device=CPU)
    assert latency_of([]) is None


def test_devices_are_not_mixed() -> None:
    batches = [Timed(2, 0.1, CPU, False), Timed(2, 0.1, CPU, False), Timed(2, 0.01, "GPU", False)]
    found = latency_of(batches)
    assert found is not None
    assert (found.device, found.batches) == (CPU, 2)


def test_time_is_that_of_the_call() -> None:
    made, seconds = timed(lambda: time.sleep(0.05) or 3, "cpu")
    assert made == 3
    assert 0.05 <= seconds < 5


def test_a_file_of_the_cache_without_times_is_read(tmp_path: Path) -> None:
    from facebench.feature_cache import FeatureCache

    cache = FeatureCache(tmp_path, 10**9)
    cache.write("k", {"tensors": {"tokens": torch.ones(2)}, "failures": {}, "times": [Timed(2, 0.5, CPU, True)]}, print)
    path = tmp_path / "k.safetensors"
    assert cache.read("k", print)["times"] == [[2, 0.5, CPU, True]]  # type: ignore[index]
    with safe_open(path, framework="pt") as file:
        meta = {name: text for name, text in file.metadata().items() if name != "times"}
    save_file({"tokens": torch.ones(2)}, path, metadata=meta)
    assert cache.read("k", print)["times"] == []  # type: ignore[index]
