"""Landmarks under the linear protocol: points in units of the crop's side, and back to the stored picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from facebench.framing import Framing
from facebench.protocols.probe import Setting
from facebench.shapes import FloatArray
from facebench.types import Dataset, Landmarks, Prediction, Sample

if TYPE_CHECKING:
    from torch import Tensor

    from facebench.features import Shard


class PointHead(Protocol):
    """A head for landmarks, in units of the crop's side."""

    @property
    def chosen(self) -> Mapping[str, str]:
        """What val chose."""
        ...

    def predict(self, tokens: Tensor) -> Tensor:
        """Points (n, K, 2) of faces with `tokens` (n, D, h, w)."""
        ...


@dataclass(frozen=True, eq=False)
class LandmarkProbe:
    """A landmark head and the way back to the stored picture."""

    head: PointHead
    framing: Framing
    device: str

    @property
    def chosen(self) -> Mapping[str, str]:
        """What val chose."""
        return self.head.chosen

    def predict(self, shard: Shard) -> Iterator[Callable[[], Prediction]]:
        """What makes points (K, 2), pixels of the stored picture."""
        if not shard.samples:
            return
        found = self.head.predict(shard.tokens.to(self.device)).cpu().numpy()
        for sample, unit in zip(shard.samples, found, strict=True):
            yield partial(from_unit, unit, sample, self.framing)


@dataclass(frozen=True, eq=False)
class MeanShape:
    """The mean of the training points in their crops, (K, 2) in units of the crop's side."""

    points: FloatArray
    framing: Framing
    title: str = "floor (mean shape)"

    def predict(self, sample: Sample) -> Prediction:
        """Points (K, 2), pixels of the stored picture."""
        return from_unit(self.points, sample, self.framing)


def fit(setting: Setting, fit_head: Callable[[Any, Any], PointHead] | None = None) -> LandmarkProbe:
    """The landmark head, fitted and chosen; the linear one where `fit_head` names no other. Raises `DataError`."""
    from facebench.heads.heatmap import fit_landmarks

    def pairs(name: str) -> Iterator[tuple[Tensor, Tensor]]:
        import torch

        for shard in setting.features(name):
            points = np.stack([_to_unit(sample, setting.framing) for sample in shard.samples])
            yield shard.tokens.to(setting.device), torch.from_numpy(points).to(setting.device)

    head = (fit_head or fit_landmarks)(lambda: pairs("train"), lambda: pairs("val"))
    return LandmarkProbe(head, setting.framing, setting.device)


def fit_floor(dataset: Dataset, train: Sequence[Sample], val: Sequence[Sample], framing: Framing) -> MeanShape:
    """The mean shape of `train`."""
    del dataset, val
    return MeanShape(np.mean([_to_unit(sample, framing) for sample in train], axis=0), framing)


def _to_unit(sample: Sample, framing: Framing) -> FloatArray:
    """Annotated points (K, 2) in units of the crop's side, from edge 0 to edge 1."""
    assert isinstance(sample.target, Landmarks), sample.id
    return (framing.crop(sample).to_crop(sample.target.points) + 0.5) / framing.size


def from_unit(unit: FloatArray, sample: Sample, framing: Framing) -> FloatArray:
    """Points (K, 2) in units of the crop's side as pixels of the stored picture."""
    return framing.crop(sample).to_image(unit * framing.size - 0.5)
