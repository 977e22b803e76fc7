"""The patch codebook: K tokens that may stand in for a patch, each with a key and a visible prototype.

    token       (D,), what is put into the sequence instead of a patch
    key         (key_dim,), of length 1; what the Belief Predictor's query is compared with
    prototype   (3 P P,), the standardised patch that the token stands for: patch-pixel alignment makes it so

KNOWN: patch-based, learnt end to end, multiple candidate tokens. INFERRED: tokens live in the encoder's embedding
space (ViCToR's pool of mask tokens); `scope` is one pool for all patches, or one for each position.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from pretrain.method.precise import precise
from pretrain.sections import CodebookConfig

if TYPE_CHECKING:
    from torch import Tensor


class Codebook(nn.Module):
    """Tokens (pools, K, D): one pool where they are shared, L where each position has its own.

    Attributes:
        tokens: (pools, K, D), learnt.
        usage: (pools, K), running share of the choices of each pool; 1/K everywhere at the start.
    """

    usage: Tensor

    def __init__(self, config: CodebookConfig, *, width: int, patches: int, patch_pixels: int) -> None:
        """A codebook for `patches` positions, tokens of `width` numbers and prototypes of `patch_pixels`."""
        super().__init__()
        pools = patches if config.scope == "position" else 1
        self.tokens = nn.Parameter(torch.randn(pools, config.size, width))
        self.key = nn.Linear(width, config.key_dim, bias=False)
        self.pixel_head = nn.Linear(width, patch_pixels)
        self.decay = config.usage_decay
        self.register_buffer("usage", torch.full((pools, config.size), 1 / config.size))

    @property
    def shared(self) -> bool:
        """Whether all positions share one pool."""
        return self.tokens.shape[0] == 1

    def pool_of(self, positions: Tensor) -> Tensor:
        """Number of the pool that serves each of `positions`."""
        return torch.zeros_like(positions) if self.shared else positions

    def keys(self) -> Tensor:
        """(pools, K, key_dim), of length 1."""
        with precise(self.tokens):
            return functional.normalize(self.key(self.tokens), dim=-1)

    def cosines(self, queries: Tensor, positions: Tensor) -> Tensor:
        """Cosine (N, M, K) of each query (N, M, key_dim) with each key of the pool at its position (N, M)."""
        keys, queries = self.keys(), queries.float()
        with precise(queries):
            if self.shared:
                return queries @ keys[0].T
            laid = queries.new_zeros(len(queries), len(keys), queries.shape[-1])
            laid = laid.scatter(1, positions[..., None].expand_as(queries), queries)
            answers = torch.einsum("nlc,lkc->nlk", laid, keys)
            return answers.gather(1, positions[..., None].expand(-1, -1, answers.shape[-1]))

    def chosen(self, indices: Tensor, positions: Tensor) -> Tensor:
        """Tokens (..., D) number `indices` (...) of the pools at `positions` (...)."""
        return self.tokens[self.pool_of(positions), indices]

    def prototypes(self) -> Tensor:
        """Standardised pixels (pools, K, 3 P P) of every token."""
        return self.pixel_head(self.tokens)  # type: ignore[no-any-return]

    def counted(self, indices: Tensor, positions: Tensor) -> Tensor:
        """How often each token was chosen, (pools, K) float32."""
        size = self.tokens.shape[1]
        flat = (self.pool_of(positions) * size + indices).flatten()
        counts = torch.bincount(flat, minlength=self.tokens.shape[0] * size)
        return counts.reshape(self.tokens.shape[:2]).float()

    @torch.no_grad()
    def note(self, counts: Tensor) -> None:
        """Move the usage towards the shares in `counts` (pools, K), the choices of one step over all ranks."""
        shares = counts / counts.sum(1, keepdim=True).clamp_min(1)
        served = counts.sum(1, keepdim=True) > 0  # a pool whose position nobody replaced says nothing
        self.usage.copy_(torch.where(served, self.usage.lerp(shares, 1 - self.decay), self.usage))

    def perplexity(self) -> float:
        """How many tokens the usage amounts to, 1 to K: the mean over the pools."""
        entropy = -(self.usage * self.usage.clamp_min(1e-12).log()).sum(1)
        return float(entropy.exp().mean())

    def used(self) -> float:
        """Share of the tokens that are chosen at least a tenth as often as they would be at random."""
        return float((self.usage > 0.1 / self.usage.shape[1]).float().mean())
