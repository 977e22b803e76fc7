"""A whole pre-training run: its sections put together, and what tells one run from another.

A configuration is a YAML file and any number of `section.field=value` from the command line; what is not a field is
refused with the nearest name. The resolved configuration is printed, stored beside the run, and hashed into the header
of every exported encoder. The fields, and where their defaults come from, stand in `pretrain.sections`.
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from pydantic import model_validator

from pretrain.sections import (
    BeliefConfig,
    CodebookConfig,
    DataConfig,
    DecoderConfig,
    EncoderConfig,
    IncubationConfig,
    LossConfig,
    MaskConfig,
    OptimConfig,
    RunConfig,
    Section,
    TeacherConfig,
)

FREE = frozenset(
    {f"run.{name}" for name in ("output", "log_every", "save_every", "keep", "export_every", "picture_every")}
    | {"run.tensorboard", "data.shards", "data.workers", "optim.compile", "encoder.checkpointing"}
)
"""Fields in which two calls of one run may differ: where and how often it writes, and how it is computed."""


class PretrainConfig(Section):
    """A whole run. `method` is `paco-fr`, or a baseline on the same data: `mae` (visible tokens only), `simmim`."""

    method: Literal["paco-fr", "mae", "simmim"] = "paco-fr"
    encoder: EncoderConfig = EncoderConfig()
    mask: MaskConfig = MaskConfig()
    codebook: CodebookConfig = CodebookConfig()
    belief: BeliefConfig = BeliefConfig()
    incubation: IncubationConfig = IncubationConfig()
    decoder: DecoderConfig = DecoderConfig()
    loss: LossConfig = LossConfig()
    teacher: TeacherConfig = TeacherConfig()
    data: DataConfig = DataConfig()
    optim: OptimConfig = OptimConfig()
    run: RunConfig = RunConfig()

    @model_validator(mode="after")
    def _fits_together(self) -> PretrainConfig:
        if self.method == "paco-fr" and self.loss.spatial > 0 and not self.teacher.enabled:
            raise ValueError("loss.spatial needs a teacher: set teacher.enabled to true, or loss.spatial to 0")
        if self.loss.tokens > 0 and self.codebook.code_drop == 0:
            raise ValueError("loss.tokens predicts dropped patches: set codebook.code_drop above 0")
        if self.loss.tokens > 0 and self.codebook.scope == "position":
            raise ValueError("loss.tokens names tokens of one pool: set codebook.scope to shared, or loss.tokens to 0")
        return self

    @property
    def supervision(self) -> str:
        """Which labels the training learns from, in words: `none`, or `parsing maps`, `landmarks`."""
        maps = self.mask.region_source == "parsing"
        points = self.method == "paco-fr" and self.loss.geometry > 0
        return " and ".join(["parsing maps"] * maps + ["landmarks"] * points) or "none"

    @property
    def digest(self) -> str:
        """Hash (sha256, hex) over every choice."""
        return hashlib.sha256(json.dumps(self.choices, sort_keys=True).encode()).hexdigest()

    @property
    def choices(self) -> dict[str, object]:
        """Every field by its full name, `optim.batch`, but for those of `FREE`."""
        sections = self.model_dump(mode="json")
        flat = {"method": sections.pop("method")}
        flat |= {f"{section}.{name}": value for section, fields in sections.items() for name, value in fields.items()}
        return {name: value for name, value in flat.items() if name not in FREE}
