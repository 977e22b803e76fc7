"""The sections of a pre-training configuration, each field with its default and the source of it.

    KNOWN     read in the paper's abstract, its framework caption or its first lines (arXiv 2508.09691)
    INFERRED  our reading of the nearest published relative, named beside it; one switch each
    OURS      a decision of this reconstruction

Sections are put together, and what must fit between them is checked, in `pretrain.config`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

MaskKind = Literal["region", "random", "block", "grid"]
Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A part of the configuration: no unknown fields, nothing changed after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EncoderConfig(Section):
    """The encoder: any timm VisionTransformer.

    Attributes:
        arch: timm name. INFERRED: ViT-B/16 (FaRL, MCF).
        img_size: S, pixels. INFERRED: 224 (FaRL, MCF).
        depth: blocks, where they are not as many as the architecture has; for small models.
        patch_size: P, pixels, where it is not that of the architecture.
        init: `scratch`, or a file of timm-named weights. OURS: scratch, for a clean claim.
        drop_path: stochastic depth. OURS: none.
        checkpointing: recompute activations in the backward pass; less memory, more time, equal numbers.
    """

    arch: str = "vit_base_patch16_224"
    img_size: Count = 224
    depth: Count | None = None
    patch_size: Count | None = None
    init: str = "scratch"
    drop_path: Share = 0.0
    checkpointing: bool = False

    @property
    def changes(self) -> dict[str, Any]:
        """What `timm.create_model` is told beside the name and the size."""
        given = {"depth": self.depth, "patch_size": self.patch_size}
        return {name: value for name, value in given.items() if value is not None}


class MaskConfig(Section):
    """Which patches are replaced. KNOWN: "randomly selected" (caption) and "aligned with regions" (abstract).

    Attributes:
        ratio: share of the L patches, rounded down, the same in every picture. INFERRED: 0.75 (ViCToR, MCF, FSFM).
        mixture: kind of mask to its weight; each picture draws one kind. OURS: half region, half random, so that both
            readings are honoured. `grid` keeps one patch of each 2 x 2 cell and therefore needs a ratio of 0.75.
        region_source: what says where the regions are: `five` or `sixty-eight` points, `parsing` (a label map, which
            is supervision), `template` (aligned crops without points). OURS: five, which any detector gives.
    """

    ratio: Annotated[float, Field(gt=0, lt=1)] = 0.75
    mixture: dict[MaskKind, Weight] = {"region": 0.5, "random": 0.5}
    region_source: Literal["five", "sixty-eight", "parsing", "template"] = "five"

    @model_validator(mode="after")
    def _some_kind(self) -> MaskConfig:
        if not sum(self.mixture.values()) > 0:
            raise ValueError("mixture needs at least one kind with a weight above 0")
        if self.mixture.get("grid", 0) > 0 and self.ratio != 0.75:
            raise ValueError("a grid mask replaces three patches of four: set ratio to 0.75, or grid to 0")
        return self


class CodebookConfig(Section):
    """The patch codebook, learnt end to end (KNOWN), with multiple candidate tokens (KNOWN).

    Attributes:
        size: K, tokens (of each position where `scope` is `position`). INFERRED: 2048 (ViCToR's pool).
        scope: `shared`: one pool; `position`: a pool for each patch position, the other reading of "patch-based".
        candidates: m, the most likely tokens that a choice is made among. OURS: 4.
        select: `sample` draws one of the m and passes the gradient straight through; `argmax` takes the first; `mix`
            adds all m by weight, which leaks the picture through the weights and is for ablation only. OURS: sample.
        key_dim: width of the keys, on the unit sphere. INFERRED: low (BEiT v2, ViT-VQGAN); 64 is ours.
        start: `kmeans` of standardised patches, or `normal` noise (ViCToR). OURS: kmeans.
        kmeans_patches: patches that k-means sees.
        kmeans_iterations: of Lloyd's algorithm.
        code_drop: share of the replaced patches that get one plain mask token instead of a codebook token. OURS: 0.
        restart_every: steps between restarts of dead tokens; 0 for never.
        restart_until: no restarts after this share of the training.
        restart_below: a token is dead when its share of the choices falls below this part of 1/K.
        usage_decay: of the running mean of the choices, a step.
        lr_scale: learning rate of tokens and keys, as a multiple of the rest's. ViCToR: 15 against its language model.
    """

    size: Count = 2048
    scope: Literal["shared", "position"] = "shared"
    candidates: Count = 4
    select: Literal["sample", "argmax", "mix"] = "sample"
    key_dim: Count = 64
    start: Literal["kmeans", "normal"] = "kmeans"
    kmeans_patches: Count = 1_000_000
    kmeans_iterations: Count = 20
    code_drop: Share = 0.0
    restart_every: Annotated[int, Field(ge=0)] = 500
    restart_until: Share = 0.8
    restart_below: Weight = 0.05
    usage_decay: Share = 0.99
    lr_scale: Weight = 1.0

    @model_validator(mode="after")
    def _enough_tokens(self) -> CodebookConfig:
        if self.candidates > self.size:
            raise ValueError(f"candidates ({self.candidates}) cannot be more than size ({self.size})")
        return self


class BeliefConfig(Section):
    """The Belief Predictor: from the pixels of one patch to a belief over the codebook (KNOWN, without its form).

    Attributes:
        hidden: width of its two hidden layers; 0 for the width of the encoder. OURS.
        scale: of the cosine logits at the start, learnt. OURS.
        scale_max: its bound. OURS.
    """

    hidden: Annotated[int, Field(ge=0)] = 0
    scale: Annotated[float, Field(gt=0)] = 10.0
    scale_max: Annotated[float, Field(gt=0)] = 50.0


class IncubationConfig(Section):
    """The incubation stage: in the first epoch the belief is supervised (KNOWN, without its target).

    Attributes:
        epochs: how long. KNOWN: the initial epoch.
        target: `sinkhorn`: balanced soft assignment of the patches of a batch; `hungarian`: one token at most once in
            a picture (ViCToR). OURS: sinkhorn, which is balanced over the batch and runs on a GPU.
        decay: `none`, or `linear` to 0 over the stage. OURS.
        epsilon: temperature of the assignment.
        iterations: of Sinkhorn's algorithm.
    """

    epochs: Weight = 1.0
    target: Literal["sinkhorn", "hungarian"] = "sinkhorn"
    decay: Literal["none", "linear"] = "none"
    epsilon: Annotated[float, Field(gt=0)] = 0.05
    iterations: Count = 3


class DecoderConfig(Section):
    """The decoder, thrown away after pre-training. OURS: four blocks of MAE's width 512 (MAE and MCF have eight).

    Attributes:
        width: of its tokens.
        depth: blocks.
        heads: of each attention.
    """

    width: Count = 512
    depth: Annotated[int, Field(ge=0)] = 4
    heads: Count = 16

    @model_validator(mode="after")
    def _whole_heads(self) -> DecoderConfig:
        if self.width % self.heads or self.width % 4:
            raise ValueError(f"width ({self.width}) must be a multiple of heads ({self.heads}) and of 4")
        return self


class LossConfig(Section):
    """Weights of the losses; 0 switches a term off. All weights are OURS: the paper's are not known.

    Attributes:
        kind: of the reconstruction: `mse` on standardised pixels (MAE), or `smoothl1` (beta 0.01, times 10: ViCToR).
        visible: of the patches that were not replaced. KNOWN: the *original image* is predicted, so not 0.
        align: patch-pixel alignment: the pixel head of a chosen token against the patch it stands for.
        incubation: supervision of the belief during incubation.
        spatial: spatial consistency: relations between patch features against the teacher's on the whole picture.
        spatial_centred: take the mean over the picture away first; without it equal features cost nothing.
        balance: all tokens should be chosen equally often over the batch.
        geometry: where regions are and how they lie to each other; uses landmarks, so it is weak supervision. Off.
        tokens: predict the belief of dropped patches from context (mc-BEiT); needs `code_drop`. Off.
    """

    kind: Literal["mse", "smoothl1"] = "mse"
    visible: Weight = 0.1
    align: Weight = 0.25
    incubation: Weight = 1.0
    spatial: Weight = 0.1
    spatial_centred: bool = True
    balance: Weight = 0.1
    geometry: Weight = 0.0
    tokens: Weight = 0.0


class TeacherConfig(Section):
    """The teacher: a running mean of the encoder. INFERRED: iBOT and DINO; nothing of the paper mentions one.

    Attributes:
        momentum: at the start; it rises to 1 along a cosine.
        enabled: False keeps none; PaCo-FR then needs `loss.spatial` at 0.
    """

    momentum: Share = 0.996
    enabled: bool = True


class DataConfig(Section):
    """Which pictures, and how they are shown.

    Attributes:
        shards: folder that `facebench pretrain prepare` wrote.
        flip: chance of a mirror image; points and regions are mirrored with it. INFERRED: 0.5 (MCF).
        crop: (least, most) area of a random resized crop, or none. INFERRED: none (MCF), so that faces stay aligned.
        limit: at most this many pictures, the first ones of the list; none for all.
        workers: loader processes of each rank.
        shuffle_shards: shards that are shuffled together; more is a better shuffle, fewer is friendlier to a disk.
    """

    shards: Path = Path("shards")
    flip: Share = 0.5
    crop: tuple[Annotated[float, Field(gt=0, le=1)], Annotated[float, Field(gt=0, le=1)]] | None = None
    limit: Count | None = None
    workers: Annotated[int, Field(ge=0)] = 2
    shuffle_shards: Count = 16


class OptimConfig(Section):
    """AdamW, warm-up and cosine. INFERRED: values of MAE, MCF and FSFM.

    Attributes:
        epochs: passes over the pictures; fractions are allowed.
        steps: steps instead of epochs, where it is given.
        batch: pictures of a step, over all ranks and micro-batches.
        accumulate: micro-batches that a rank divides its part of a step into. Balance and Sinkhorn's assignment are
            then over one micro-batch of all ranks at a time; every other term is that of the whole step.
        base_lr: learning rate for a batch of 256; the rate is `base_lr * batch / 256`.
        betas: of AdamW.
        weight_decay: of matrices; norms, biases, positions and tokens have none.
        warmup: share of the steps in which the rate rises.
        clip: largest norm of the gradient.
        precision: `fp32`, or `bf16` autocast.
        compile: let torch compile the encoder and the decoder.
    """

    epochs: Annotated[float, Field(gt=0)] = 100.0
    steps: Count | None = None
    batch: Count = 2048
    accumulate: Count = 1
    base_lr: Annotated[float, Field(gt=0)] = 1.5e-4
    betas: tuple[Share, Share] = (0.9, 0.95)
    weight_decay: Weight = 0.05
    warmup: Share = 0.05
    clip: Annotated[float, Field(gt=0)] = 1.0
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False

    @model_validator(mode="after")
    def _whole_parts(self) -> OptimConfig:
        if self.batch % self.accumulate:
            raise ValueError(f"batch ({self.batch}) must be a multiple of accumulate ({self.accumulate})")
        return self


class RunConfig(Section):
    """Where and how often a run writes.

    Attributes:
        output: folder of the run.
        seed: of weights, order, masks and choices.
        log_every: steps between lines of the log.
        save_every: steps between checkpoints.
        keep: newest checkpoints that are kept.
        export_every: steps between exported encoders; 0 for only the last.
        picture_every: steps between pictures of reconstructions; 0 for only the last.
        tensorboard: write TensorBoard files beside the JSON lines.
    """

    output: Path = Path("runs/pretrain")
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    log_every: Count = 50
    save_every: Count = 1000
    keep: Count = 2
    export_every: Annotated[int, Field(ge=0)] = 0
    picture_every: Annotated[int, Field(ge=0)] = 1000
    tensorboard: bool = True
