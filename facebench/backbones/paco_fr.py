"""The encoder that PaCo-FR pre-training leaves behind; the only thing that passes from there to here.

A safetensors file. Its tensors carry timm's names of the encoder (without classifier, without prefix), all of them and
no others. Its metadata is the header, texts by name; lists and numbers are JSON:

    method          paco-fr-reconstruction
    arch            timm name of the encoder: vit_base_patch16_224
    img_size        side of the pictures in pre-training, pixels: 224
    mean, std       of each channel, for pictures in [0, 1]: [0.485, 0.456, 0.406]
    config_digest   sha256 of the resolved training configuration
    data_digest     sha256 of the list of training pictures
    norm            optional: how the pixel targets of pre-training were normalised, in words
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facebench.backbones.intermediates import as_backbone
from facebench.backbones.timm import build, check_name
from facebench.backbones.weights import load_exact, read_header, read_weights
from facebench.errors import FacebenchError, UsageError
from facebench.types import Backbone, BackboneSource

if TYPE_CHECKING:
    from torch import nn

METHOD = "paco-fr-reconstruction"
REQUIRED = ("method", "arch", "img_size", "mean", "std", "config_digest", "data_digest")


@dataclass(frozen=True)
class Header:
    """What a PaCo-FR file says of itself; the fields are the module's table."""

    arch: str
    img_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    config_digest: str
    data_digest: str
    norm: str | None


def open_paco_fr(rest: str, input_size: int | None) -> Backbone:
    """Backbone of a PaCo-FR file. Raises `UsageError` (no file, wrong size), `FacebenchError` (not such a file)."""
    if not rest:
        raise UsageError(f"'paco-fr' names no file; write {BACKBONE.grammar}")
    path = Path(rest).expanduser()
    header = parse_header(read_header(path), path)
    module = _encoder(header, path)
    load_exact(module, read_weights(path), str(path))
    return as_backbone(
        module,
        spec=f"paco-fr:{rest}",
        name=f"paco-fr {header.arch} ({path.name})",
        weights="file",
        input_size=input_size,
        own_size=header.img_size,
        mean=header.mean,
        std=header.std,
        details=_details(header),
    )


def parse_header(metadata: Mapping[str, str], path: Path) -> Header:
    """The header in a file's metadata. Raises `FacebenchError` saying what was found instead."""
    missing = [name for name in REQUIRED if name not in metadata]
    if missing:
        raise FacebenchError(
            f"{path} is no PaCo-FR encoder: its header lacks {', '.join(missing)} "
            f"(found: {', '.join(sorted(metadata)) or 'no header'}); weights of a plain timm model: timm:NAME@{path}"
        )
    if metadata["method"] != METHOD:
        raise FacebenchError(f"{path} is no PaCo-FR encoder: its method is {metadata['method']!r}, wanted {METHOD!r}")
    size = _json(metadata, "img_size", path)
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise FacebenchError(f"{path}: img_size in the header is {size!r}, wanted a number of pixels")
    mean, std = (_channels(metadata, name, path) for name in ("mean", "std"))
    if min(std) <= 0:
        raise FacebenchError(f"{path}: std in the header is {list(std)}, wanted positive numbers")
    return Header(
        arch=metadata["arch"],
        img_size=size,
        mean=mean,
        std=std,
        config_digest=metadata["config_digest"],
        data_digest=metadata["data_digest"],
        norm=metadata.get("norm"),
    )


def _json(metadata: Mapping[str, str], name: str, path: Path) -> Any:
    try:
        return json.loads(metadata[name])
    except ValueError as cause:
        raise FacebenchError(f"{path}: {name} in the header is {metadata[name]!r}, which is no JSON") from cause


def _channels(metadata: Mapping[str, str], name: str, path: Path) -> tuple[float, ...]:
    value = _json(metadata, name, path)
    numbers = isinstance(value, list) and all(isinstance(v, int | float) and math.isfinite(v) for v in value)
    if not numbers or len(value) != 3:
        raise FacebenchError(f"{path}: {name} in the header is {value!r}, wanted three finite numbers")
    return tuple(float(v) for v in value)


def _encoder(header: Header, path: Path) -> nn.Module:
    """The empty encoder that the header describes."""
    try:
        check_name(header.arch)
    except UsageError as cause:
        raise FacebenchError(f"{path}: arch in the header: {cause}") from cause
    try:
        return build(header.arch, input_size=header.img_size)
    except (TypeError, AssertionError, RuntimeError) as cause:  # models without position embeddings have no img_size
        raise FacebenchError(f"{path}: {header.arch} cannot be built for {header.img_size} pixels: {cause}") from cause


def _details(header: Header) -> dict[str, str]:
    details = {
        "method": METHOD,
        "arch": header.arch,
        "config_digest": header.config_digest,
        "data_digest": header.data_digest,
    }
    return details if header.norm is None else details | {"norm": header.norm}


BACKBONE = BackboneSource(
    name="paco-fr",
    grammar="paco-fr:FILE.safetensors",
    summary="the encoder that PaCo-FR pre-training exports",
    open=open_paco_fr,
)
