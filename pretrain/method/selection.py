"""Choosing among candidate tokens: t** from the belief, with a gradient through the choice.

The m most likely tokens of a patch are its candidates (KNOWN: "multiple candidate tokens"), and w is the softmax over
their logits. INFERRED, how one is taken:

    sample   one of them, drawn with probability w by the Gumbel-max trick
    argmax   the most likely one
    mix      all of them, weighted by w: a leak, since the weights are real numbers that carry the picture

`sample` and `argmax` go forward with one token, to the last bit, and backward to the belief as `mix` would: the
straight-through estimator, onehot + (w - stop_gradient(w)). With m = 1 the weight is 1 and the belief learns nothing
from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from pretrain.method.codebook import Codebook

if TYPE_CHECKING:
    from torch import Tensor

Select = Literal["sample", "argmax", "mix"]


@dataclass(frozen=True, eq=False)
class Choice:
    """What replaces M patches of each picture.

    Attributes:
        tokens: (N, M, D), t**.
        indices: (N, M), the token taken; the most likely one where tokens were mixed.
    """

    tokens: Tensor
    indices: Tensor


def choose(
    codebook: Codebook, logits: Tensor, positions: Tensor, *, candidates: int, select: Select, noise: Tensor | None
) -> Choice:
    """Take a token for each patch.

    Args:
        codebook: what is chosen from.
        logits: (N, M, K), of the belief.
        positions: (N, M), the patches that are replaced.
        candidates: m.
        select: how.
        noise: (N, M, m) Gumbel noise for `sample`; None takes the most likely token, as in evaluation.
    """
    best, indices = logits.topk(candidates, dim=-1)
    weights = best.softmax(dim=-1)
    drawn = best if noise is None or select != "sample" else best + noise
    taken = drawn.argmax(dim=-1)
    index = indices.gather(-1, taken[..., None]).squeeze(-1)
    among = codebook.chosen(indices, positions[..., None].expand_as(indices))
    if select == "mix":
        return Choice((weights[..., None] * among).sum(dim=-2), index)
    through = weights - weights.detach()  # 0 exactly: no rounding of w may reach the encoder
    return Choice(codebook.chosen(index, positions) + (through[..., None] * among.detach()).sum(dim=-2), index)


def gumbel_noise(uniform: Tensor) -> Tensor:
    """Standard Gumbel noise from draws in [0, 1)."""
    exponential = -torch.log(uniform.clamp_min(torch.finfo(uniform.dtype).tiny))
    return -torch.log(exponential)
