"""Exported encoders: timm's names, a header, and a strict load into the timm model before anything is written.

The header is the one that `facebench.backbones.paco_fr` reads. With `fp16` weights are rounded to half precision: half
the size, and the file says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import torch

from facebench.errors import FacebenchError
from pretrain.config import PretrainConfig
from pretrain.method.encoder import MEAN, STD, build_encoder
from pretrain.sections import EncoderConfig
from pretrain.training.checkpoint import Checkpoint, load
from pretrain.training.whole_file import write_whole

if TYPE_CHECKING:
    from torch import Tensor

Part = Literal["encoder", "teacher"]
PARTS: Final[tuple[Part, Part]] = ("encoder", "teacher")
Precision = Literal["fp32", "fp16"]

METHODS = {"paco-fr": "paco-fr-reconstruction", "mae": "mae", "simmim": "simmim"}
"""What the header calls each method: ours is a reconstruction, and no file of ours says anything else."""

TARGET = "each patch by its own mean and standard deviation"
HEALTH = ("perplexity", "used")


def header(
    config: PretrainConfig, *, data_digest: str, step: int, epoch: float, told: Mapping[str, Any]
) -> dict[str, str]:
    """What an encoder after `step` steps says of itself; `told` is the last line of the log."""
    health = {name: told[name] for name in HEALTH if told.get(name) is not None}
    changes = {"changes": json.dumps(config.encoder.changes)} if config.encoder.changes else {}
    return {
        "method": METHODS[config.method],
        "arch": config.encoder.arch,
        "img_size": json.dumps(config.encoder.img_size),
        "mean": json.dumps(MEAN),
        "std": json.dumps(STD),
        "config_digest": config.digest,
        "data_digest": data_digest,
        "norm": TARGET,
        "supervision": config.supervision,
        "epoch": json.dumps(round(epoch, 4)),
        "step": json.dumps(step),
        "health": json.dumps(health),
        **changes,
    }


def export(path: Path, output: Path, *, part: Part = "encoder", precision: Precision = "fp32") -> Checkpoint:
    """Write the encoder of the checkpoint at `path` to `output`. Raises `FacebenchError`, `DataError`."""
    checkpoint = load(path)
    weights = weights_of(checkpoint.method, part)
    if not weights:
        raise FacebenchError(f"{path} holds no {part}: the run kept none (teacher.enabled is false)")
    write_encoder(output, weights, checkpoint.header, checkpoint.config.encoder, part=part, precision=precision)
    return checkpoint


def weights_of(state: Mapping[str, Any], part: Part) -> dict[str, Tensor]:
    """Tensors of the encoder or the teacher in the state of a method, by timm's names."""
    return {name.removeprefix(f"{part}."): t for name, t in state.items() if name.startswith(f"{part}.")}


def write_encoder(
    path: Path,
    weights: Mapping[str, Tensor],
    said: Mapping[str, str],
    config: EncoderConfig,
    *,
    part: Part = "encoder",
    precision: Precision = "fp32",
) -> None:
    """Write `weights` with the header `said`.

    Raises:
        FacebenchError: the weights are not exactly those of the timm model, or not finite in this precision.
        DataError: the file cannot be written.
    """
    from safetensors.torch import save

    kind = torch.float16 if precision == "fp16" else torch.float32
    cast = {name: tensor.detach().to("cpu", kind).contiguous() for name, tensor in weights.items()}
    broken = [name for name, tensor in cast.items() if not bool(tensor.isfinite().all())]
    if broken:
        raise FacebenchError(f"the {part} holds NaN or numbers too large for {precision} in {', '.join(broken[:3])}")
    _check_strict(cast, config, part)
    content = save(cast, metadata={**said, "part": part, "precision": precision})
    write_whole(path, lambda file: file.write(content))


def _check_strict(weights: Mapping[str, Tensor], config: EncoderConfig, part: Part) -> None:
    with torch.random.fork_rng(devices=[]):
        model = build_encoder(config.model_copy(update={"init": "scratch"}))
    try:
        model.load_state_dict(dict(weights), strict=True)
    except RuntimeError as cause:
        raise FacebenchError(f"the {part} is not timm's {config.arch}: {' '.join(str(cause).split())[:300]}") from cause
