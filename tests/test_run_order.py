"""What a row is worth: floor <= random features < a small network trained end to end < the truth.

All four see the same crops and the same labels of drawn faces and are scored by the same lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from facebench.datasets.w300 import DATASET
from facebench.evaluators.landmarks import EVALUATOR
from facebench.framing import Framing
from facebench.images import read_image
from facebench.predictions import read_landmarks, write_landmarks
from facebench.registry import Registry
from facebench.run import Request, plan, run
from facebench.scoring import measure, reduce_scores
from facebench.types import Landmarks, Sample
from tests.drawn_faces import write_300w

FRAMING = Framing("gt", 1.25, 64)
KEY = "300w/test/full/nme-ioc"


def _crops(samples: Sequence[Sample]) -> torch.Tensor:
    stacked = np.stack([FRAMING.crop(s).apply(read_image(s.image)) for s in samples])
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).float() / 255 - 0.5


def _points(samples: Sequence[Sample]) -> torch.Tensor:
    truths = [s.target for s in samples]
    assert all(isinstance(t, Landmarks) for t in truths)
    units = [FRAMING.crop(s).to_crop(t.points) / 64 - 0.5 for s, t in zip(samples, truths, strict=True)]  # type: ignore[union-attr]
    return torch.from_numpy(np.stack(units)).float().flatten(1)


def _end_to_end(train: Sequence[Sample], test: Sequence[Sample]) -> np.ndarray:
    """Points (N, 68, 2) in pixels of the stored pictures, by a network of five layers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        widths = (3, 16, 32, 64, 96)
        layers: list[nn.Module] = []
        for a, b in pairwise(widths):
            layers += [nn.Conv2d(a, b, 3, stride=2, padding=1), nn.BatchNorm2d(b), nn.ReLU()]
        net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(96 * 16, 136))
        images, truth = _crops(train), _points(train)
        net[-1].bias.data = truth.mean(dim=0)
        steps = 900
        optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3)
        schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.02, steps)
        for _ in range(steps):
            batch = torch.randperm(len(images))[:32]
            loss = (net(images[batch]) - truth[batch]).abs().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        net.eval()
        with torch.no_grad():
            found = net(_crops(test)).reshape(len(test), 68, 2).double().numpy()
    return np.stack([FRAMING.crop(s).to_image((p + 0.5) * 64) for s, p in zip(test, found, strict=True)])


def _score(samples: Sequence[Sample], points: np.ndarray, path: Path) -> float:
    write_landmarks(path, [s.id for s in samples], points)
    measured = measure(EVALUATOR, DATASET, samples, read_landmarks(path), settings={})
    scores = reduce_scores(EVALUATOR.metrics(DATASET), DATASET, "test", None, measured.table)
    value = {s.key: s.value for s in scores}[KEY]
    assert value is not None
    return value


@pytest.mark.slow
def test_floor_random_trained_truth(tmp_path: Path) -> None:
    world = write_300w(tmp_path, train=400, val=40, test=60, seed=3)
    request = Request(
        ("timm:test_vit@random:0", "pixels"),
        ("300w",),
        world,
        tmp_path / "runs",
        device="cpu",
        cache=tmp_path / "cache",
    )
    floor, random, pixels = (r.score(KEY).value for r in run(plan(request, Registry())))
    train, test = DATASET.samples(world, "train"), DATASET.samples(world, "test")
    trained = _score(test, _end_to_end(train, test), tmp_path / "trained.npz")
    oracle = _score(test, np.stack([s.target.points for s in test]), tmp_path / "oracle.npz")  # type: ignore[union-attr]
    print(f"floor {floor:.2f} pixels {pixels:.2f} random {random:.2f} end to end {trained:.2f} truth {oracle:.2f}")
    assert oracle < 1e-6 < trained < min(random, pixels) < max(random, pixels) <= floor
