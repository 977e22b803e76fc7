"""The official on-disk layouts that the made world is written in; one file a layout, found by its `LAYOUT`.

Naming them imports none of them, so that the command line can list them without numba or cv2.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from facebench.errors import unknown_name

if TYPE_CHECKING:
    from facebench.synth.layouts.layout import Layout

MODULES: Mapping[str, str] = {
    "wflw": "wflw",
    "300w": "w300",
    "aflw19": "aflw19",
    "cofw": "cofw",
    "lapa": "lapa",
    "celebamask-hq": "celebamask_hq",
    "now": "now",
}
"""Benchmark to the module of its layout."""

FACES = "faces"
"""The unlabelled faces for pre-training, which are no benchmark."""


def find_layout(name: str) -> Layout:
    """The layout called `name`. Raises `UsageError` with the nearest known names."""
    if name not in (*MODULES, FACES):
        raise unknown_name("layout", name, (*MODULES, FACES))
    module = import_module(f"{__name__}.{MODULES.get(name, name)}")
    layout: Layout = module.LAYOUT
    return layout
