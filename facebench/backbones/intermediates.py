"""A model with timm's `forward_intermediates` as a backbone: which layers, which size.

At most four maps, from shallow to deep. Where all layers have one resolution (ViT) they are taken at four evenly spaced
depths: blocks 2, 5, 8 and 11 of twelve, as in DINOv2's dense probes (FaRL took 3, 5, 7 and 11). Where the resolution
falls from stage to stage (ResNet, Swin, ConvNeXt) it is the last layer of each of the four coarsest ones. The deepest
is the output of the model where that has the same shape, so the final norm of the model is in it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from facebench.backbones.encoder import POOLING, Encoder, check_maps, probe
from facebench.backbones.weights import digest
from facebench.errors import UsageError
from facebench.record import BackboneRecord

if TYPE_CHECKING:
    from torch import Tensor, nn

DEPTHS = 4


def as_backbone(
    module: nn.Module,
    *,
    spec: str,
    name: str,
    weights: str,
    input_size: int | None,
    own_size: int,
    mean: Sequence[float],
    std: Sequence[float],
    details: Mapping[str, Any] | None = None,
) -> Encoder:
    """A model with its weights in place as a backbone: hashed, set to its input size, tried once.

    Args:
        module: a model with `forward_intermediates`.
        spec: as the user spelt it.
        name: for tables.
        weights: where the numbers came from.
        input_size: wanted side in pixels; None for the model's own.
        own_size: side in pixels that the weights were made for.
        mean: of each channel.
        std: of each channel.
        details: what else the record should say.

    Raises:
        UsageError: an input size that the model does not take.
        FacebenchError: no spatial features.
    """
    sha256, parameters = digest(module.state_dict()), sum(p.numel() for p in module.parameters())
    size = own_size if input_size is None else input_size
    _resize(module, size, own_size, spec)
    layers, shapes, gmacs = _layers(module, size, spec)
    if size != own_size:
        _require_whole_cells(module, layers, shapes, size, spec)
    found = {
        "mean": list(mean),
        "std": list(std),
        "layers": [_layer_name(module, i) for i in layers],
        "maps": shapes,
        "pooling": POOLING,
        "own_input_size": own_size,
    }
    record = BackboneRecord(
        spec=spec,
        name=name,
        weights=weights,
        sha256=sha256,
        parameters=parameters,
        input_size=size,
        gmacs=gmacs,
        details=found | dict(details or {}),
    )
    maps = intermediates(module, layers)
    return Encoder(record=record, input_size=size, module=module, maps=maps, mean=tuple(mean), std=tuple(std))


def _resize(module: Any, size: int, own_size: int, spec: str) -> None:
    """Set the model to inputs of `size` pixels; position embeddings are resampled by timm."""
    embed = getattr(module, "patch_embed", None)
    patch = getattr(embed, "patch_size", None) if hasattr(embed, "grid_size") else None  # overlapping patches fit all
    side = max(patch) if isinstance(patch, tuple | list) else patch
    if isinstance(side, int) and size % side:
        raise UsageError(f"{spec}: an input of {size} pixels is not a multiple of its patch of {side}")
    if size == own_size or not hasattr(module, "set_input_size"):
        return
    try:
        with warnings.catch_warnings():  # timm's own resampling uses what torch is about to drop
            warnings.simplefilter("ignore")
            module.set_input_size(img_size=(size, size))
    except Exception as cause:  # each family complains in its own way
        raise UsageError(f"{spec} cannot be set to an input of {size} pixels: {cause}") from cause


def _layers(module: Any, size: int, spec: str) -> tuple[tuple[int, ...], list[list[int]], float | None]:
    """The layers whose maps are taken, the shape (D, h, w) of each map, and the multiply-adds of a picture, 10^9."""
    taken, gmacs = probe(module, lambda x: module.forward_intermediates(x, output_fmt="NCHW")[1], size, spec)
    sides = [int(m.shape[-1]) for m in check_maps(taken, spec)]
    layers = choose_layers(sides)
    return layers, [list(taken[i].shape[1:]) for i in layers], gmacs


def _require_whole_cells(module: Any, layers: Sequence[int], shapes: list[list[int]], size: int, spec: str) -> None:
    """Raise `UsageError` where a map of another size than the model's own would not cover the crop exactly."""
    info = getattr(module, "feature_info", None)
    strides = [info[i].get("reduction") for i in layers] if isinstance(info, list) and len(info) > max(layers) else []
    for stride, (_, height, _) in zip(strides, shapes, strict=False):
        if isinstance(stride, int) and stride * height != size:
            raise UsageError(f"{spec}: an input of {size} pixels is not a multiple of its stride of {max(strides)}")


def _layer_name(module: Any, index: int) -> str:
    info = getattr(module, "feature_info", None)
    named = isinstance(info, list) and index < len(info) and isinstance(info[index], dict)
    return str(info[index].get("module", index)) if named and info else str(index)


def choose_layers(sides: Sequence[int]) -> tuple[int, ...]:
    """Which layers give the maps, from the map side of each layer (shallow to deep)."""
    if len(set(sides)) == 1:
        n = min(DEPTHS, len(sides))
        return tuple((k + 1) * len(sides) // n - 1 for k in range(n))
    last = {side: i for i, side in enumerate(sides)}
    return tuple(sorted(last.values())[-DEPTHS:])


def intermediates(module: Any, layers: Sequence[int]) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """Function from normalised pictures to the maps of `layers` of a model with timm's `forward_intermediates`."""

    def maps(x: Tensor) -> tuple[Tensor, ...]:
        output, taken = module.forward_intermediates(x, indices=list(layers), output_fmt="NCHW")
        return (*taken[:-1], _deepest(output, taken[-1], getattr(module, "num_prefix_tokens", 0)))

    return maps


def _deepest(output: Any, last: Tensor, prefix_tokens: int) -> Tensor:
    """Output of the model as a map, where it has the shape of the `last` map (N, D, h, w); otherwise `last`."""
    n, d, h, w = last.shape
    shape = tuple(getattr(output, "shape", ()))
    if shape == (n, d, h, w):
        return output  # type: ignore[no-any-return]
    if shape == (n, h, w, d):
        return output.permute(0, 3, 1, 2).contiguous()  # type: ignore[no-any-return]
    if shape == (n, prefix_tokens + h * w, d):
        return output[:, prefix_tokens:].transpose(1, 2).reshape(n, d, h, w)  # type: ignore[no-any-return]
    return last
