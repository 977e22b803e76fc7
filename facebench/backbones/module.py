"""A backbone from the user's own code: `module:pkg.mod:factory` or `module:path/file.py:factory`.

The factory takes no argument and returns one of:

    a facebench Backbone                       used as it is (its `record` says who it is)
    a torch module with `forward_intermediates`    read as a timm model is
    a torch module whose output is a map (N, D, h, w), or a list of maps from shallow to deep

A torch module must say what it wants to see: `mean`, `std` and `input_size` as attributes, or timm's `pretrained_cfg`.
A module that normalises by itself says mean (0, 0, 0) and std (1, 1, 1).

Opening such a backbone **runs that code**, as importing it would. It happens here and nowhere else: a record that holds
such a spec is only text to whoever reads it.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from facebench.backbones.encoder import POOLING, Encoder, check_maps, probe
from facebench.backbones.intermediates import as_backbone
from facebench.backbones.weights import digest
from facebench.errors import FacebenchError, UsageError
from facebench.record import BackboneRecord
from facebench.torchvision_cure import ensure_torchvision_imports
from facebench.types import Backbone, BackboneSource

if TYPE_CHECKING:
    from torch import nn

WANTS = ("input_size", "mean", "std")


def open_module(rest: str, input_size: int | None) -> Backbone:
    """Backbone that the user's factory makes. Raises `UsageError` (spelling, size), `FacebenchError` (its code)."""
    where, colon, factory = rest.rpartition(":")
    if not (where and colon and factory.isidentifier()):
        raise UsageError(f"module:{rest} names no factory; write {BACKBONE.grammar}")
    spec = f"module:{rest}"
    ensure_torchvision_imports()  # the user's code may import timm before anything of ours does
    made = _call(_import(where, spec), factory, spec)
    if isinstance(made, Backbone):
        if input_size not in (None, made.input_size):
            raise UsageError(f"{spec} takes an input of {made.input_size} pixels, not of {input_size}")
        return made
    import torch

    if not isinstance(made, torch.nn.Module):
        raise FacebenchError(f"{spec} made a {type(made).__name__}; wanted a facebench Backbone or a torch module")
    return _wrap(made, spec=spec, name=factory, input_size=input_size)


def _import(where: str, spec: str) -> ModuleType:
    """The module at an import path or in a file; its code runs."""
    try:
        return _import_file(Path(where).expanduser(), spec) if where.endswith(".py") else importlib.import_module(where)
    except FacebenchError:
        raise
    except ModuleNotFoundError as cause:
        raise UsageError(f"{spec}: {cause}; a file is named with its path: module:path/file.py:factory") from cause
    except Exception as cause:  # the user's own code
        raise FacebenchError(f"{spec} does not import: {_one_line(cause)}") from cause


def _import_file(path: Path, spec: str) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"{spec}: file {path} does not exist")
    name = f"facebench_module_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise UsageError(f"{spec}: {path} is not a Python file")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module  # dataclasses look their module up while they are made
    try:
        found.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _call(module: ModuleType, factory: str, spec: str) -> Any:
    if not callable(getattr(module, factory, None)):
        raise UsageError(f"{spec}: {module.__name__} has no function {factory!r}")
    try:
        return getattr(module, factory)()
    except Exception as cause:  # the user's own code
        raise FacebenchError(f"{spec}: {factory}() failed: {_one_line(cause)}") from cause


def _wrap(module: nn.Module, *, spec: str, name: str, input_size: int | None) -> Encoder:
    """A torch module as a backbone."""
    own_size, mean, std = _wants(module, spec)
    module.eval()
    if hasattr(module, "forward_intermediates"):
        return as_backbone(
            module, spec=spec, name=name, weights="module", input_size=input_size, own_size=own_size, mean=mean, std=std
        )
    size = own_size if input_size is None else input_size
    made, gmacs = probe(module, module, size, spec)
    shapes = [list(m.shape[1:]) for m in check_maps(made, spec)]
    details = {"mean": list(mean), "std": list(std), "maps": shapes, "pooling": POOLING, "own_input_size": own_size}
    record = BackboneRecord(
        spec=spec,
        name=name,
        weights="module",
        sha256=digest(module.state_dict()),
        parameters=sum(p.numel() for p in module.parameters()),
        input_size=size,
        gmacs=gmacs,
        details=details | {"layers": [f"output {i}" for i in range(len(shapes))]},
    )
    return Encoder(
        record=record,
        input_size=size,
        module=module,
        maps=lambda x: check_maps(module(x), spec),
        mean=mean,
        std=std,
    )


def _wants(module: nn.Module, spec: str) -> tuple[int, tuple[float, ...], tuple[float, ...]]:
    """Input size, mean and std that the module asks for."""
    config = getattr(module, "pretrained_cfg", None)
    said = {name: getattr(module, name) for name in WANTS if hasattr(module, name)}
    wanted = (dict(config) if isinstance(config, Mapping) else {}) | said
    missing = [name for name in WANTS if wanted.get(name) is None]
    if missing:
        raise FacebenchError(
            f"{spec}: the torch module does not say its {', '.join(missing)}; set them as attributes "
            "(mean (0, 0, 0) and std (1, 1, 1) where it normalises by itself)"
        )
    try:
        size = wanted["input_size"]
        side = int(size[-1] if isinstance(size, tuple | list) else size)
        mean, std = (tuple(float(v) for v in wanted[name]) for name in ("mean", "std"))
    except (TypeError, ValueError) as cause:
        raise FacebenchError(f"{spec}: input_size, mean or std of the torch module is no number: {cause}") from cause
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0 or side < 1:
        raise FacebenchError(
            f"{spec}: wanted three means, three positive stds and an input size; got {mean}, {std}, {side}"
        )
    return side, mean, std


def _one_line(cause: BaseException) -> str:
    return " ".join(repr(cause).split())[:300]


BACKBONE = BackboneSource(
    name="module",
    grammar="module:pkg.mod:factory or module:path/file.py:factory",
    summary="your own code: factory() makes a Backbone or a torch module (opening it runs that code)",
    open=open_module,
)
