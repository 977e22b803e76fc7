"""Where the codebook starts: prototypes by k-means, tokens that embed them, and a pixel head that reads them back.

OURS; other learnt codebooks start from k-means too (ViT-VQGAN, BEiT v2). From here on everything is learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import torch

from pretrain import ranks
from pretrain.method.codebook import Codebook
from pretrain.method.kmeans import kmeans
from pretrain.sections import CodebookConfig

if TYPE_CHECKING:
    from torch import Tensor


@torch.no_grad()
def start_codebook(
    codebook: Codebook,
    pictures: Iterable[Tensor],
    tokens_of: Callable[[Tensor], Tensor],
    config: CodebookConfig,
    *,
    seed: int,
) -> None:
    """Set tokens and pixel head.

    Args:
        codebook: changed in place.
        pictures: standardised patches (N, L, p), batch by batch; as many are read as k-means wants.
        tokens_of: standardised patches (n, p) to tokens (n, D).
        config: how many patches, how many iterations.
        seed: of the first centres.

    Raises:
        UsageError: more tokens than patches to learn them from.
    """
    points = _collected(codebook, pictures, config.kmeans_patches)
    source = ranks.generator(points.device, seed, "kmeans")
    found = [kmeans(p, config.size, iterations=config.kmeans_iterations, generator=source) for p in points]
    prototypes = torch.cat(found)
    codebook.tokens.copy_(tokens_of(prototypes).reshape_as(codebook.tokens))
    _fit_pixel_head(codebook, prototypes)


def _collected(codebook: Codebook, pictures: Iterable[Tensor], wanted: int) -> Tensor:
    """The first patches of each pool, (pools, n, p): `wanted` in all."""
    each, seen, count = -(-wanted // len(codebook.tokens)), [], 0
    for pixels in pictures:
        seen.append(pixels.flatten(0, 1)[None] if codebook.shared else pixels.transpose(0, 1))
        count += seen[-1].shape[1]
        if count >= each:
            break
    return torch.cat(seen, dim=1)[:, :each]


def _fit_pixel_head(codebook: Codebook, prototypes: Tensor) -> None:
    """The linear map that takes the tokens to their prototypes (K, p), by least squares."""
    tokens = codebook.tokens.flatten(0, 1)
    with_one = torch.cat([tokens, tokens.new_ones(len(tokens), 1)], dim=1)
    solution = torch.linalg.pinv(with_one) @ prototypes
    codebook.pixel_head.weight.copy_(solution[:-1].T)
    codebook.pixel_head.bias.copy_(solution[-1])
