"""The encoder that PaCo-FR pre-training leaves behind; the only thing that passes from there to here.

A safetensors file. Its tensors carry timm's names of the encoder (without classifier, without prefix), all of them and
no others. Its metadata is the header, texts by name; lists and numbers are JSON:

    method          paco-fr-reconstruction, or a baseline of the same trainer: mae, simmim
    arch            timm name of the encoder: vit_base_patch16_224
    img_size        side of the pictures in pre-training, pixels: 224
    mean, std       of each channel, for pictures in [0, 1]: [0.485, 0.456, 0.406]
    config_digest   sha256 of the resolved training configuration
    data_digest     sha256 of the list of training pictures
    changes         optional: in which the encoder is not `arch`, {"depth": 6, "patch_size": 8}
    norm            optional: how the pixel targets of pre-training were normalised, in words
    supervision     optional: which labels it learnt from: none, parsing maps, landmarks
    epoch, step     optional: how long it was trained
    health          optional: of the codebook at that step, {"perplexity": 812.4, "used": 0.97}
    part            optional: encoder, or teacher, its running mean
    precision       optional: fp32, or fp16 where the weights were rounded

    paco-fr:FILE.safetensors               an exported encoder
    paco-fr:NAME                           one that ships with facebench, pre-trained on synthetic faces alone
    paco-fr:FILE@random:SEED               the encoder that the file describes, with random weights instead of its own

A checkpoint of a training that still goes on (`.pt`) is taken too: its `header` is the same, and its encoder is what
starts with `encoder.` in its `method`. It is read as plain tensors and runs no code.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facebench.backbones.intermediates import as_backbone
from facebench.backbones.timm import build, check_name, read_seed
from facebench.backbones.weights import load_exact, read_header, read_torch, read_weights
from facebench.errors import FacebenchError, UsageError, unknown_name
from facebench.types import Backbone, BackboneSource

if TYPE_CHECKING:
    from torch import Tensor, nn

METHOD = "paco-fr-reconstruction"
METHODS = (METHOD, "mae", "simmim")
CHECKPOINT = "paco-fr-checkpoint.v1"
"""What a checkpoint of a training says of its format."""

SHIPPED = Path(__file__).with_name("checkpoints")
"""Folder of the encoders that ship with facebench; its README is their model card."""

CHANGES = ("depth", "patch_size")
_PREFIX = "encoder."
REQUIRED = ("method", "arch", "img_size", "mean", "std", "config_digest", "data_digest")


@dataclass(frozen=True)
class Header:
    """What a PaCo-FR file says of itself; the fields are the module's table."""

    method: str
    arch: str
    img_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    config_digest: str
    data_digest: str
    norm: str | None
    epoch: float | None = None
    step: int | None = None
    changes: Mapping[str, int] = field(default_factory=dict)
    health: Mapping[str, float] = field(default_factory=dict)
    supervision: str | None = None
    part: str = "encoder"
    precision: str = "fp32"


def open_paco_fr(rest: str, input_size: int | None) -> Backbone:
    """Backbone of a PaCo-FR file. Raises `UsageError` (no file, wrong size), `FacebenchError` (not such a file)."""
    named, at, origin = rest.partition("@random:")
    if not named:
        raise UsageError(f"'paco-fr' names no file; write {BACKBONE.grammar}")
    path = _locate(named)
    metadata, weights = _read_checkpoint(path) if path.suffix == ".pt" else (read_header(path), read_weights(path))
    header = parse_header(metadata, path)
    seed = read_seed(origin, f"paco-fr:{rest}", f"paco-fr:{named}@random:0") if at else None
    module = _encoder(header, path, seed or 0)
    if seed is None:
        load_exact(module, weights, str(path))
    details = _details(header) if seed is None else {"arch": header.arch, "changes": dict(header.changes) or None}
    return as_backbone(
        module,
        spec=f"paco-fr:{rest}",
        name=_name(header, path) if seed is None else f"{_architecture(header)} (random {seed})",
        weights="file" if seed is None else f"random:{seed}",
        input_size=input_size,
        own_size=header.img_size,
        mean=header.mean,
        std=header.std,
        details=details,
    )


def shipped() -> dict[str, Path]:
    """The encoders that ship with facebench, by name."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.safetensors"))}


def _locate(named: str) -> Path:
    """The file that `named` means: a shipped encoder by its bare name, or a path."""
    path = Path(named).expanduser()
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file in it: encoders/step-….safetensors or checkpoints/step-….pt")
    if path.exists() or path.suffix or len(path.parts) > 1:
        return path
    if named not in shipped():
        raise unknown_name("shipped encoder", named, shipped())
    return shipped()[named]


def parse_header(metadata: Mapping[str, str], path: Path) -> Header:
    """The header in a file's metadata. Raises `FacebenchError` saying what was found instead."""
    missing = [name for name in REQUIRED if name not in metadata]
    if missing:
        raise FacebenchError(
            f"{path} is no PaCo-FR encoder: its header lacks {', '.join(missing)} "
            f"(found: {', '.join(sorted(metadata)) or 'no header'}); weights of a plain timm model: timm:NAME@{path}"
        )
    if metadata["method"] not in METHODS:
        wanted = " or ".join(map(repr, METHODS))
        raise FacebenchError(f"{path} is no PaCo-FR encoder: its method is {metadata['method']!r}, wanted {wanted}")
    size = _json(metadata, "img_size", path)
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise FacebenchError(f"{path}: img_size in the header is {size!r}, wanted a number of pixels")
    mean, std = (_channels(metadata, name, path) for name in ("mean", "std"))
    if min(std) <= 0:
        raise FacebenchError(f"{path}: std in the header is {list(std)}, wanted positive numbers")
    return Header(
        method=metadata["method"],
        arch=metadata["arch"],
        img_size=size,
        mean=mean,
        std=std,
        config_digest=metadata["config_digest"],
        data_digest=metadata["data_digest"],
        norm=metadata.get("norm"),
        supervision=metadata.get("supervision"),
        epoch=_number(metadata, "epoch", path),
        step=None if (step := _number(metadata, "step", path)) is None else int(step),
        changes=_changes(metadata, path),
        health=_health(metadata, path),
        part=metadata.get("part", "encoder"),
        precision=metadata.get("precision", "fp32"),
    )


def _read_checkpoint(path: Path) -> tuple[Mapping[str, str], dict[str, Tensor]]:
    """Header and encoder of a training's checkpoint. Raises `UsageError` (no such file), `FacebenchError`."""
    if not path.is_file():
        raise UsageError(f"checkpoint {path} does not exist")
    content = read_torch(path)
    with zipfile.ZipFile(path) as archive:  # torch does not look at the checksums of its records
        if broken := archive.testzip():
            raise FacebenchError(f"{path} is damaged: the checksum of {broken} does not hold")
    if not isinstance(content, Mapping) or content.get("format") != CHECKPOINT:
        raise FacebenchError(f"{path} is no checkpoint of a pre-training; weights of a plain model: timm:NAME@{path}")
    state = content["method"]
    weights = {name.removeprefix(_PREFIX): tensor for name, tensor in state.items() if name.startswith(_PREFIX)}
    return content["header"], weights


def _number(metadata: Mapping[str, str], name: str, path: Path) -> float | None:
    if name not in metadata:
        return None
    value = _json(metadata, name, path)
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value) or value < 0:
        raise FacebenchError(f"{path}: {name} in the header is {value!r}, wanted a number from 0")
    return value


def _changes(metadata: Mapping[str, str], path: Path) -> Mapping[str, int]:
    value = _json(metadata, "changes", path) if "changes" in metadata else {}
    if not isinstance(value, dict) or not all(k in CHANGES and type(v) is int and v > 0 for k, v in value.items()):
        raise FacebenchError(f"{path}: changes in the header is {value!r}, wanted numbers for {' and '.join(CHANGES)}")
    return value


def _health(metadata: Mapping[str, str], path: Path) -> Mapping[str, float]:
    value = _json(metadata, "health", path) if "health" in metadata else {}
    if not isinstance(value, dict) or not all(isinstance(v, int | float) and math.isfinite(v) for v in value.values()):
        raise FacebenchError(f"{path}: health in the header is {value!r}, wanted finite numbers by name")
    return value


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


def _encoder(header: Header, path: Path, seed: int) -> nn.Module:
    """The encoder that the header describes, with random weights."""
    try:
        check_name(header.arch)
    except UsageError as cause:
        raise FacebenchError(f"{path}: arch in the header: {cause}") from cause
    try:
        return build(header.arch, seed=seed, input_size=header.img_size, changes=header.changes)
    except (TypeError, AssertionError, RuntimeError) as cause:  # models without position embeddings have no img_size
        raise FacebenchError(f"{path}: {header.arch} cannot be built for {header.img_size} pixels: {cause}") from cause


def _name(header: Header, path: Path) -> str:
    """Name for tables: a shipped encoder has its own, a file is told by what is in it."""
    if path.parent == SHIPPED:
        return f"{path.stem} (reconstruction)" if header.method == METHOD else path.stem
    part = "" if header.part == "encoder" else f" {header.part}"
    return f"{header.method.removesuffix('-reconstruction')}{part} {_architecture(header)} ({path.name})"


def _architecture(header: Header) -> str:
    """The architecture, and in what the encoder differs from it."""
    return header.arch + "".join(f" {name.removesuffix('_size')} {value}" for name, value in header.changes.items())


def _details(header: Header) -> dict[str, Any]:
    details: dict[str, Any] = {
        "method": header.method,
        "arch": header.arch,
        "config_digest": header.config_digest,
        "data_digest": header.data_digest,
        "changes": dict(header.changes) or None,
        "norm": header.norm,
        "supervision": header.supervision,
        "epoch": header.epoch,
        "step": header.step,
        "health": dict(header.health) or None,
        "part": None if header.part == "encoder" else header.part,
        "precision": None if header.precision == "fp32" else header.precision,
    }
    return {name: value for name, value in details.items() if value is not None}


BACKBONE = BackboneSource(
    name="paco-fr",
    grammar="paco-fr:FILE.safetensors, paco-fr:NAME of a shipped one, or either with @random:SEED",
    summary="an encoder of PaCo-FR pre-training or its baselines: a shipped one, an exported file, a checkpoint",
    open=open_paco_fr,
)
