"""A study as its YAML file says it: which arms are trained, how long, and on what they are judged.

    seconds       compute of one training, in processor seconds of the machine that `rates` were measured on
    rates         pictures a second of each kind of arm there (`benchmarks/pretrain_step.py`); they fix the steps
    settings      of every training, `section.field` to value
    arms          name to {rate, settings, pictures}: `pictures: NAME` gives an arm as many steps as arm NAME has
    seeds, benchmarks, protocols, split

An arm has `seconds * rate / batch` steps, so equal seconds are equal compute; an arm with `pictures` is shown as many
pictures as another one instead. The steps are fixed before anything is trained; the processor seconds that a training
really took are recorded beside its scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
        name: of the row.
        rate: which of the study's rates its steps follow from; None for an arm that is not trained.
        settings: beside those of the study.
        pictures: the arm whose number of steps it takes.
    """

    name: str
    rate: str | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    pictures: str | None = None


@dataclass(frozen=True)
class Study:
    """All that a study fixes before it is run; the fields are the module's table."""

    name: str
    seconds: float
    rates: Mapping[str, float]
    settings: Mapping[str, Any]
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    benchmarks: tuple[str, ...]
    protocols: tuple[str, ...]

    def steps(self, arm: Arm) -> int:
        """How many steps `arm` is trained."""
        if arm.pictures is not None:
            arm = next(other for other in self.arms if other.name == arm.pictures)
        return 0 if arm.rate is None else round(self.seconds * self.rates[arm.rate] / self.settings["optim.batch"])

    def words(self, arm: Arm, seed: int) -> list[str]:
        """`section.field=value` of one training, but for where it writes."""
        chosen = {**self.settings, **arm.settings, "optim.steps": self.steps(arm), "run.seed": seed}
        return [f"{name}={_yaml(value)}" for name, value in chosen.items()]


def _yaml(value: Any) -> str:
    """`value` as one line of YAML."""
    text: str = yaml.safe_dump(value, default_flow_style=True)
    return text.splitlines()[0]


def read_study(name: str) -> Study:
    """The study of `<name>.yaml` in this folder, on top of `base.yaml`."""
    tree = yaml.safe_load((FOLDER / "base.yaml").read_text()) | yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    arms = tuple(
        Arm(arm, body.get("rate"), body.get("settings", {}), body.get("pictures")) for arm, body in tree["arms"].items()
    )
    return Study(
        name=name,
        seconds=tree["seconds"],
        rates=tree["rates"],
        settings=tree["settings"],
        arms=arms,
        seeds=tuple(tree["seeds"]),
        benchmarks=tuple(tree["benchmarks"]),
        protocols=tuple(tree["protocols"]),
    )
