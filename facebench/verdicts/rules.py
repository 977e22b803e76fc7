"""The rules of a gate, from a TOML file: how much worse a candidate may be, score by score.

    allow_inconclusive = false                 # optional

    [default]                                  # the margin of every headline score that has no rule of its own
    relative = 0.02

    [score."wflw/test/all/nme-ioc"]            # a score by its key; slices too: wflw/test/yaw=profile/nme-ioc
    absolute = 0.10

    [score."now/val/all/median"]
    seed_noise = 2                             # times the standard deviation over the seeds of the baseline

A margin is one of `absolute` (the score's unit), `relative` (a share of the baseline's score) and `seed_noise`.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from facebench.errors import UsageError

Positive = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Margin(BaseModel):
    """How much worse is still good enough; exactly one of the three."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    absolute: Positive | None = None
    relative: Positive | None = None
    seed_noise: Positive | None = None

    @model_validator(mode="after")
    def _one(self) -> Margin:
        given = [name for name, value in self if value is not None]
        if len(given) != 1:
            raise ValueError(
                f"a margin is one of absolute, relative and seed_noise, found {', '.join(given) or 'none'}"
            )
        return self

    def __str__(self) -> str:
        """The margin as the rules say it."""
        name, value = next((name, value) for name, value in self if value is not None)
        return {"absolute": f"{value:g}", "relative": f"{value:.3g} of the baseline"}.get(
            name, f"{value:g} x seed noise"
        )


class Rules(BaseModel):
    """What the file says; the fields are the module's table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allow_inconclusive: bool = False
    default: Margin | None = None
    score: dict[str, Margin] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _some(self) -> Rules:
        if self.default is None and not self.score:
            raise ValueError("no margin is given: write [default] relative = 0.02, or a [score.KEY] each")
        return self


def read_rules(path: Path) -> Rules:
    """The rules in the file at `path`. Raises `UsageError` for what makes no sense, no margin included."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as cause:
        raise UsageError(f"cannot read the rules {path}: {cause.strerror or cause}") from cause
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as cause:
        raise UsageError(f"{path} is no TOML: {cause}") from cause
    try:
        return Rules.model_validate(tree)
    except ValidationError as cause:
        problem = cause.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise UsageError(
            f"{path}: {where + ': ' if where else ''}{problem['msg'].removeprefix('Value error, ')}"
        ) from cause
