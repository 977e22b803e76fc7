"""Dead tokens: tokens that are hardly ever chosen begin again as a patch of the pictures at hand.

OURS, as in other learnt codebooks (Jukebox, SoundStream). Which patch takes which place is drawn for the global batch,
so the number of ranks does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from pretrain import ranks
from pretrain.method.codebook import Codebook

if TYPE_CHECKING:
    from torch import Tensor


@torch.no_grad()
def restart_dead(
    codebook: Codebook,
    tokens_of: Any,
    pictures: Sequence[tuple[int, Tensor]],
    *,
    total: int,
    below: float,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
) -> int:
    """Restart every token whose usage is below `below` / K; returns how many.

    Args:
        codebook: changed in place.
        tokens_of: standardised patches (n, p) to tokens (n, D).
        pictures: this rank's micro-batches: place of the first picture in the global batch, patches (N, L, p).
        total: pictures of the global batch.
        below: part of 1/K.
        optimizer: its moments of the tokens begin again too.
        generator: draws a picture for each dead token, and a patch where the pool is shared.
    """
    size = codebook.tokens.shape[1]
    pools, slots = (codebook.usage < below / size).nonzero(as_tuple=True)
    if len(pools) == 0:
        return 0
    patches = pictures[0][1].shape[1]
    place = torch.randint(total, pools.shape, generator=generator, device=pools.device)
    patch = torch.randint(patches, pools.shape, generator=generator, device=pools.device)
    fresh = _gathered(pictures, place, patch if codebook.shared else pools)
    codebook.tokens[pools, slots] = tokens_of(fresh).to(codebook.tokens.dtype)
    codebook.usage[pools, slots] = 1 / size
    moments = optimizer.state.get(codebook.tokens, {})
    for name in ("exp_avg", "exp_avg_sq"):
        if name in moments:
            moments[name][pools, slots] = 0
    return len(pools)


def _gathered(pictures: Sequence[tuple[int, Tensor]], place: Tensor, patch: Tensor) -> Tensor:
    """The patches (n, p) at `place` in the global batch, from whichever rank has them."""
    found = pictures[0][1].new_zeros(len(place), pictures[0][1].shape[-1])
    for first, pixels in pictures:
        mine = (place >= first) & (place < first + len(pixels))
        found[mine] = pixels[place[mine] - first, patch[mine]]
    return ranks.total(found)
