"""What PaCo-FR and its baselines share: an encoder, a decoder, a teacher, and what the trainer asks of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pretrain.batch import Batch, Clock, Outcome
from pretrain.config import PretrainConfig
from pretrain.method.decoder import Decoder
from pretrain.method.encoder import build_encoder, grid_side, patch_side
from pretrain.method.patches import Patches, patchify, standardise, unpatchify
from pretrain.method.teacher import follow, momentum_at, teacher_of

if TYPE_CHECKING:
    from torch import Tensor

NO_DECAY = ("pos_embed", "cls_token", "reg_token", "dist_token", "mask_token", "tokens", "queries", "scale")
"""Last words of the names of parameters that weight decay leaves alone, beside all vectors (norms and biases)."""

GREY = 0.5
"""What a replaced patch looks like in a picture."""


class MaskedModel(nn.Module):
    """An encoder that learns by putting replaced patches back.

    Attributes:
        encoder: timm's VisionTransformer; what is exported.
        decoder: thrown away after pre-training.
        teacher: running mean of the encoder, or None.
    """

    def __init__(self, config: PretrainConfig) -> None:
        """Build everything with random weights from torch's generator. Raises `UsageError`."""
        super().__init__()
        self.config = config
        self.encoder = build_encoder(config.encoder)
        self.side, self.grid = patch_side(self.encoder), grid_side(self.encoder)
        self.width: int = self.encoder.embed_dim
        self.decoder = Decoder(
            config.decoder,
            width_in=self.width,
            grid=self.grid,
            prefix=self.encoder.num_prefix_tokens,
            patch_pixels=self.patch_pixels,
        )
        self.teacher = teacher_of(self.encoder) if config.teacher.enabled else None

    @property
    def patch_pixels(self) -> int:
        """Numbers of a patch: 3 P P."""
        return 3 * self.side**2

    def patches(self, batch: Batch) -> Patches:
        """The standardised patches of a batch: what is to be reconstructed."""
        return standardise(patchify(batch.images.float(), self.side))

    def train(self, mode: bool = True) -> MaskedModel:
        """Set the training mode; the teacher stays as it is evaluated."""
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    def start(self, batches: Iterator[Batch]) -> None:
        """Nothing is learnt from data before the first step."""
        del batches

    def after_step(
        self, outcomes: Sequence[Outcome], clock: Clock, optimizer: torch.optim.Optimizer
    ) -> Mapping[str, float]:
        """Let the teacher follow."""
        del outcomes, optimizer
        if self.teacher is not None:
            momentum = momentum_at(self.config.teacher.momentum, clock.progress)
            follow(self.teacher, self.encoder, momentum)
        return {}

    def health(self, batch: Batch, clock: Clock) -> Mapping[str, float]:
        """What is watched now and then, since it costs passes of its own."""
        del batch, clock
        return {}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Groups for AdamW: weights, and what decay leaves alone; `lr_scale` multiplies the learning rate."""
        groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                decays = parameter.ndim > 1 and name.rpartition(".")[2] not in NO_DECAY
                groups.setdefault((decays, self.rate_of(name)), []).append(parameter)
        decay = self.config.optim.weight_decay
        return [
            {"params": members, "weight_decay": decay if decays else 0.0, "lr_scale": rate}
            for (decays, rate), members in groups.items()
        ]

    def rate_of(self, name: str) -> float:
        """Learning rate of a parameter as a multiple of the usual one."""
        del name
        return 1.0

    def drawn(self, batch: Batch, patches: Patches, reconstruction: Tensor) -> dict[str, Tensor]:
        """Pictures (N, 3, S, S) in [0, 1]: original, masked, and `reconstruction` (N, L, p) as it would look."""
        cover = batch.replaced.float()[..., None].expand(-1, -1, self.patch_pixels)
        cover = unpatchify(cover, self.side)
        return {
            "original": batch.images,
            "masked": batch.images * (1 - cover) + GREY * cover,
            "reconstruction": unpatchify(patches.restored(reconstruction), self.side).clamp(0, 1),
        }


def positions_of(replaced: Tensor) -> Tensor:
    """Indices (N, M) of the True entries of `replaced` (N, L), the same number in each row."""
    counts = replaced.sum(dim=1)
    count = int(counts[0])
    assert bool((counts == count).all()), "every picture has the same number of replaced patches"
    return replaced.nonzero()[:, 1].reshape(len(replaced), count)


def taken(values: Tensor, positions: Tensor) -> Tensor:
    """Rows `positions` (N, M) of `values` (N, L, ...): (N, M, ...)."""
    return values.gather(1, positions[..., None].expand(-1, -1, values.shape[-1]))
