"""The baseline SimMIM (Xie et al., CVPR 2022): every replaced patch becomes one and the same learnt token.

PaCo-FR with a codebook of a single token and nothing to choose; on the same data, decoder and masks. Where
`loss.visible` is 0, as in SimMIM itself, the loss is the error of the replaced patches alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn

from pretrain.batch import Batch, Clock, Outcome
from pretrain.config import PretrainConfig
from pretrain.method import losses
from pretrain.method.encoder import embed, encode
from pretrain.method.masked_model import MaskedModel

if TYPE_CHECKING:
    from torch import Tensor


class SimMIM(MaskedModel):
    """One mask token among all tokens of the encoder."""

    def __init__(self, config: PretrainConfig) -> None:
        """Build everything with random weights from torch's generator. Raises `UsageError`."""
        super().__init__(config)
        self.mask_token = nn.Parameter(torch.randn(self.width) * 0.02)

    def forward(self, batch: Batch, clock: Clock) -> Outcome:
        """Loss of `batch`."""
        del clock
        patches = self.patches(batch)
        errors = losses.reconstruction_errors(self.predict(batch), patches.pixels, self.config.loss.kind)
        coded, visible = losses.split_errors(errors, batch.replaced)
        loss = coded + self.config.loss.visible * visible if self.config.loss.visible else coded
        return Outcome(loss, {"rec": coded.detach(), "rec_visible": visible.detach()})

    def predict(self, batch: Batch) -> Tensor:
        """Standardised pixels (N, L, 3 P P) of every patch."""
        tokens = embed(self.encoder, batch.images)
        replaced = torch.where(batch.replaced[..., None], self.mask_token.to(tokens.dtype), tokens)
        return self.decoder(encode(self.encoder, replaced)).float()  # type: ignore[no-any-return]

    @torch.no_grad()
    def panels(self, batch: Batch, clock: Clock) -> Mapping[str, Tensor]:
        """Pictures (N, 3, S, S) in [0, 1]: original, masked, reconstruction."""
        del clock
        return self.drawn(batch, self.patches(batch), self.predict(batch))
