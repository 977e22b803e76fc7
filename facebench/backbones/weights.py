"""Weights from a file, without guessing: how they are read, checked against a model, and named by a hash.

Two kinds of file are read: safetensors, and torch files of plain tensors (`weights_only=True`). A pickle that would
run code is refused. The keys must be exactly those of the model once the differences written down here are taken away:

    WRAPPERS   one dictionary around the weights: `{"model": weights, "optimizer": ...}`
    PREFIXES   a prefix that every key carries and no key of the model does: left by DataParallel, torch.compile or a
               training module
    the classifier of the model (timm says which layer that is): features do not need it
"""

from __future__ import annotations

import hashlib
import pickle
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facebench.errors import FacebenchError, UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn

WRAPPERS = ("state_dict", "model")
PREFIXES = ("module.", "_orig_mod.", "model.", "backbone.", "encoder.")
SHOWN = 4
"""How many keys an error names before it only counts."""


def digest(weights: Mapping[str, Tensor]) -> str:
    """Hash (sha256, hex) over names, dtypes, shapes and bytes, names sorted: the weights', not their file's."""
    import torch

    total = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        total.update(f"{name}\0{str(tensor.dtype).removeprefix('torch.')}\0{tuple(tensor.shape)}\0".encode())
        total.update(tensor.flatten().view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return total.hexdigest()


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors or torch file, by name. Raises `UsageError` (no such file), `FacebenchError`."""
    if not path.is_file():
        raise UsageError(f"weights file {path} does not exist")
    return _unwrap(read_content(path), path)


def read_content(path: Path) -> Any:
    """What a safetensors or torch file holds. Raises `FacebenchError`."""
    return _read_safetensors(path) if path.suffix == ".safetensors" else read_torch(path)


def read_header(path: Path) -> dict[str, str]:
    """Metadata of a safetensors file. Raises `UsageError` (no such file), `FacebenchError` (damaged)."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise UsageError(f"weights file {path} does not exist")
    try:
        with safe_open(path, framework="pt") as f:
            return dict(f.metadata() or {})
    except (SafetensorError, OSError) as cause:
        raise FacebenchError(f"{path} is not a whole safetensors file: {_first_line(cause)}") from cause


def _read_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as cause:
        raise FacebenchError(f"{path} is not a whole safetensors file: {_first_line(cause)}") from cause


def read_torch(path: Path) -> Any:
    """What a torch file holds: plain tensors, numbers and texts. Raises `FacebenchError`."""
    import torch

    try:
        with warnings.catch_warnings():  # an unusual pickle is refused below, not warned of
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as cause:
        raise FacebenchError(
            f"{path} is damaged or holds more than plain tensors, which could run code when it is read; it is refused: "
            "save its state_dict alone, best as safetensors"
        ) from cause
    except Exception as cause:  # a damaged zip, pickle or tar each raises something of its own
        raise FacebenchError(f"{path} is not a whole torch file: {_first_line(cause)}") from cause


def _unwrap(content: Any, path: Path) -> dict[str, Tensor]:
    """The mapping of names to tensors in what a file held."""
    import torch

    wrapped = [key for key in WRAPPERS if isinstance(content, Mapping) and isinstance(content.get(key), Mapping)]
    if len(wrapped) > 1:
        raise FacebenchError(
            f"{path} holds weights under {' and '.join(map(repr, wrapped))}; save the wanted ones alone"
        )
    weights = content[wrapped[0]] if wrapped else content
    if not isinstance(weights, Mapping):
        raise FacebenchError(f"{path} holds a {type(weights).__name__}, not tensors by name")
    foreign = [str(key) for key, value in weights.items() if not isinstance(value, torch.Tensor)]
    if foreign or not weights:
        found = f"{named(foreign)} that are no tensors" if foreign else "nothing"
        raise FacebenchError(f"{path} holds {found}; expected tensors by name, bare or under {' or '.join(WRAPPERS)}")
    return dict(weights)


def load_exact(module: nn.Module, weights: Mapping[str, Tensor], source: str, *, heads: Sequence[str] = ()) -> None:
    """Copy `weights` into `module`, every one into its place. Raises `FacebenchError` naming what differs.

    Args:
        module: the model without its classifier; changed in place.
        weights: tensors by name.
        source: what the weights are called in an error: the file.
        heads: names of the layers that the model was built without.
    """
    wanted = module.state_dict()
    given = _without_heads(_without_prefix(weights, wanted), wanted, heads)
    missing, unexpected = sorted(wanted.keys() - given.keys()), sorted(given.keys() - wanted.keys())
    if missing or unexpected:
        parts = [f"missing {named(missing)}"] * bool(missing) + [f"unexpected {named(unexpected)}"] * bool(unexpected)
        raise FacebenchError(f"{source} does not fit the model: {'; '.join(parts)}")
    shapes = [
        f"{name} is {tuple(given[name].shape)}, wanted {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if given[name].shape != tensor.shape
    ]
    if shapes:
        raise FacebenchError(f"{source} does not fit the model: {named(shapes, 'shape')}")
    broken = sorted(name for name, tensor in given.items() if not bool(tensor.isfinite().all()))
    if broken:
        raise FacebenchError(f"{source} holds NaN or infinite numbers in {named(broken)}")
    module.load_state_dict(given, strict=True)


def _without_prefix(weights: Mapping[str, Tensor], wanted: Iterable[str]) -> dict[str, Tensor]:
    own = tuple(prefix for prefix in PREFIXES if any(name.startswith(prefix) for name in wanted))
    shorter = dict(weights)
    while shorter and (found := next((p for p in PREFIXES if p not in own and _all_begin(shorter, p)), None)):
        shorter = {name.removeprefix(found): tensor for name, tensor in shorter.items()}
    return shorter


def _all_begin(names: Iterable[str], prefix: str) -> bool:
    return all(name.startswith(prefix) for name in names)


def _without_heads(weights: Mapping[str, Tensor], wanted: Iterable[str], heads: Sequence[str]) -> dict[str, Tensor]:
    keep = set(wanted)
    return {
        name: tensor
        for name, tensor in weights.items()
        if name in keep or not any(name.startswith(f"{head}.") for head in heads)
    }


def named(names: Sequence[str], noun: str = "key") -> str:
    """The first few names and how many there are: `3 keys (a, b, c)`."""
    more = ", …" if len(names) > SHOWN else ""
    return f"{len(names)} {noun}{'s' * (len(names) != 1)} ({', '.join(names[:SHOWN])}{more})"


def _first_line(cause: BaseException) -> str:
    text = str(cause).strip()
    return text.splitlines()[0][:200] if text else type(cause).__name__
