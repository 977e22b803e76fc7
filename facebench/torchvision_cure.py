"""The cure for a torchvision that was built for another torch; the only place that knows of it.

PyPI's Linux wheel of torchvision is built for CUDA. Beside a CPU-only torch its compiled library `_C` cannot be loaded,
so nobody declares the operator `torchvision::nms`, and `import torchvision` (which timm does) ends in
`RuntimeError: operator torchvision::nms does not exist`. Two declarations without any code behind them are enough for
torchvision, its transforms and timm to import; the real `nms` and `torchvision.io` stay unusable, and nothing here
uses them.

A healthy install must not feel this. Declaring an operator that the real library declares later aborts the process
(SIGABRT, not an exception), so the library is looked for by path, without importing torchvision, and loaded first:
where that works, torchvision finds it loaded and nothing is declared. Only Linux has the mixed wheels.

The other way out is an install without the trap: `constraints-cpu.txt`, or a CPU index for both packages.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from typing import Any, Literal, TypeAlias

State: TypeAlias = Literal["untouched", "healthy", "declared"]

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
"""What torchvision 0.28 asks for while it is imported (`torchvision/_meta_registrations.py`)."""

_fragment: list[Any] = []  # a library fragment undeclares its operators when it is collected


def ensure_torchvision_imports() -> State:
    """Make `import torchvision` and `import timm` work; call it before either.

    Returns:
        `untouched`: no torchvision, already imported, another system or nothing compiled in it; `healthy`: its library
        loads and was loaded; `declared`: its library does not load, and the two operators are declared here.
    """
    if sys.platform != "linux" or "torchvision" in sys.modules:
        return "untouched"
    if _fragment:
        return "declared"
    library = _compiled_library()
    if library is None:
        return "untouched"
    return _load_or_declare(library)


def _compiled_library() -> Path | None:
    """Path of torchvision's `_C`, found as torchvision finds it but without importing the package."""
    package = importlib.util.find_spec("torchvision")
    if package is None or not package.submodule_search_locations:
        return None
    loader = (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES)
    for folder in package.submodule_search_locations:
        found = importlib.machinery.FileFinder(folder, loader).find_spec("_C")
        if found is not None and found.origin is not None:
            return Path(found.origin)
    return None


def _load_or_declare(library: Path) -> State:
    import torch

    try:
        torch.ops.load_library(library)  # type: ignore[no-untyped-call]
    except OSError:
        fragment = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for schema in SCHEMAS:
            fragment.define(schema)  # type: ignore[no-untyped-call]
        _fragment.append(fragment)
        return "declared"
    return "healthy"
