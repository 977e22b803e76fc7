"""Where names become things: the package's own files, installed plug-ins, and `--plugin FILE`.

Each built-in dataset, backbone source and evaluator is one file that holds one object under a fixed name:
`DATASET`, `BACKBONE` or `EVALUATOR`. The file is the registration. A third party offers the same object through an
entry point of the group `facebench.datasets`, `facebench.backbones` or `facebench.evaluators`, or in a file named with
`--plugin`. A name that two sources claim, or a plug-in that does not import, is an error that says why.

Listing is light: the words that a built-in file gives its object (`name="300w", title=...`) are read from its source,
so that `facebench list` answers without numpy; the file is imported when its thing is used.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from facebench.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

KINDS: Mapping[str, str] = {"datasets": "DATASET", "backbones": "BACKBONE", "evaluators": "EVALUATOR"}
"""Kind (package and entry-point group) to the attribute that holds the object."""


@dataclass(frozen=True)
class Entry:
    """One name, where it comes from, and how to get the thing.

    Attributes:
        facts: what a built-in file's source says of its thing in so many words (`title`, `summary`); empty for a
            plug-in, which has to be loaded to be asked.
    """

    kind: str
    name: str
    origin: str
    load: Callable[[], Any]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def fact(self, name: str) -> Any:
        """One fact of the thing; a plug-in is loaded for it. Raises `UsageError` where it does not load."""
        return self.facts[name] if name in self.facts else getattr(self.load(), name)


@dataclass(frozen=True)
class Registry:
    """Everything that can be named; read-only once it is made.

    Attributes:
        plugins: Python files whose `DATASET`, `BACKBONE` and `EVALUATOR` join the built-in ones.
    """

    plugins: tuple[Path, ...] = ()

    def entries(self, kind: str) -> tuple[Entry, ...]:
        """Every entry of `kind`, by name. Raises `UsageError` where two sources claim one name."""
        return tuple(self._table(kind).values())

    def get(self, kind: str, name: str) -> Any:
        """The thing called `name`. Raises `UsageError`: unknown (near names offered) or a plug-in that broke."""
        table = self._table(kind)
        if name not in table:
            raise unknown_name(kind.removesuffix("s"), name, table)
        return table[name].load()

    def _table(self, kind: str) -> Mapping[str, Entry]:
        if kind not in self._tables:
            self._tables[kind] = _unique(self._all(kind))
        return self._tables[kind]

    @cached_property
    def _tables(self) -> dict[str, Mapping[str, Entry]]:
        return {}

    def _all(self, kind: str) -> Iterator[Entry]:
        from importlib.metadata import entry_points

        yield from _built_in(kind)
        for point in entry_points(group=f"facebench.{kind}"):
            yield Entry(kind, point.name, _distribution(point), partial(_load_entry_point, point))
        for module, path in self._plugin_modules:
            thing = getattr(module, KINDS[kind], None)
            if thing is not None:
                yield Entry(kind, _name(thing, KINDS[kind], path), str(path), partial(_itself, thing))

    @cached_property
    def _plugin_modules(self) -> Sequence[tuple[ModuleType, Path]]:
        return [(_import_file(path), path) for path in self.plugins]


def _built_in(kind: str) -> Iterator[Entry]:
    for path in sorted((Path(__file__).parent / kind).glob("*.py")):
        facts = declared(path, KINDS[kind])
        if facts is not None:
            load = partial(_import_thing, f"facebench.{kind}.{path.stem}", KINDS[kind])
            yield Entry(kind, facts["name"] if "name" in facts else load().name, "facebench", load, facts)


def declared(path: Path, attribute: str) -> Mapping[str, Any] | None:
    """Literal keywords of `ATTRIBUTE = Something(name="...", ...)` in the source of `path`; None without one."""
    source = path.read_text(encoding="utf-8")
    if f"\n{attribute} = " not in source:
        return None
    for node in ast.parse(source[source.index(f"\n{attribute} = ") :]).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            words = ((k.arg, _literal(k.value)) for k in node.value.keywords if k.arg is not None)
            return {name: value for name, value in words if value is not None}
    return None


def _literal(node: ast.expr) -> Any:
    """Value of a literal; None for anything that would have to be run."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _import_thing(module: str, attribute: str) -> Any:
    return getattr(importlib.import_module(module), attribute)


def _unique(entries: Iterator[Entry]) -> Mapping[str, Entry]:
    table: dict[str, Entry] = {}
    for entry in entries:
        if entry.name in table:
            first = table[entry.name].origin
            raise UsageError(f"two {entry.kind} are called {entry.name!r}: one from {first}, one from {entry.origin}")
        table[entry.name] = entry
    return dict(sorted(table.items()))


def _itself(thing: Any) -> Any:
    return thing


def _name(thing: Any, attribute: str, path: Path) -> str:
    name = getattr(thing, "name", None)
    if not isinstance(name, str):
        raise UsageError(f"plug-in file {path}: its {attribute} is a {type(thing).__name__} without a name")
    return name


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value


def _load_entry_point(point: EntryPoint) -> Any:
    try:
        return point.load()
    except Exception as cause:
        raise UsageError(f"plug-in {point.name!r} ({point.value}) does not load: {cause!r}") from cause


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"plug-in file {path} does not exist")
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()
    spec = importlib.util.spec_from_file_location(f"facebench_plugin_{digest[:12]}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"plug-in file {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up while they are made
    try:
        spec.loader.exec_module(module)
    except Exception as cause:
        del sys.modules[spec.name]
        raise UsageError(f"plug-in file {path} does not import: {cause!r}") from cause
    if not any(hasattr(module, attribute) for attribute in KINDS.values()):
        raise UsageError(f"plug-in file {path} holds none of {', '.join(KINDS.values())}; see docs/plugins")
    return module
