"""Reconstruction under the linear protocol: heads as coefficients of a basis of the training heads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from facebench.framing import Framing
from facebench.heads.shape import MeshBasis, fit_basis, fit_shape
from facebench.protocols.probe import Setting
from facebench.shapes import FloatArray
from facebench.types import Dataset, Prediction, Sample, Scan, ScanFiles

if TYPE_CHECKING:
    from torch import Tensor

    from facebench.features import Shard
    from facebench.heads.shape import ShapeHead


@dataclass(frozen=True, eq=False)
class ShapeProbe:
    """A shape head and the basis that its coefficients are of."""

    head: ShapeHead
    basis: MeshBasis
    device: str

    @property
    def chosen(self) -> Mapping[str, str]:
        """What val chose."""
        return {**self.head.chosen, "components": str(len(self.basis.components))}

    def predict(self, shard: Shard) -> Iterator[Callable[[], Prediction]]:
        """What makes meshes with seven landmarks, in the unit of the training heads."""
        if not shard.samples:
            return
        found = self.head.predict(shard.tokens.to(self.device), shard.pooled.to(self.device)).cpu().numpy()
        for coefficients in found:
            yield partial(self.basis.scan, coefficients)


@dataclass(frozen=True, eq=False)
class MeanHead:
    """The mean of the training heads, every subject once."""

    scan: Scan
    title: str = "floor (mean head)"

    def predict(self, sample: Sample) -> Prediction:
        """The mean head, whoever is in the picture."""
        del sample
        return self.scan


@dataclass(frozen=True, eq=False)
class _Truth:
    """What the heads of one training split are in their own basis; the same for every backbone.

    Attributes:
        basis: of the training heads.
        known: subject to coefficients (R,), filled as they are asked for.
    """

    basis: MeshBasis
    known: dict[str, FloatArray] = field(default_factory=dict)

    def coefficients(self, sample: Sample) -> FloatArray:
        """Coefficients (R,) of the head in the picture."""
        if sample.cluster not in self.known:
            self.known[sample.cluster] = self.basis.coefficients(_read(sample), sample.id)
        return self.known[sample.cluster]


@lru_cache(maxsize=1)
def _truth(train: tuple[Sample, ...]) -> _Truth:
    """The basis of `train`; the rows of a table share their samples, so the second one finds it made."""
    return _Truth(fit_basis(_heads(train)))


def fit(setting: Setting) -> ShapeProbe:
    """The reconstruction head, fitted and chosen. Raises `DataError`."""
    import torch

    truth = _truth(tuple(setting.train))

    def triples(name: str) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for shard in setting.features(name):
            coefficients = torch.from_numpy(np.stack([truth.coefficients(sample) for sample in shard.samples]))
            yield shard.tokens.to(setting.device), shard.pooled.to(setting.device), coefficients.to(setting.device)

    return ShapeProbe(fit_shape(lambda: triples("train"), lambda: triples("val")), truth.basis, setting.device)


def fit_floor(dataset: Dataset, train: Sequence[Sample], val: Sequence[Sample], framing: Framing) -> MeanHead:
    """The mean head of `train`."""
    del dataset, val, framing
    basis = _truth(tuple(train)).basis
    return MeanHead(basis.scan(np.zeros(len(basis.components))))


def _heads(samples: Sequence[Sample]) -> Iterator[tuple[str, Scan]]:
    """The head of each subject, once."""
    seen: set[str] = set()
    for sample in samples:
        if sample.cluster not in seen:
            seen.add(sample.cluster)
            yield sample.id, _read(sample)


def _read(sample: Sample) -> Scan:
    assert isinstance(sample.target, ScanFiles), sample.id
    return sample.target.read()
