"""Imports point one way.

    errors <- shapes, schemes <- metric, record, registry <- types <- geometry <- metrics <- evaluators <- run <- cli

The table is read from the source of every module, imports inside functions and for types included.
"""

from __future__ import annotations

import pytest

from tests.source_tree import Module, modules

MODULES = {module.name: module for module in modules()}
LEAVES = {"errors", "shapes", "schemes", "metric", "pooled", "record", "registry", "types"}

# What each part may import of the project, beside itself. A part that is not named here may import any but OUTER.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "shapes": set(),
    "schemes": {"errors"},
    "metric": {"errors", "shapes"},
    "pooled": {"shapes", "metric"},
    "record": {"errors"},
    "registry": {"errors"},
    "slices": {"errors"},
    "staging": {"errors"},
    "types": {"errors", "shapes", "schemes", "metric", "record", "slices"},
    "resample_kernel": {"shapes"},
    "resampling": {"shapes", "metric", "pooled", "resample_kernel"},
    "confidence": {"shapes"},
    "stats": {"shapes", "metric", "resampling", "confidence"},
    "paired": {"errors", "shapes", "metric", "resampling", "confidence", "stats"},
    "cells": LEAVES | {"sample_table"},
    "verdicts": LEAVES | {"cells", "sample_table", "stats", "paired"},
    "ranks": {"errors", "shapes", "metric", "resampling", "confidence", "stats"},
    "agreement": {"errors", "shapes", "metric", "confidence", "ranks"},
    "audit": {"errors", "shapes", "metric", "resampling"},
    "planning": {"errors", "shapes", "metric", "confidence", "stats", "paired"},
    "stored": {"errors", "shapes", "metric", "record", "registry", "sample_table"},
    "geometry": LEAVES,
    "metrics": LEAVES | {"geometry"},
    "datasets": LEAVES | {"geometry", "images"},
    "backbones": LEAVES | {"torchvision_cure"},
    "framing": LEAVES | {"geometry", "images"},
    "fan": LEAVES | {"framing"},
    "views": LEAVES | {"geometry", "images", "framing"},
    "latency": {"record"},
    "features": LEAVES | {"geometry", "images", "framing", "backbones", "batches", "feature_cache", "latency"},
    "heads": LEAVES | {"geometry"},
    "tuning": LEAVES | {"geometry", "images", "framing"},
    "protocols": LEAVES | {"geometry", "heads", "features", "framing", "tuning"},
    "evaluators": LEAVES | {"geometry", "metrics", "datasets", "backbones", "heads", "protocols"},
    "synth": LEAVES
    | {"geometry", "datasets", "images", "slices", "staging", "journal"},  # journal: where the cache lies
    "leaderboard": {"errors", "record", "registry", "stats", "ranks", "stored", "shapes", "agreement"},
    "pretrain": LEAVES | {"geometry", "images", "ordered", "staging", "torchvision_cure", "fan"},
}

# Who may import what stands at the end of every arrow.
OUTER: dict[str, set[str]] = {
    "cli": {"__main__"},
    "run": {"cli"},
    "leaderboard": {"cli"},
    "pretrain": {"cli"},
}


def part(name: str) -> str:
    """`facebench.metrics.auc` is of the part `metrics`; the other packages are one part each."""
    package, _, rest = name.partition(".")
    return rest.partition(".")[0] or package if package == "facebench" else package


def own_imports(module: Module) -> set[str]:
    """Modules of the project that `module` imports: `facebench.errors.DataError` is of `facebench.errors`."""
    homes = (name if name in MODULES else name.rpartition(".")[0] for name in module.imports)
    return {home for home in homes if home in MODULES and home != "facebench"}


@pytest.mark.parametrize("module", MODULES.values(), ids=lambda module: module.name)
def test_a_module_imports_only_what_lies_before_it(module):
    source = part(module.name)
    targets = {part(name) for name in own_imports(module)} - {source}
    allowed = MAY_IMPORT.get(source)
    if allowed is not None:
        assert targets <= allowed, f"{source} may not import {sorted(targets - allowed)}"
    for target in targets & OUTER.keys():
        assert source in OUTER[target], f"only {OUTER[target]} may import {target}"


def test_no_module_imports_itself_over_others():
    finished: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"a circle of imports: {' -> '.join((*trail[trail.index(name) :], name))}"
        if name not in finished:
            for target in sorted(own_imports(MODULES[name])):
                visit(target, (*trail, name))
            finished.add(name)

    for name in MODULES:
        visit(name, ())


def test_the_table_names_parts_that_exist():
    known = {part(name) for name in MODULES} | {"facebench"}
    assert set(MAY_IMPORT) <= known
    assert set().union(*MAY_IMPORT.values()) <= known


def test_the_reader_sees_imports_inside_functions_and_for_types():
    assert any(name.startswith("torch.") for name in MODULES["facebench.types"].imports)
    assert "leaderboard.table" in own_imports(MODULES["facebench.cli.tables"])
