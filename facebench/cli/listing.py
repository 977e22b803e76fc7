"""`facebench list` and `facebench describe`: what there is, and what each thing is."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facebench.cli.options import Json, Plugins, registry
from facebench.errors import UsageError, unknown_name
from facebench.registry import KINDS, Entry, Registry

if TYPE_CHECKING:
    from facebench.types import Dataset


class Kind(StrEnum):
    """What can be listed."""

    BACKBONES = "backbones"
    BENCHMARKS = "benchmarks"
    DATASETS = "datasets"
    EVALUATORS = "evaluators"
    PROTOCOLS = "protocols"
    PLUGINS = "plugins"


PROTOCOLS = {
    "linear": "the backbone is frozen; linear heads are fitted on its features",
    "attentive": "the backbone is frozen; a small network reads its tokens: by attention, or a decoder (parsing)",
    "knn": "the backbone is frozen and nothing is trained: labels and shapes of the nearest training faces or tokens",
    "mapping": "the backbone is frozen; a small network maps its pooled features to a head (reconstruction)",
}
"""How much of a backbone may learn, by name."""


def list_things(
    kind: Annotated[Kind, typer.Argument(help="What to list.")], json: Json = False, plugin: Plugins = None
) -> None:
    """List backbones, benchmarks, datasets, evaluators, protocols or plug-ins."""
    rows = _rows(kind, registry(plugin))
    if json:
        from json import dumps

        print(dumps(rows, indent=2))
        return
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        print(f"{row['name']:<{width}}  {row['summary']}")


def _rows(kind: Kind, things: Registry) -> list[dict[str, str]]:
    if kind is Kind.PROTOCOLS:
        return [{"name": name, "summary": text, "origin": "facebench"} for name, text in PROTOCOLS.items()]
    if kind is Kind.PLUGINS:
        return [
            {"name": e.name, "summary": f"{e.kind} from {e.origin}: {_state(e)}", "origin": e.origin}
            for name in KINDS
            for e in things.entries(name)
            if e.origin != "facebench"
        ]
    table = "datasets" if kind is Kind.BENCHMARKS else kind.value
    return [
        {"name": e.name, "summary": _summary(e, benchmark=kind is Kind.BENCHMARKS), "origin": e.origin}
        for e in things.entries(table)
    ]


def _state(entry: Entry) -> str:
    try:
        entry.load()
    except UsageError as cause:
        return str(cause)
    return "loads"


def _summary(entry: Entry, *, benchmark: bool) -> str:
    if benchmark:
        return f"{entry.fact('task')}: {', '.join(entry.fact('headline'))}"
    if entry.kind == "datasets":
        return f"{entry.fact('title')}; {entry.fact('licence')}"
    grammar = f"{entry.fact('grammar')}: " if entry.kind == "backbones" else ""
    return f"{grammar}{entry.fact('summary')}"


def describe(
    name: Annotated[str, typer.Argument(help="Name of anything that `facebench list` shows.")],
    json: Json = False,
    plugin: Plugins = None,
) -> None:
    """Say what a dataset, backbone source, evaluator or protocol is."""
    things = registry(plugin)
    found = _find(name, things)
    if json:
        from json import dumps

        print(dumps(found, indent=2))
        return
    width = max(map(len, found))
    for key, value in found.items():
        lines = value if isinstance(value, list) else [value]
        for i, line in enumerate(lines):
            print(f"{key if i == 0 else '':<{width}}  {line}")


def _find(name: str, things: Registry) -> dict[str, Any]:
    known: list[str] = list(PROTOCOLS)
    if name in PROTOCOLS:
        return {"name": name, "kind": "protocol", "summary": PROTOCOLS[name]}
    for kind in KINDS:
        for entry in things.entries(kind):
            known.append(entry.name)
            if entry.name == name:
                return _describe(kind.removesuffix("s"), entry.load(), entry.origin)
    raise unknown_name("name", name, known)


def _describe(kind: str, thing: Any, origin: str) -> dict[str, Any]:
    if kind == "dataset":
        return _describe_dataset(thing, origin)
    grammar = {"spelt": thing.grammar} if hasattr(thing, "grammar") else {}
    return {"name": thing.name, "kind": kind, "origin": origin, **grammar, "summary": thing.summary}


def _describe_dataset(thing: Dataset, origin: str) -> dict[str, Any]:
    return {
        "name": thing.name,
        "kind": "dataset and benchmark",
        "origin": origin,
        "title": thing.title,
        "task": thing.task,
        "headline": list(thing.headline),
        "splits": [f"{split}: {_size(size)}" for split, size in thing.sizes.items()],
        "subsets": [f"{subset}: {_size(size)}" for subset, size in thing.subset_sizes.items()] or ["none"],
        "scheme": thing.scheme.name if thing.scheme else "mesh",
        "normalisers": _joined(thing.normalisers),
        "thresholds": _joined(f"{name} {', '.join(f'{t:g} %' for t in ts)}" for name, ts in thing.thresholds.items()),
        "box": f"{thing.box} x {thing.box_scale:g}",
        "layout": [f"{thing.folder}/", *(f"  {line}" for line in thing.layout)],
        "licence": thing.licence,
        "citation": thing.citation,
    }


def _size(size: int | None) -> str:
    return "no official size" if size is None else str(size)


def _joined(words: Any) -> str:
    return ", ".join(words) or "none"
