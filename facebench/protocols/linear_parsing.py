"""Parsing under the linear protocol: label grids over the crop, and label maps back at the stored size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from facebench.framing import Framing
from facebench.protocols.probe import Setting
from facebench.schemes import LabelScheme
from facebench.shapes import ByteArray, FloatArray
from facebench.types import Dataset, LabelMap, Prediction, Sample

if TYPE_CHECKING:
    from torch import Tensor

    from facebench.features import Shard


class MapHead(Protocol):
    """A head for label maps over the crop."""

    @property
    def chosen(self) -> Mapping[str, str]:
        """What val chose."""
        ...

    def predict(self, tokens: Tensor) -> Iterator[Tensor]:
        """Scores (C, G, G) of each picture with `tokens` (n, D, h, w)."""
        ...


@dataclass(frozen=True, eq=False)
class ParsingProbe:
    """A parsing head and the way back to the stored label map."""

    head: MapHead
    framing: Framing
    device: str

    @property
    def chosen(self) -> Mapping[str, str]:
        """What val chose."""
        return self.head.chosen

    def predict(self, shard: Shard) -> Iterator[Callable[[], Prediction]]:
        """What makes label maps (H, W) uint8 at the size that the truth is stored in."""
        if not shard.samples:
            return
        scores = self.head.predict(shard.tokens.to(self.device))
        for sample, found in zip(shard.samples, scores, strict=True):
            yield partial(restore, found.cpu().numpy(), sample, self.framing)


@dataclass(frozen=True, eq=False)
class MajorityLabel:
    """The weighted share of each class at each place of the training crops, (C, G, G); the label is its argmax."""

    scores: FloatArray
    framing: Framing
    title: str = "floor (majority label)"

    def predict(self, sample: Sample) -> Prediction:
        """Label map (H, W) uint8 at the size that the truth is stored in."""
        return restore(self.scores, sample, self.framing)


def fit(setting: Setting, fit_head: Callable[..., Any] | None = None) -> ParsingProbe:
    """The parsing head, fitted and chosen; the linear one where `fit_head` names no other. Raises `DataError`."""
    from facebench.heads.label_map import fit_parsing, grid_of

    def pairs(name: str) -> Iterator[tuple[Tensor, Tensor]]:
        import torch

        for shard in setting.features(name):
            grid = grid_of(shard.tokens.shape[-1])
            labels = np.stack([label_grid(sample, setting.framing, grid) for sample in shard.samples])
            yield shard.tokens.to(setting.device), torch.from_numpy(labels).to(setting.device)

    head = (fit_head or fit_parsing)(lambda: pairs("train"), lambda: pairs("val"), classes=_classes(setting.dataset))
    return ParsingProbe(head, setting.framing, setting.device)


def fit_floor(dataset: Dataset, train: Sequence[Sample], val: Sequence[Sample], framing: Framing) -> MajorityLabel:
    """The majority label of each place over `train`, classes weighted as the head weights them, by what suits `val`."""
    import torch

    from facebench.heads.label_map import CELLS, PowerTables, class_weight

    classes = np.arange(_classes(dataset))[:, None, None]
    total = np.zeros((len(classes), CELLS, CELLS))
    for sample in train:
        total += label_grid(sample, framing, CELLS) == classes
    prior = torch.from_numpy(total / len(train))
    tables = PowerTables(prior.mean(dim=(1, 2)), len(classes))
    for sample in val:
        tables.add(prior[None], torch.from_numpy(label_grid(sample, framing, CELLS))[None])
    weighted = prior * class_weight(prior.mean(dim=(1, 2)), tables.best())
    return MajorityLabel(weighted.numpy(), framing)


def label_grid(sample: Sample, framing: Framing, grid: int) -> ByteArray:
    """The true labels of `sample` over its crop, (grid, grid) uint8."""
    labels = _labels(sample)
    return framing.label_crop(sample, *labels.shape).warp_labels(labels, grid)


def restore(scores: FloatArray, sample: Sample, framing: Framing) -> ByteArray:
    """Scores (C, G, G) over the crop as a label map at the size that the truth of `sample` is stored in."""
    height, width = _labels(sample).shape
    return framing.label_crop(sample, height, width).restore_labels(scores, height, width)


def _labels(sample: Sample) -> ByteArray:
    assert isinstance(sample.target, LabelMap), sample.id
    return sample.target.read()


def _classes(dataset: Dataset) -> int:
    assert isinstance(dataset.scheme, LabelScheme), dataset.name
    return dataset.scheme.size
