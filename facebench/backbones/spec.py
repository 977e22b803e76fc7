"""The backbone grammar: `source[:rest]`, and nothing else.

    timm:vit_base_patch16_224              timm's pre-trained weights, or a clear failure
    timm:vit_base_patch16_224@random:0     random weights, on purpose
    timm:vit_base_patch16_224@weights.safetensors
    pixels                                 no network
    keys:farl@checkpoint.pth               a published checkpoint, by its key map
    paco-fr:checkpoint.safetensors
    module:pkg.mod:factory

The source is a name of the registry, so a plug-in adds one; what stands after the first colon is the source's own. A
name or a path without its source is refused, with the spellings that say what was meant.
"""

from __future__ import annotations

import difflib
from typing import Any

from facebench.errors import UsageError, unknown_name
from facebench.registry import Registry
from facebench.types import Backbone, BackboneSource


def open_backbone(spec: str, registry: Registry, input_size: int | None = None) -> Backbone:
    """The backbone that `spec` names.

    Args:
        spec: as the user spelt it: `source[:rest]`.
        registry: where sources are looked up.
        input_size: the wanted side of the square input in pixels; None for the backbone's own.

    Raises:
        UsageError: no such source, name or file, or an input size that does not suit.
        FacebenchError: weights that cannot be had or do not fit.
    """
    if input_size is not None and input_size < 1:
        raise UsageError(f"input size {input_size} is not a number of pixels")
    name, colon, rest = spec.partition(":")
    known = [entry.name for entry in registry.entries("backbones")]
    if name not in known:
        raise _not_a_source(spec, known)
    source: Any = registry.get("backbones", name)
    if not isinstance(source, BackboneSource):
        raise UsageError(f"backbone source {name!r} is a {type(source).__name__}, not a facebench.types.BackboneSource")
    if colon and not rest:
        raise UsageError(f"backbone {spec!r} says nothing after its colon; write {source.grammar}")
    return source.open(rest, input_size)


def _not_a_source(spec: str, known: list[str]) -> UsageError:
    name, colon, _ = spec.partition(":")
    if colon or difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.7):
        return unknown_name("backbone source", name, known)
    if "/" in spec or spec.endswith((".safetensors", ".pth", ".pt", ".bin")):
        return UsageError(
            f"backbone {spec!r} has no source; write paco-fr:{spec}, timm:NAME@{spec} with its timm name, "
            f"or keys:FAMILY@{spec} for a published checkpoint"
        )
    return UsageError(
        f"backbone {spec!r} has no source; write timm:{spec} (timm's pre-trained weights) "
        f"or timm:{spec}@random:0 (random weights)"
    )
