"""A golden case: what an official code was fed, what it gave, and how both are read from a file.

Format: `{meta, shared_inputs, cases: [{id, inputs, params, expected, atol, source, ...}]}`. `{"$ref": name}` stands for
`shared_inputs[name]`, which may itself refer to others, `{"__float__": "nan"}` for a number JSON cannot hold; null
among expected numbers is NaN too. `atol` is absolute; null means that the values only inform.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Case:
    """One case, with every reference resolved.

    Attributes:
        id: dotted name; its first part is the family.
        inputs: what the official code was fed.
        params: its settings.
        expected: what it gave, by name.
        atol: absolute tolerance; None where the values only inform.
        symbol: repository and function that were run.
        shared: inputs that other inputs may name in an expression.
    """

    id: str
    inputs: Mapping[str, Any]
    params: Mapping[str, Any]
    expected: Mapping[str, Any]
    atol: float | None
    symbol: str
    shared: Mapping[str, Any]

    def array(self, *names: str) -> np.ndarray:
        """The first of `names` that the inputs hold, as float64."""
        for name in names:
            if name in self.inputs:
                return np.asarray(self.inputs[name], dtype=np.float64)
        raise KeyError(f"{self.id} has none of the inputs {names}; it has {sorted(self.inputs)}")


def read_cases(path: Path) -> tuple[Case, ...]:
    """Every case of a file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    raw = content.get("shared_inputs") or {}
    shared = {name: resolve(value, raw) for name, value in raw.items()}
    cases = tuple(_read(entry, shared) for entry in content["cases"])
    assert cases, f"{path} holds no case"
    ids = [case.id for case in cases]
    assert len(set(ids)) == len(ids), f"{path} names a case twice"
    return cases


def _read(entry: Mapping[str, Any], shared: Mapping[str, Any]) -> Case:
    source = entry.get("source") or {}
    symbol = " ".join(str(source.get(part, "")) for part in ("repo", "symbol")) if isinstance(source, dict) else source
    inputs, params = (resolve(entry.get(part) or {}, shared) for part in ("inputs", "params"))
    expected = resolve(entry["expected"], shared)
    named = expected if isinstance(expected, Mapping) else {"value": expected}
    return Case(entry["id"], inputs, params, named, entry["atol"], str(symbol), shared)


def resolve(value: Any, shared: Mapping[str, Any]) -> Any:
    """`value` with references and special floats put in. Raises `ValueError` for a reference of another form."""
    if isinstance(value, Mapping):
        if set(value) == {"$ref"}:
            return resolve(shared[value["$ref"]], shared)
        if set(value) == {"__float__"}:
            return float(value["__float__"])
        if {"$ref", "__float__"} & set(value):
            raise ValueError(f"a reference or special float has nothing beside it; found {sorted(value)}")
        return {key: resolve(part, shared) for key, part in value.items()}
    return [resolve(part, shared) for part in value] if isinstance(value, list) else value


def differences(expected: Any, found: Any, atol: float, path: str = "") -> Iterator[str]:
    """Every way in which `found` is not `expected`, one line each; more keys than expected are fine."""
    if isinstance(expected, Mapping):
        for key, part in expected.items():
            if not isinstance(found, Mapping) or key not in found:
                yield f"{path}{key}: expected, but not computed"
            else:
                yield from differences(part, found[key], atol, f"{path}{key}.")
    elif isinstance(expected, list) and any(isinstance(part, (Mapping, str)) for part in expected):
        if not isinstance(found, (list, tuple)) or len(found) != len(expected):
            yield f"{path[:-1]}: expected {len(expected)} entries, found {found!r}"
            return
        for k, pair in enumerate(zip(expected, found, strict=True)):
            yield from differences(*pair, atol, f"{path}{k}.")
    elif isinstance(expected, (str, bool)):
        if expected != found:
            yield f"{path[:-1]}: expected {expected!r}, found {found!r}"
    else:
        yield from _unequal_numbers(expected, found, atol, path[:-1])


def _unequal_numbers(expected: Any, found: Any, atol: float, path: str) -> Iterator[str]:
    try:
        wanted, got = (np.asarray(value, dtype=np.float64) for value in (expected, found))
    except (TypeError, ValueError):
        yield f"{path}: expected numbers, found {found!r}"
        return
    if wanted.shape != got.shape:
        yield f"{path}: expected shape {wanted.shape}, found {got.shape}"
        return
    off = np.where(np.isnan(wanted) & np.isnan(got) | (wanted == got), 0.0, np.abs(wanted - got))
    worst = float(np.max(np.where(np.isnan(off), math.inf, off), initial=0.0))
    if worst > atol:
        at = np.unravel_index(np.argmax(np.where(np.isnan(off), math.inf, off)), off.shape)
        where = f"[{', '.join(map(str, at))}]" if at else ""
        yield f"{path}{where}: expected {float(wanted[at])!r}, found {float(got[at])!r}; off by {worst:.3g} > {atol:g}"
