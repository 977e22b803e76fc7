"""The `mapping` protocol: the backbone is frozen, a small network maps its pooled features to a head, val chooses.

For reconstruction alone, where the field's evaluations of an encoder look so (MICA); the floor is that of `linear`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from facebench.protocols.linear import fit_floor
from facebench.protocols.linear_reconstruction import truth_of
from facebench.protocols.probe import Setting
from facebench.types import Prediction

if TYPE_CHECKING:
    from facebench.features import Shard
    from facebench.heads.mapping import MappingHead
    from facebench.heads.shape import MeshBasis

__all__ = ["NAME", "READS", "TASKS", "MappingProbe", "fit", "fit_floor"]

NAME = "mapping.v1"
"""Goes up whenever a head can predict something else from the same features."""

READS: Literal["features", "crops"] = "features"

TASKS = ("reconstruction",)


@dataclass(frozen=True, eq=False)
class MappingProbe:
    """A mapping head and the basis that its coefficients are of."""

    head: MappingHead
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
        for coefficients in self.head.predict(shard.pooled.to(self.device)).cpu().numpy():
            yield partial(self.basis.scan, coefficients)


def fit(setting: Setting) -> MappingProbe:
    """The mapping head, fitted and chosen. Raises `DataError`."""
    from facebench.heads.mapping import fit_mapping

    truth = truth_of(tuple(setting.train), setting.model)
    train, val = (partial(truth.triples, setting, name) for name in ("train", "val"))
    return MappingProbe(fit_mapping(train, val, seed=setting.seed), truth.basis, setting.device)
