"""The encoder: a timm VisionTransformer, taken apart where tokens are exchanged.

    embed     pictures to patch tokens, before positions
    encode    patch tokens, some of them replaced, through positions, blocks and norm
    encode_visible    the same on a subset of the tokens (MAE)

The module keeps timm's parameter names, so that its state loads strictly into `timm.create_model`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.checkpoint import checkpoint

from facebench.errors import UsageError
from facebench.torchvision_cure import ensure_torchvision_imports
from pretrain.sections import EncoderConfig

if TYPE_CHECKING:
    from torch import Tensor

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of each channel of the pictures in [0, 1]: ImageNet's, as MAE, MCF and FSFM have them."""


def build_encoder(config: EncoderConfig) -> Any:
    """The encoder without classifier, with random weights from torch's generator or those of `config.init`.

    Raises:
        UsageError: no such model, not a VisionTransformer, a size that is not a multiple of the patch, or weights
            that do not fit.
    """
    ensure_torchvision_imports()
    import timm
    from timm.layers.patch_embed import PatchEmbed
    from timm.models.vision_transformer import VisionTransformer

    if not timm.is_model(config.arch):
        raise UsageError(f"encoder.arch: timm knows no model {config.arch!r}; timm.list_models('vit_*') names them")
    try:
        module: Any = timm.create_model(
            config.arch,
            pretrained=False,
            num_classes=0,
            img_size=config.img_size,
            drop_path_rate=config.drop_path,
            **config.changes,
        )
    except (TypeError, AssertionError, RuntimeError) as cause:
        what = f"{config.arch} cannot be built for {config.img_size} pixels"
        raise UsageError(f"encoder.arch: {what}: {cause}") from cause
    plain = isinstance(module, VisionTransformer) and type(module.patch_embed) is PatchEmbed
    if not plain or module.pos_embed is None:  # behind a convolutional stem, tokens would see their neighbours' pixels
        raise UsageError(f"encoder.arch: {config.arch} is no plain vision transformer; choose one of timm's vit_*")
    side = patch_side(module)
    if config.img_size % side:
        raise UsageError(f"encoder.img_size: {config.img_size} pixels are not a multiple of the patch of {side}")
    if config.init != "scratch":
        _load(module, Path(config.init).expanduser())
    module.set_grad_checkpointing(config.checkpointing)
    return module


def _load(module: Any, path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        module.load_state_dict(load_file(path), strict=True)
    except (OSError, SafetensorError, RuntimeError) as cause:
        first = str(cause).strip().splitlines()[0][:200]
        raise UsageError(f"encoder.init: {path} holds no weights of this encoder: {first}") from cause


def patch_side(vit: Any) -> int:
    """P, pixels."""
    side: int = vit.patch_embed.patch_size[0]
    return side


def grid_side(vit: Any) -> int:
    """G, patches along each side."""
    grid: int = vit.patch_embed.grid_size[0]
    return grid


def normalised(images: Tensor) -> Tensor:
    """`images` (N, 3, S, S) in [0, 1] as the encoder wants them."""
    mean, std = _statistics(images.device)
    return (images - mean) / std


@cache  # a copy to a GPU waits for all that the GPU still has to do
def _statistics(device: torch.device) -> tuple[Tensor, Tensor]:
    with torch.inference_mode(mode=False):
        mean, std = (torch.tensor(v, device=device).reshape(1, 3, 1, 1) for v in (MEAN, STD))
    return mean, std


def embed(vit: Any, images: Tensor) -> Tensor:
    """Patch tokens (N, L, D) of `images` (N, 3, S, S) in [0, 1]."""
    tokens = vit.patch_embed(normalised(images))
    return tokens.flatten(1, -2)  # type: ignore[no-any-return]


def encode(vit: Any, tokens: Tensor) -> Tensor:
    """All tokens (N, prefix + L, D) after the last norm, of patch tokens (N, L, D)."""
    return _through(vit, placed(vit, tokens))


def encode_visible(vit: Any, tokens: Tensor, kept: Tensor) -> Tensor:
    """The same of the patches `kept` (N, V), indices: (N, prefix + V, D)."""
    x = placed(vit, tokens)
    prefix: int = vit.num_prefix_tokens
    visible = x[:, prefix:].gather(1, kept[..., None].expand(-1, -1, x.shape[-1]))
    return _through(vit, torch.cat([x[:, :prefix], visible], dim=1))


def placed(vit: Any, tokens: Tensor) -> Tensor:
    """Patch tokens with prefix tokens before them and positions added."""
    if getattr(vit, "dynamic_img_size", False):
        grid = grid_side(vit)
        tokens = tokens.reshape(len(tokens), grid, grid, -1)
    return vit._pos_embed(tokens)  # type: ignore[no-any-return]


def _through(vit: Any, x: Tensor) -> Tensor:
    x = vit.norm_pre(x)
    for block in vit.blocks:
        recompute = vit.grad_checkpointing and torch.is_grad_enabled()
        x = checkpoint(block, x, use_reentrant=False) if recompute else block(x)
    return vit.norm(x)  # type: ignore[no-any-return]


def of_patches(vit: Any, encoded: Tensor) -> Tensor:
    """The patch tokens (N, L, D) among all `encoded` ones."""
    return encoded[:, vit.num_prefix_tokens :]
