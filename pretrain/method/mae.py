"""The baseline MAE (He et al., CVPR 2022): the encoder sees the visible patches alone.

On the same data, decoder and masks as PaCo-FR; the loss is the error of the replaced patches' standardised pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn

from pretrain.batch import Batch, Clock, Outcome
from pretrain.config import PretrainConfig
from pretrain.method import losses
from pretrain.method.encoder import embed, encode_visible
from pretrain.method.masked_model import MaskedModel, positions_of

if TYPE_CHECKING:
    from torch import Tensor


class MAE(MaskedModel):
    """Masked autoencoder: tokens of replaced patches exist in the decoder only."""

    def __init__(self, config: PretrainConfig) -> None:
        """Build everything with random weights from torch's generator. Raises `UsageError`."""
        super().__init__(config)
        self.mask_token = nn.Parameter(torch.randn(config.decoder.width) * 0.02)

    def forward(self, batch: Batch, clock: Clock) -> Outcome:
        """Loss of `batch`."""
        del clock
        patches = self.patches(batch)
        errors = losses.reconstruction_errors(self.predict(batch), patches.pixels, self.config.loss.kind)
        coded, visible = losses.split_errors(errors, batch.replaced)
        return Outcome(coded, {"rec": coded.detach(), "rec_visible": visible.detach()})

    def predict(self, batch: Batch) -> Tensor:
        """Standardised pixels (N, L, 3 P P) of every patch."""
        kept = positions_of(~batch.replaced)
        tokens = self.decoder.embed(encode_visible(self.encoder, embed(self.encoder, batch.images), kept))
        prefix: int = self.encoder.num_prefix_tokens
        n, width = len(tokens), tokens.shape[-1]
        empty = self.mask_token.to(tokens.dtype).expand(n, self.grid**2, width)
        whole = empty.scatter(1, kept[..., None].expand(-1, -1, width), tokens[:, prefix:])
        return self.decoder.decode(torch.cat([tokens[:, :prefix], whole], dim=1)).float()

    @torch.no_grad()
    def panels(self, batch: Batch, clock: Clock) -> Mapping[str, Tensor]:
        """Pictures (N, 3, S, S) in [0, 1]: original, masked, reconstruction."""
        del clock
        return self.drawn(batch, self.patches(batch), self.predict(batch))
