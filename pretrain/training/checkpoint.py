"""Checkpoints: everything that a training goes on from, in one file that appears whole or not at all.

A torch file of plain tensors, numbers and texts, read with `weights_only=True`:

    format          `paco-fr-checkpoint.v1`
    step            steps done
    method          the state of the whole method by name; what starts with `encoder.` are timm's names of the encoder
    optimizer       the state of AdamW
    rng             torch's generators; nothing depends on them, as each step seeds anew from (seed, step)
    metrics         what the monitor has added up since the last line of the log, and what it has already said
    config          the resolved configuration, JSON
    header          what an exported encoder says of itself (facebench.backbones.paco_fr)

The schedule and the place of the loader are functions of `step`. A file whose checksums do not hold is passed over for
the one before.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from facebench.errors import DataError, FacebenchError, UsageError
from pretrain.config import PretrainConfig
from pretrain.settings import differences
from pretrain.training.folder import RunFolder
from pretrain.training.whole_file import write_whole

FORMAT = "paco-fr-checkpoint.v1"
_FIELDS = ("format", "step", "method", "optimizer", "rng", "metrics", "config", "header")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A training after `step` steps; the fields are the module's table."""

    step: int
    method: Mapping[str, Any]
    optimizer: Mapping[str, Any]
    rng: Mapping[str, Any]
    metrics: Mapping[str, Any]
    config: PretrainConfig
    header: Mapping[str, str]


def save(checkpoint: Checkpoint, folder: RunFolder, *, keep: int) -> Path:
    """Write `checkpoint`, then drop all but the newest `keep`. Raises `DataError`; older ones are then still there."""
    path = folder.checkpoint(checkpoint.step)
    content = {
        "format": FORMAT,
        "step": checkpoint.step,
        "method": dict(checkpoint.method),
        "optimizer": dict(checkpoint.optimizer),
        "rng": dict(checkpoint.rng),
        "metrics": dict(checkpoint.metrics),
        "config": checkpoint.config.model_dump_json(),
        "header": dict(checkpoint.header),
    }
    before = next(iter(folder.checkpoints()), None)
    kept = f"the checkpoint before it is whole: {before}" if before else "no checkpoint was written before it"
    write_whole(path, lambda file: torch.save(content, file), kept=kept)
    for old in folder.checkpoints()[keep:]:
        old.unlink(missing_ok=True)
    return path


def newest(folder: RunFolder, *, note: Callable[[str], None]) -> Path | None:
    """The newest whole checkpoint; None where there is none at all. Raises `DataError` where every one is damaged."""
    found = folder.checkpoints()
    for path in found:
        trouble = _damage(path)
        if trouble is None:
            return path
        note(f"checkpoint {path} is damaged ({trouble}); the one before it is taken")
    if found:
        raise DataError(
            f"no checkpoint in {found[0].parent} is whole; remove them to begin anew, or put a good one there"
        )
    return None


def load(path: Path) -> Checkpoint:
    """The checkpoint in `path`. Raises `UsageError` (no such file), `FacebenchError` (not one of ours)."""
    if not path.is_file():
        raise UsageError(f"checkpoint {path} does not exist")
    trouble = _damage(path)
    if trouble is not None:
        raise FacebenchError(f"{path} is no whole checkpoint: {trouble}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as cause:
        raise FacebenchError(
            f"{path} is no checkpoint of a pre-training: {str(cause).splitlines()[0][:160]}"
        ) from cause
    if not isinstance(content, dict) or content.get("format") != FORMAT or any(f not in content for f in _FIELDS):
        raise FacebenchError(f"{path} is no checkpoint of a pre-training (wanted format {FORMAT!r})")
    return Checkpoint(
        step=content["step"],
        method=content["method"],
        optimizer=content["optimizer"],
        rng=content["rng"],
        metrics=content["metrics"],
        config=PretrainConfig.model_validate_json(content["config"]),
        header=content["header"],
    )


def check_fits(checkpoint: Checkpoint, config: PretrainConfig, data_digest: str, path: Path) -> None:
    """Raise `UsageError` where `checkpoint` was made with other choices or on other pictures."""
    if checkpoint.config.digest != config.digest:
        raise UsageError(f"{path} was trained with other settings: {differences(checkpoint.config, config)}")
    if checkpoint.header["data_digest"] != data_digest:
        raise UsageError(
            f"{path} was trained on other pictures: their digest was {checkpoint.header['data_digest'][:12]}, "
            f"is {data_digest[:12]}; name the same shards with data.shards=DIR, or another run.output"
        )


def load_method(method: torch.nn.Module, checkpoint: Checkpoint, path: Path) -> None:
    """Put the state of `checkpoint` into `method`. Raises `FacebenchError` naming what does not fit."""
    own = method.state_dict()
    missing, foreign = sorted(own.keys() - checkpoint.method), sorted(checkpoint.method.keys() - own.keys())
    shapes = [n for n in own if n in checkpoint.method and own[n].shape != checkpoint.method[n].shape]
    if missing or foreign or shapes:
        named = [
            f"{what} {len(names)} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
            for what, names in (("lacks", missing), ("has unknown", foreign), ("has other shapes", shapes))
            if names
        ]
        arch = checkpoint.config.encoder.arch
        raise FacebenchError(f"{path} does not fit the method (it holds {arch}): it {'; '.join(named)}")
    method.load_state_dict(dict(checkpoint.method), strict=True)


def generators() -> dict[str, Any]:
    """State of torch's generators, to be stored."""
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": devices}


def set_generators(state: Mapping[str, Any]) -> None:
    """Put torch's generators back; a machine with another number of GPUs keeps its own of those."""
    torch.set_rng_state(state["cpu"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])


def _damage(path: Path) -> str | None:
    """What is wrong with a file of torch's format, whose records carry checksums; None where all hold."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError) as cause:
        return str(cause)
    return None if broken is None else f"the checksum of {broken} does not hold"
