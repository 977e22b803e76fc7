"""Reconstruction under the linear protocol: heads as coefficients of a basis of the training heads, or of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from facebench.geometry.head_model import HeadModel
from facebench.heads.model_basis import model_basis
from facebench.heads.shape import MeshBasis, fit_basis, fit_shape
from facebench.protocols.probe import Setting
from facebench.shapes import FloatArray
from facebench.types import Prediction, Sample, Scan, ScanFiles

if TYPE_CHECKING:
    from torch import Tensor

    from facebench.features import Shard


class CoefficientHead(Protocol):
    """A head for coefficients of a basis."""

    @property
    def chosen(self) -> Mapping[str, str]:
        """What val chose."""
        ...

    def predict(self, tokens: Tensor, pooled: Tensor) -> Tensor:
        """Coefficients (n, R)."""
        ...


@dataclass(frozen=True, eq=False)
class ShapeProbe:
    """A shape head and the basis that its coefficients are of."""

    head: CoefficientHead
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
class Truth:
    """What the heads of one training split are in their basis; the same for every backbone.

    Attributes:
        basis: of the training heads, or of a model.
        known: subject to coefficients (R,), filled as they are asked for.
    """

    basis: MeshBasis
    known: dict[str, FloatArray] = field(default_factory=dict)

    def coefficients(self, sample: Sample) -> FloatArray:
        """Coefficients (R,) of the head in the picture."""
        if sample.cluster not in self.known:
            self.known[sample.cluster] = self.basis.coefficients(_read(sample), sample.id)
        return self.known[sample.cluster]

    def triples(self, setting: Setting, name: str) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Tokens, pooled features and coefficients of `train` or `val`, shard by shard. Raises `DataError`."""
        import torch

        for shard in setting.features(name):
            coefficients = torch.from_numpy(np.stack([self.coefficients(sample) for sample in shard.samples]))
            yield shard.tokens.to(setting.device), shard.pooled.to(setting.device), coefficients.to(setting.device)


@lru_cache(maxsize=1)
def truth_of(train: tuple[Sample, ...], model: HeadModel | None) -> Truth:
    """The basis of `train` or of `model`; the rows of a table share their samples, so the second one finds it made."""
    heads = _heads(train)
    return Truth(fit_basis(heads) if model is None else model_basis(model, heads))


def fit(setting: Setting, fit_head: Callable[[Any, Any], CoefficientHead] = fit_shape) -> ShapeProbe:
    """The reconstruction head, fitted and chosen. Raises `DataError`."""
    truth = truth_of(tuple(setting.train), setting.model)
    head = fit_head(lambda: truth.triples(setting, "train"), lambda: truth.triples(setting, "val"))
    return ShapeProbe(head, truth.basis, setting.device)


def fit_floor(train: Sequence[Sample], model: HeadModel | None) -> MeanHead:
    """The mean head of `train`, as far as its basis can draw it."""
    basis = truth_of(tuple(train), model).basis
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
