"""Why may a score have moved: what two records say differently of how they were made.

In the order in which a reader would suspect: the weights, how pictures are prepared, the head, the data, the software.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from facebench.record import Result

UNSAID = "–"
"""What stands for a field that a record does not have."""

GROUPS = ("weights", "configuration", "predictions", "preprocessing", "head", "data", "software", "machine")

_PREPROCESSING = ("input_size", "own_input_size", "mean", "std", "layers", "maps", "pooling", "box", "crop")


@dataclass(frozen=True)
class Cause:
    """One field in which the records differ.

    Attributes:
        group: one of `GROUPS`.
        field: its name.
        base: what the base says.
        candidate: what the candidate says.
    """

    group: str
    field: str
    base: str
    candidate: str


def causes(base: Result, candidate: Result) -> tuple[Cause, ...]:
    """Every field in which the two differ, the likeliest cause first."""
    one, two = dict(_fields(base)), dict(_fields(candidate))
    found = [
        Cause(*name, _text(one.get(name)), _text(two.get(name)))
        for name in {**one, **two}
        if one.get(name) != two.get(name)
    ]
    return tuple(sorted(found, key=lambda cause: GROUPS.index(cause.group)))


def _fields(result: Result) -> Iterator[tuple[tuple[str, str], Any]]:
    """((group, field), value) of everything that may move a number."""
    if result.backbone is not None:
        backbone = result.backbone
        yield ("weights", "sha256"), backbone.sha256 and backbone.sha256[:12]
        yield ("weights", "from"), backbone.weights
        yield ("weights", "parameters"), backbone.parameters
        yield ("preprocessing", "input_size"), backbone.input_size
        for name, value in backbone.details.items():
            yield ("preprocessing" if name in _PREPROCESSING else "configuration", name), value
    if result.predictions is not None:
        yield ("predictions", "sha256"), result.predictions.sha256[:12]
    yield ("head", "protocol"), result.protocol
    yield ("head", "seeds"), list(result.seeds)
    for name, value in _flat(result.settings):
        outer = name.partition(".")[0]
        machine = outer in ("device", "batch", "features")
        yield ("machine" if machine else "preprocessing" if outer in _PREPROCESSING else "head", name), value
    yield ("data", "revision"), result.dataset.revision[:12]
    yield ("data", "scored"), result.counts.scored
    yield ("head", "evaluator"), f"{result.evaluator}.v{result.evaluator_version}"
    for name, value in _flat(result.environment):
        software = name in ("facebench", "commit", "python") or name.startswith("packages.")
        yield ("software" if software else "machine", name.removeprefix("packages.")), value


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _text(value: Any) -> str:
    return UNSAID if value is None else ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
