"""PaCo-FR, an independent reconstruction from the paper's abstract and framework caption (arXiv 2508.09691).

    I ── patches t* are picked ── the Belief Predictor chooses codebook tokens t** from their own pixels
      ── I^ = I with t* replaced by t** ── encoder ── decoder ── the original image I

KNOWN are: this framework; an incubation stage, the first epoch, in which the Belief Predictor is supervised; a
patch-based codebook with multiple candidate tokens, learnt end to end; masks that follow regions of the face;
patch-pixel alignment; spatial consistency. Everything else is INFERRED: each choice is a field of `pretrain.sections`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from pretrain import ranks
from pretrain.batch import Batch, Clock, Outcome
from pretrain.config import PretrainConfig
from pretrain.method import losses
from pretrain.method.assignment import hungarian, nearest, pixel_distances, sinkhorn
from pretrain.method.belief import BeliefPredictor
from pretrain.method.codebook import Codebook
from pretrain.method.codebook_start import start_codebook
from pretrain.method.encoder import embed, encode, of_patches
from pretrain.method.geometry_term import RegionGeometry
from pretrain.method.masked_model import MaskedModel, positions_of, taken
from pretrain.method.patches import Patches, unpatchify
from pretrain.method.restart import restart_dead
from pretrain.method.selection import Choice, choose, gumbel_noise
from pretrain.method.token_head import TokenHead

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Picked:
    """The patches t* that are replaced, M of each picture.

    Attributes:
        positions: (N, M), their places among the L patches.
        pixels: (N, M, 3 P P), standardised.
        logits: (N, M, K), of the belief over the codebook.
    """

    positions: Tensor
    pixels: Tensor
    logits: Tensor


class PacoFR(MaskedModel):
    """The method: encoder and decoder, codebook and Belief Predictor, and the terms that hold them together."""

    def __init__(self, config: PretrainConfig) -> None:
        """Build everything with random weights from torch's generator. Raises `UsageError`."""
        super().__init__(config)
        width, pixels = self.width, self.patch_pixels
        self.codebook = Codebook(config.codebook, width=width, patches=self.grid**2, patch_pixels=pixels)
        self.belief = BeliefPredictor(config.belief, patch_pixels=pixels, width=width, key_dim=config.codebook.key_dim)
        self.mask_token = nn.Parameter(torch.randn(width) * 0.02) if config.codebook.code_drop else None
        self.geometry = RegionGeometry(width=width, grid=self.grid) if config.loss.geometry else None
        self.token_head = TokenHead(width=width, size=config.codebook.size) if config.loss.tokens else None

    def forward(self, batch: Batch, clock: Clock) -> Outcome:
        """One step of the method on a batch; steps and symbols are those of the framework caption."""
        patches = self.patches(batch)
        picked = self.pick(patches, batch)  # t*, and what the Belief Predictor makes of them
        choice = self.select(picked, self.noise(picked, batch, clock))  # t**
        dropped = self.dropped(picked, batch, clock)
        encoded = self.encode_replaced(batch, picked, choice, dropped)  # I^ through the encoder
        predicted = self.decoder(encoded).float()  # the original image

        errors = losses.reconstruction_errors(predicted, patches.pixels, self.config.loss.kind)
        coded, visible = losses.split_errors(errors, batch.replaced)
        features = of_patches(self.encoder, encoded)
        terms = {
            "rec": coded,
            "rec_visible": visible,
            "align": self.align(picked, choice),
            "balance": self.balance(picked),
            **self.incubate(picked, clock),
            **self.keep_relations(features, batch),
            **self.weak_terms(features, picked, dropped, batch),
        }
        watched = self.watch(picked, terms)
        state = {"counts": self.codebook.counted(choice.indices, picked.positions), "pixels": patches.pixels}
        state["first"] = torch.tensor(batch.first)
        state["total"] = torch.tensor(batch.total)
        loss = self.total(terms, clock)
        return Outcome(loss, {n: v.detach() for n, v in (terms | watched).items()}, state)

    def pick(self, patches: Patches, batch: Batch) -> Picked:
        """t* and the belief b over the codebook, from nothing but each patch's own pixels."""
        positions = positions_of(batch.replaced)
        own = Patches(*(taken(v, positions) for v in (patches.pixels, patches.mean, patches.log_std)))
        cosines = self.codebook.cosines(self.belief(own), positions)
        return Picked(positions, own.pixels, self.belief.sharpness() * cosines)

    def select(self, picked: Picked, noise: Tensor | None) -> Choice:
        """t**, one of the candidate tokens of each patch."""
        book = self.config.codebook
        return choose(
            self.codebook,
            picked.logits,
            picked.positions,
            candidates=book.candidates,
            select=book.select,
            noise=noise,
        )

    def noise(self, picked: Picked, batch: Batch, clock: Clock) -> Tensor | None:
        """Gumbel noise for drawing among candidates; none outside training, where the most likely token is taken."""
        book = self.config.codebook
        if book.select != "sample" or not self.training:
            return None
        return gumbel_noise(self._uniform(picked, batch, clock, "select", book.candidates))

    def dropped(self, picked: Picked, batch: Batch, clock: Clock) -> Tensor | None:
        """(N, M) bool: which replaced patches get the plain mask token instead; None where none does."""
        count = int(self.config.codebook.code_drop * picked.positions.shape[1])
        if self.mask_token is None or count == 0:
            return None
        order = self._uniform(picked, batch, clock, "drop", 1).squeeze(-1).argsort(dim=1)
        return torch.zeros_like(order, dtype=torch.bool).scatter(1, order[:, :count], value=True)

    def _uniform(self, picked: Picked, batch: Batch, clock: Clock, purpose: str, each: int) -> Tensor:
        """Draws (N, M, each) in [0, 1): this batch's part of those of the global batch."""
        device, count = picked.logits.device, picked.positions.shape[1]
        source = ranks.generator(device, clock.seed, clock.step, purpose)
        whole = torch.rand(batch.total, count, each, generator=source, device=device)
        return whole[batch.first : batch.first + len(picked.positions)]

    def encode_replaced(self, batch: Batch, picked: Picked, choice: Choice, dropped: Tensor | None) -> Tensor:
        """All tokens of I^, the picture with t* replaced by t**, after the encoder."""
        tokens = embed(self.encoder, batch.images)
        standing_in = choice.tokens
        if dropped is not None and self.mask_token is not None:
            standing_in = torch.where(dropped[..., None], self.mask_token, standing_in)
        where = picked.positions[..., None].expand_as(standing_in)
        return encode(self.encoder, tokens.scatter(1, where, standing_in.to(tokens.dtype)))

    def align(self, picked: Picked, choice: Choice) -> Tensor:
        """Patch-pixel alignment: the chosen token's prototype against the patch it stands for."""
        chosen = self.codebook.chosen(choice.indices, picked.positions)
        return losses.alignment(self.codebook.pixel_head(chosen).float(), picked.pixels)

    def balance(self, picked: Picked) -> Tensor:
        """How far the codebook is from being used evenly over the global batch."""
        belief = picked.logits.softmax(-1).flatten(0, 1)
        pools = None if self.codebook.shared else picked.positions.flatten()
        return losses.balance(belief, pools, count=len(self.codebook.tokens))

    def incubation_weight(self, clock: Clock) -> float:
        """Weight of the incubation term at a step: its own during the first epochs, then 0."""
        stage = self.config.incubation
        if clock.epoch >= stage.epochs:
            return 0.0
        fading = 1 - clock.epoch / stage.epochs if stage.decay == "linear" else 1.0
        return self.config.loss.incubation * fading

    def incubate(self, picked: Picked, clock: Clock) -> dict[str, Tensor]:
        """Supervision of the belief: it should be the assignment of pixels to prototypes."""
        if self.incubation_weight(clock) == 0:
            return {}
        return {"incubation": losses.incubation(self.assignment(picked), picked.logits)}

    @torch.no_grad()
    def assignment(self, picked: Picked) -> Tensor:
        """Incubation target (N, M, K) of each replaced patch."""
        stage, prototypes = self.config.incubation, self.codebook.prototypes()
        balanced = partial(sinkhorn, epsilon=stage.epsilon, iterations=stage.iterations)
        if self.codebook.shared:
            costs = pixel_distances(picked.pixels.flatten(0, 1)[None], prototypes)
            shape = picked.logits.shape
            return hungarian(costs.reshape(shape)) if stage.target == "hungarian" else balanced(costs).reshape(shape)
        laid, valid = self._by_position(picked)
        costs = pixel_distances(laid, prototypes)
        target = nearest(costs) if stage.target == "hungarian" else balanced(costs, valid=valid)
        return taken(target.transpose(0, 1), picked.positions)

    def _by_position(self, picked: Picked) -> tuple[Tensor, Tensor]:
        """Replaced patches as (L, N, p), zeros where a patch was not replaced, and which they are (L, N)."""
        n, _, pixels = picked.pixels.shape
        where = picked.positions[..., None].expand(-1, -1, pixels)
        laid = picked.pixels.new_zeros(n, self.grid**2, pixels).scatter(1, where, picked.pixels)
        valid = torch.zeros(n, self.grid**2, dtype=torch.bool, device=laid.device)
        return laid.transpose(0, 1), valid.scatter(1, picked.positions, value=True).T

    def keep_relations(self, features: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Spatial consistency with the teacher, which sees the whole picture."""
        if self.teacher is None or self.config.loss.spatial == 0:
            return {}
        with torch.no_grad():
            whole = of_patches(self.teacher, encode(self.teacher, embed(self.teacher, batch.images)))
        centred = self.config.loss.spatial_centred
        cosine = torch.cosine_similarity(features.detach().float(), whole.float(), dim=-1).mean()
        spatial = losses.spatial_consistency(features, whole, batch.replaced, centred=centred)
        return {"spatial": spatial, "teacher_cosine": cosine}

    def weak_terms(self, features: Tensor, picked: Picked, dropped: Tensor | None, batch: Batch) -> dict[str, Tensor]:
        """The two optional terms, off by default: geometry of the regions, and tokens as targets."""
        terms = {}
        if self.geometry is not None:
            terms["geometry"] = self.geometry(features, batch.regions)
        if self.token_head is not None and dropped is not None:
            own = taken(features, picked.positions)
            terms["tokens"] = self.token_head(own, picked.logits.softmax(-1), dropped)
        return terms

    def total(self, terms: Mapping[str, Tensor], clock: Clock) -> Tensor:
        """The weighted sum of the terms."""
        loss = self.config.loss
        weights = {
            "rec": 1.0,
            "rec_visible": loss.visible,
            "align": loss.align,
            "incubation": self.incubation_weight(clock),
            "spatial": loss.spatial,
            "balance": loss.balance,
            "geometry": loss.geometry,
            "tokens": loss.tokens,
        }
        return torch.stack([weights[n] * terms[n] for n in weights if n in terms and weights[n] > 0]).sum()

    @torch.no_grad()
    def watch(self, picked: Picked, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """How sure the belief is, and how much better context does than the codes alone."""
        expected = (picked.logits.softmax(-1) * picked.logits).sum(-1)
        watched = {"belief_entropy": (picked.logits.logsumexp(-1) - expected).mean()}
        if self.config.loss.kind == "mse":  # the error of the prototypes is one as well
            watched["context_gain"] = 1 - terms["rec"] / terms["align"]
        return watched

    def start(self, batches: Iterator[Batch]) -> None:
        """Let the codebook start from k-means of the first pictures. Raises `UsageError` where they are too few."""
        if self.config.codebook.start == "kmeans":
            pictures = (self.patches(batch).pixels for batch in batches)
            start_codebook(self.codebook, pictures, self.tokens_of, self.config.codebook, seed=self.config.run.seed)

    def tokens_of(self, pixels: Tensor) -> Tensor:
        """Tokens (n, D) of standardised patches (n, 3 P P): the encoder's own embedding of them."""
        embedding = self.encoder.patch_embed
        return embedding.norm(embedding.proj(unpatchify(pixels[:, None], self.side)).flatten(1))  # type: ignore[no-any-return]

    def after_step(
        self, outcomes: Sequence[Outcome], clock: Clock, optimizer: torch.optim.Optimizer
    ) -> Mapping[str, float]:
        """Let the teacher follow, take note of the choices, restart dead tokens."""
        super().after_step(outcomes, clock, optimizer)
        self.belief.bound()
        self.codebook.note(ranks.total(torch.stack([o.state["counts"] for o in outcomes]).sum(0)))
        restarts = self._restart(outcomes, clock, optimizer)
        return {"perplexity": self.codebook.perplexity(), "used": self.codebook.used(), "restarts": float(restarts)}

    def _restart(self, outcomes: Sequence[Outcome], clock: Clock, optimizer: torch.optim.Optimizer) -> int:
        book, done = self.config.codebook, clock.step + 1
        if not book.restart_every or done % book.restart_every or clock.progress >= book.restart_until:
            return 0
        device = self.codebook.tokens.device
        return restart_dead(
            self.codebook,
            self.tokens_of,
            [(int(o.state["first"]), o.state["pixels"]) for o in outcomes],
            total=int(outcomes[0].state["total"]),
            below=book.restart_below,
            optimizer=optimizer,
            generator=ranks.generator(device, clock.seed, clock.step, "restart"),
        )

    def rate_of(self, name: str) -> float:
        """Tokens and keys may learn faster than the rest."""
        return self.config.codebook.lr_scale if name in ("codebook.tokens", "codebook.key.weight") else 1.0

    @torch.no_grad()
    def health(self, batch: Batch, clock: Clock) -> Mapping[str, float]:
        """Code reliance: the error with the tokens of another picture, as a multiple of the usual one."""
        del clock
        patches = self.patches(batch)
        picked = self.pick(patches, batch)
        choice = self.select(picked, None)
        foreign = Choice(choice.tokens.roll(1, dims=0), choice.indices)
        own, other = (self._error(batch, patches, picked, c) for c in (choice, foreign))
        return {"code_reliance": float(other / own)}

    def _error(self, batch: Batch, patches: Patches, picked: Picked, choice: Choice) -> Tensor:
        predicted = self.decoder(self.encode_replaced(batch, picked, choice, None)).float()
        errors = losses.reconstruction_errors(predicted, patches.pixels, self.config.loss.kind)
        return losses.split_errors(errors, batch.replaced)[0]

    @torch.no_grad()
    def panels(self, batch: Batch, clock: Clock) -> Mapping[str, Tensor]:
        """Pictures (N, 3, S, S) in [0, 1]: original, masked, prototypes of the chosen tokens, reconstruction."""
        del clock
        patches = self.patches(batch)
        picked = self.pick(patches, batch)
        choice = self.select(picked, None)
        predicted = self.decoder(self.encode_replaced(batch, picked, choice, None)).float()
        drawn = self.drawn(batch, patches, predicted)
        chosen = self.codebook.pixel_head(self.codebook.chosen(choice.indices, picked.positions)).float()
        where = picked.positions[..., None].expand_as(chosen)
        stood_in = patches.restored(patches.pixels.scatter(1, where, chosen))
        drawn["prototypes"] = unpatchify(stood_in, self.side).clamp(0, 1)
        return {n: drawn[n] for n in ("original", "masked", "prototypes", "reconstruction")}

    @torch.no_grad()
    def prototypes(self) -> Tensor:
        """Prototypes (K, 3, P, P) of all tokens, standardised; of all pools where positions have their own."""
        return unpatchify(self.codebook.prototypes().flatten(0, 1)[:, None], self.side)
