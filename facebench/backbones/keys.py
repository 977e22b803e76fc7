"""Checkpoints of published pre-trainings, loaded into timm's models by key maps.

    keys:FAMILY@FILE         a checkpoint as its authors publish it: farl, clip, openclip, mae, beit, dino, dinov2,
                             dinov3, marlin, fsfm
    keys:MAP.toml@FILE       a key map of your own (`facebench.backbones.keymap` says what is in it)

A map says which dictionaries and prefixes lie around the weights, what each key is called in timm, which keys may be
left over (text towers, decoders, heads), and how pictures are normalised. Width, depth, patch and the side of the
pictures follow from the shapes. It is strict: a key that the map does not know, one that is missing, and a shape that
does not fit are errors. Files are read as plain tensors and run no code.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facebench.backbones import keymap
from facebench.backbones.intermediates import as_backbone
from facebench.backbones.keymap import Architecture, KeyMap, Mapped
from facebench.backbones.timm import build
from facebench.backbones.weights import named, read_content
from facebench.errors import DataError, FacebenchError, UsageError
from facebench.types import Backbone, BackboneSource

if TYPE_CHECKING:
    from torch import Tensor, nn

SIZES = {192: "Ti", 384: "S", 768: "B", 1024: "L", 1280: "H", 1408: "g", 1536: "g", 1664: "G", 4096: "7B"}
"""Width to the letter that papers give a ViT of that width."""

HARMLESS = (argparse.Namespace,)
"""What training scripts save beside the weights, and what runs nothing when it is read: their options."""


def open_keys(rest: str, input_size: int | None) -> Backbone:
    """Backbone of `FAMILY@FILE`. Raises `UsageError`, `DataError` (a file that is not as the map says)."""
    family, at, file = rest.partition("@")
    if not family or not at or not file:
        raise UsageError(f"{f'keys:{rest}'!r} is not a whole spec; write {BACKBONE.grammar}")
    table, path = keymap.read_map(family), Path(file).expanduser()
    if not path.is_file():
        raise UsageError(f"weights file {path} does not exist")
    module, architecture, size, words = _load(table, family, path)
    return as_backbone(
        module,
        spec=f"keys:{rest}",
        name=f"{table.title} {_short(words)} ({path.name})",
        weights="file",
        input_size=input_size,
        own_size=size,
        mean=table.mean,
        std=table.std,
        details={"map": table.title, "arch": architecture.model, "changes": words},
    )


def _load(table: KeyMap, family: str, path: Path) -> tuple[nn.Module, Architecture, int, dict[str, Any]]:
    """The model with the file's weights, its architecture, the side of its pictures, and its sizes."""
    given = read_tensors(path, table)
    try:
        mapped = keymap.apply(table, given)
        architecture = keymap.choose(table, mapped)
        if architecture is None:
            raise DataError(f"it has none of the keys that tell its architecture; found {named(list(given))}")
        size, words = keymap.sizes(table, architecture, mapped.tensors)
    except DataError as cause:
        others = ", ".join(name for name in keymap.families() if name != family)
        raise DataError(
            f"{path} does not fit the key map {family}: {cause}; is it of another family ({others}), or does it need a "
            "map of its own (keys:MAP.toml@FILE)?"
        ) from cause
    try:
        module = build(architecture.model, input_size=size, changes=words)
    except FacebenchError:
        raise
    except Exception as cause:  # timm refuses sizes in its own ways
        raise DataError(f"{path}: timm cannot build {architecture.model} with {words}: {cause}") from cause
    if table.eps is not None:
        _set_eps(module, table.eps)
    place(module, mapped, path, family)
    return module, architecture, size, words


def read_tensors(path: Path, table: KeyMap) -> dict[str, Tensor]:
    """The tensors of a checkpoint, its wrappers taken off. Raises `DataError`."""
    import torch

    try:
        with torch.serialization.safe_globals(list(HARMLESS)):
            content = keymap.unwrap(read_content(path), table.wrappers)
    except FacebenchError as cause:
        if "TorchScript" in str(cause):
            raise DataError(
                f"{path} is a TorchScript archive, which could run code when it is read; save its tensors first: "
                f"torch.save(torch.jit.load(FILE, map_location='cpu').state_dict(), NEW_FILE)"
            ) from cause
        raise DataError(str(cause)) from cause
    if not isinstance(content, Mapping):
        raise DataError(f"{path} holds a {type(content).__name__}, not tensors by name")
    foreign = [str(key) for key, value in content.items() if not isinstance(value, torch.Tensor)]
    if foreign or not content:
        found = f"{named(foreign)} that are no tensors" if foreign else "nothing"
        wanted = f"bare or under {' or '.join(table.wrappers)}" if table.wrappers else "bare"
        raise DataError(f"{path} holds {found}; expected tensors by name, {wanted}")
    return dict(content)


def place(module: nn.Module, mapped: Mapped, path: Path, family: str) -> None:
    """Copy the mapped tensors into `module`, every one into its place. Raises `DataError` naming what differs."""
    wanted, given = module.state_dict(), mapped.tensors
    unknown = [mapped.origins[name] for name in given if name not in wanted]
    if unknown:
        raise DataError(
            f"{path}: {named(unknown)} unknown to the key map {family}; take another family, or write a map "
            f"of your own: keys:MAP.toml@{path}"
        )
    missing = [name for name in wanted if name not in given]
    if missing:
        raise DataError(
            f"{path}: nothing in it becomes {named(missing)} of the model; is it a whole {family} checkpoint?"
        )
    shapes = [
        f"{mapped.origins[name]} is {tuple(given[name].shape)}, wanted {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if given[name].shape != tensor.shape
    ]
    if shapes:
        raise DataError(f"{path}: {named(shapes, 'shape')} that do not fit the {family} model; is the file damaged?")
    broken = [mapped.origins[name] for name, tensor in given.items() if not bool(tensor.isfinite().all())]
    if broken:
        raise DataError(f"{path}: NaN or infinite numbers in {named(broken)}; save the checkpoint again")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module.load_state_dict(given, strict=True)


def _set_eps(module: nn.Module, eps: float) -> None:
    from torch import nn

    for each in module.modules():
        if isinstance(each, nn.LayerNorm):
            each.eps = eps


def _short(words: Mapping[str, Any]) -> str:
    """`ViT-B/16`, or the sizes where papers have no letter for them."""
    letter = SIZES.get(words["embed_dim"])
    size = letter or f"{words['embed_dim']}x{words['depth']}"
    return f"ViT-{size}/{words['patch_size']}"


BACKBONE = BackboneSource(
    name="keys",
    grammar="keys:FAMILY@FILE or keys:MAP.toml@FILE",
    summary="published checkpoints by key maps: FaRL, CLIP, MAE, BEiT, DINO, DINOv2, DINOv3, MARLIN, FSFM",
    open=open_keys,
)
