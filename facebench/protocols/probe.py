"""What a protocol hands to a run: fitted heads and floors that predict in the frame of the stored picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from facebench.errors import DataError, FacebenchError
from facebench.framing import Framing
from facebench.geometry.head_model import HeadModel
from facebench.types import Backbone, Dataset, Prediction, Sample

if TYPE_CHECKING:
    from facebench.features import Shard

Shards: TypeAlias = "Callable[[Sequence[Sample], str], Iterator[Shard]]"
"""(samples, name of the split) to their features."""


@dataclass(frozen=True, eq=False)
class Setting:
    """What a head is fitted in.

    Attributes:
        dataset: the benchmark.
        train: the head is fitted on these.
        val: shrinkages are chosen on these.
        framing: how samples are cropped.
        shards: features of samples.
        device: torch's name of the device that heads compute on; it must know float64.
        model: heads are coefficients of it; None for a basis of the training heads.
        seed: of a head that is not fitted in closed form.
        backbone: who is judged, for a protocol that trains it.
        budget: name of the budget, which chooses a recipe.
        identity: hash of the row, by which a training that was stopped is known again.
        state: file that such a training goes on from.
        told: called with each finished epoch and its score on val.
    """

    dataset: Dataset
    train: Sequence[Sample]
    val: Sequence[Sample]
    framing: Framing
    shards: Shards
    device: str
    model: HeadModel | None = None
    seed: int = 0
    backbone: Backbone | None = None
    budget: str = "full"
    identity: str = ""
    state: Path = Path("training.pt")
    told: Callable[[int, float], None] = lambda _epoch, _score: None

    def features(self, name: str) -> Iterator[Shard]:
        """Shards of `train` or `val`, all of whose pictures must be readable. Raises `DataError`."""
        for shard in self.shards(self.train if name == "train" else self.val, name):
            for sample, reason in shard.failures.items():
                raise DataError(f"{self.dataset.name}/{name}: {sample} cannot be learnt from: {reason}")
            yield shard


def fit_for(fits: Mapping[str, Callable[[Setting], Probe]], setting: Setting, protocol: str) -> Probe:
    """The head of the setting's task. Raises `FacebenchError` where `protocol` has none for it."""
    task = setting.dataset.task
    if task not in fits:
        raise FacebenchError(f"the {protocol} protocol has no head for {task}; it knows {', '.join(fits)}")
    return fits[task](setting)


class Probe(Protocol):
    """A fitted head of one task."""

    @property
    def chosen(self) -> Mapping[str, str]:
        """What val chose, for the record."""
        ...

    def predict(self, shard: Shard) -> Iterator[Callable[[], Prediction]]:
        """For each sample of `shard` what makes its prediction, in the frame of its stored picture.

        Making one may raise `DataError`: that sample fails alone.
        """
        ...


class Floor(Protocol):
    """What a task predicts without looking: zero skill."""

    @property
    def title(self) -> str:
        """Name of the row."""
        ...

    def predict(self, sample: Sample) -> Prediction:
        """The prediction for `sample`, in the frame of its stored picture. Raises `DataError`."""
        ...


class HeadProtocol(Protocol):
    """How much of a backbone may learn, and by which heads: a module of `facebench.protocols`."""

    @property
    def NAME(self) -> str:  # noqa: N802  (a constant of the module)
        """Name and version, as the signature holds it."""
        ...

    @property
    def READS(self) -> Literal["features", "crops"]:  # noqa: N802  (a constant of the module)
        """What its heads look at: features of the frozen backbone, or crops."""
        ...

    @property
    def TASKS(self) -> tuple[str, ...]:  # noqa: N802
        """Tasks that it has a head for."""
        ...

    def fit(self, setting: Setting) -> Probe:
        """The head of the task, fitted and chosen. Raises `DataError` and `FacebenchError`."""
        ...

    def fit_floor(
        self,
        dataset: Dataset,
        train: Sequence[Sample],
        val: Sequence[Sample],
        framing: Framing,
        model: HeadModel | None = None,
    ) -> Floor:
        """The floor of the task of `dataset`: the mean of the training annotations, seen through `framing`."""
        ...
