"""A configuration from a YAML file and `section.field=value` words, and the run folder that remembers it.

A bare name is a file of `pretrain/configs`; anything with a suffix or a slash is a path. Values are read as YAML:
`optim.betas=[0.9, 0.95]`, `optim.steps=null`. What is not a field is refused with the nearest name.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from facebench.errors import DataError, UsageError, unknown_name
from facebench.record import write_text
from pretrain.config import PretrainConfig

CONFIGS = Path(__file__).parent / "configs"
CONFIG_FILE = "config.yaml"
"""Name of the resolved configuration in a run folder."""


def read_config(name: str, overrides: Sequence[str] = ()) -> PretrainConfig:
    """The configuration that `name` (a shipped one, or a path) and `overrides` make. Raises `UsageError`."""
    path = find_config(name)
    tree = _read_yaml(path)
    _check_names(tree, str(path))
    for word in overrides:
        _override(tree, word)
    try:
        return PretrainConfig.model_validate(tree)
    except ValidationError as cause:
        raise UsageError(f"{path}{' and its overrides' if overrides else ''}: {_first_problem(cause)}") from cause


def find_config(name: str) -> Path:
    """The file that `name` means. Raises `UsageError`, with the nearest shipped name."""
    path = Path(name).expanduser()
    if "/" in name or path.suffix:
        if not path.is_file():
            raise UsageError(f"configuration {name} does not exist")
        return path
    shipped = {file.stem: file for file in CONFIGS.glob("*.yaml")}
    if name not in shipped:
        raise unknown_name("configuration", name, shipped)
    return shipped[name]


def as_yaml(config: PretrainConfig) -> str:
    """`config` whole, every default written out."""
    text: str = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, default_flow_style=None, width=100)
    return text


def keep_config(config: PretrainConfig, folder: Path, *, begun: bool) -> None:
    """Write `config` into its run folder, or make sure that it is the one that lies there.

    Args:
        config: of the run.
        folder: of the run.
        begun: whether anything was trained there; a run that failed before that leaves the folder to the next.

    Raises:
        UsageError: the folder belongs to a run with other choices; the first few are named.
    """
    file = folder / CONFIG_FILE
    if not begun or not file.exists():
        write_text(file, as_yaml(config))
        return
    before = read_config(str(file))
    if before.digest != config.digest:
        raise UsageError(
            f"{folder} holds a run with other settings: {differences(before, config)}; "
            "give the same ones, or name another folder with run.output=DIR"
        )


def differences(before: PretrainConfig, now: PretrainConfig) -> str:
    """The fields that two configurations do not share: `optim.batch was 64, is 128`."""
    old, new = before.choices, now.choices
    counted = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    shown = [f"{name} was {_said(old.get(name))}, is {_said(new.get(name))}" for name in counted[:4]]
    more = f" and {len(counted) - 4} more" if len(counted) > 4 else ""
    return "; ".join(shown) + more


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), Loader=_Strict)  # noqa: S506 (a SafeLoader)
    except OSError as cause:
        raise DataError(f"cannot read {path}: {cause.strerror or cause}") from cause
    except (yaml.YAMLError, UnicodeDecodeError) as cause:
        raise UsageError(f"{path} is no YAML: {' '.join(str(cause).split())}") from cause
    if not isinstance(tree or {}, dict):
        raise UsageError(f"{path} holds a {type(tree).__name__}, wanted sections with fields")
    return tree or {}


class _Strict(yaml.SafeLoader):
    """YAML that refuses a key given twice, where PyYAML takes the last without a word."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        made = super().construct_mapping(node, deep=deep)
        if len(made) < len(node.value):
            names = [key.value for key, _ in node.value]
            twice = next(name for name in names if names.count(name) > 1)
            raise yaml.YAMLError(f"{twice} is given twice in line {node.start_mark.line + 1} ff.")
        return made


def _override(tree: dict[str, Any], word: str) -> None:
    """Put `section.field=value` into `tree`."""
    name, equals, text = word.partition("=")
    if not equals or not name:
        raise UsageError(f"{word!r} is no setting; write section.field=value, such as optim.batch=64")
    try:
        value = yaml.load(text, Loader=_Strict)  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as cause:
        raise UsageError(f"{word!r}: the value is no YAML: {' '.join(str(cause).split())}") from cause
    *path, last = name.split(".")
    nested: dict[str, Any] = {last: value}
    for part in reversed(path):
        nested = {part: nested}
    _check_names(nested, "the command line")
    inner = tree
    for part in path:
        if not isinstance(inner.setdefault(part, {}), dict):
            inner[part] = {}
        inner = inner[part]
    inner[last] = value


def _check_names(tree: Mapping[str, Any], where: str) -> None:
    """Raise `UsageError` for the first name in `tree` that is not a field."""
    known = dict(_fields(PretrainConfig))
    for name, value in _named(tree):
        if name in known:
            if known[name] and not isinstance(value, dict):
                raise UsageError(f"{name} in {where} is a section; write {name}.FIELD=value, or fields below it")
            continue
        section = name.rpartition(".")[0]
        if section in known and not known[section]:
            continue  # inside a field that is a mapping: pydantic knows its keys
        raise unknown_name(f"setting in {where}:", name, _candidates(name, section, known))


def _candidates(name: str, section: str, known: Mapping[str, bool]) -> Iterable[str]:
    """Among which names the one that was meant is looked for: of the same last word, beside it, then all."""
    beside = [other for other in known if other.rpartition(".")[0] == section]
    same = [other for other in known if other.rpartition(".")[2] == name.rpartition(".")[2]]
    for names in (same, beside, known):
        if difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5):
            return names
    return beside or [other for other in known if "." not in other]


def _fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, bool]]:
    """Dotted name of every field, and whether it is a section."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        section = isinstance(kind, type) and get_origin(kind) is None and issubclass(kind, BaseModel)
        yield prefix + name, section
        if section:
            assert isinstance(kind, type)
            yield from _fields(kind, f"{prefix}{name}.")


def _named(tree: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted name and value of everything in `tree`, outer before inner."""
    for key, value in tree.items():
        yield f"{prefix}{key}", value
        if isinstance(value, Mapping):
            yield from _named(value, f"{prefix}{key}.")


def _said(value: Any) -> str:
    return "none" if value is None else str(value)


def _first_problem(cause: ValidationError) -> str:
    problem = cause.errors()[0]
    name = ".".join(map(str, problem["loc"]))
    message = problem["msg"].removeprefix("Value error, ")
    found = "" if isinstance(problem["input"], dict | BaseModel) else f", found {problem['input']!r}"
    return f"{name + ': ' if name else ''}{message}{found}"
