"""What a training hands over: timm's names, and the same features on both sides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from facebench.backbones.paco_fr import BACKBONE, CHECKPOINT, METHODS
from facebench.backbones.timm import import_timm
from facebench.errors import FacebenchError
from pretrain.method.encoder import embed, encode, of_patches
from pretrain.method.methods import build_method
from pretrain.training import checkpoint as checkpoints
from pretrain.training import export as exports
from pretrain.training.checkpoint import load, load_method
from pretrain.training.export import export, weights_of, write_encoder
from pretrain.training.folder import RunFolder
from pretrain.training.train import train
from tests.backbones.pictures import noise
from tests.pretrain.toy import Noise, tiny


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A training of the real method, of six steps, an encoder every two."""
    output = tmp_path_factory.mktemp("run")
    config = tiny("paco-fr", output, optim={"steps": 6}, run={"export_every": 2, "output": output, "picture_every": 4})
    return train(config, Noise(config))


def features_in_training(folder: RunFolder, images: Tensor, part: str) -> Tensor:
    """(N, D): the mean patch token, as the method itself computes it."""
    path = folder.checkpoints()[0]
    checkpoint = load(path)
    method = build_method(checkpoint.config).eval()
    load_method(method, checkpoint, path)
    module: Any = getattr(method, part)
    with torch.no_grad():
        return of_patches(module, encode(module, embed(module, images))).mean(1)


def test_both_sides_see_the_same_features(finished: RunFolder) -> None:
    images = noise(3, 32)
    for part, path in (("encoder", finished.encoder(6)), ("teacher", finished.teacher(6))):
        backbone = BACKBONE.open(str(path), None)
        torch.testing.assert_close(backbone.features(images).pooled, features_in_training(finished, images, part))


def test_a_checkpoint_is_the_same_backbone_as_its_export(finished: RunFolder) -> None:
    checkpoint, exported = finished.checkpoints()[0], finished.encoder(6)
    one, other = (BACKBONE.open(str(path), None) for path in (checkpoint, exported))
    assert one.record.sha256 == other.record.sha256
    assert one.record.details == other.record.details


def test_the_two_packages_agree_on_their_words() -> None:
    assert checkpoints.FORMAT == CHECKPOINT
    assert set(exports.METHODS.values()) == set(METHODS)


def test_timm_takes_the_file_strictly(finished: RunFolder) -> None:
    model = import_timm().create_model("test_vit", num_classes=0, img_size=32)
    model.load_state_dict(load_file(finished.encoder(6)), strict=True)


def test_the_header_says_what_it_is(finished: RunFolder) -> None:
    with safe_open(finished.encoder(4), framework="pt") as file:
        header = file.metadata()
    assert header["method"] == "paco-fr-reconstruction"
    assert (header["arch"], header["img_size"]) == ("test_vit", "32")
    assert json.loads(header["mean"]) == [0.485, 0.456, 0.406]
    assert (header["step"], header["epoch"], header["part"]) == ("4", "0.8", "encoder")  # 4 * 8 of 40 pictures
    assert {"perplexity", "used"} == json.loads(header["health"]).keys()
    assert header["config_digest"] == load(finished.checkpoints()[0]).config.digest
    assert header["data_digest"] == "d" * 64
    assert header["supervision"] == "none"


def test_what_a_finished_run_leaves(finished: RunFolder) -> None:
    names = {str(p.relative_to(finished.root)) for p in finished.root.rglob("*") if p.is_file()}
    assert names == {
        ".lock", "config.yaml", "log.jsonl",
        "checkpoints/step-00000005.pt", "checkpoints/step-00000006.pt",
        "encoders/step-00000002.safetensors", "encoders/step-00000004.safetensors",
        "encoders/step-00000006.safetensors", "teachers/step-00000006.safetensors",
        "pictures/step-00000004.png", "pictures/step-00000006.png", "pictures/codebook.png",
    }  # fmt: skip


def test_an_encoder_that_is_not_its_architecture_is_built_as_it_was(tmp_path: Path) -> None:
    small = {"arch": "test_vit", "img_size": 32, "depth": 2, "patch_size": 8}
    config = tiny("mae", tmp_path, encoder=small, optim={"steps": 1})
    folder = train(config, Noise(config))
    images = noise(2, 32)
    backbone = BACKBONE.open(str(folder.encoder(1)), None)
    torch.testing.assert_close(backbone.features(images).pooled, features_in_training(folder, images, "encoder"))


@pytest.mark.parametrize("method", ["mae", "simmim"])
def test_baselines_are_consumed_under_their_own_names(tmp_path: Path, method: str) -> None:
    config = tiny(method, tmp_path, optim={"steps": 2})
    folder = train(config, Noise(config))
    record = BACKBONE.open(str(folder.encoder(2)), None).record
    assert record.details["method"] == method
    assert "health" not in record.details


def test_half_precision_is_half_the_size_and_nearly_the_same(finished: RunFolder, tmp_path: Path) -> None:
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    export(finished.checkpoints()[0], whole)
    export(finished.checkpoints()[0], half, precision="fp16")
    assert half.stat().st_size < 0.55 * whole.stat().st_size
    for name, tensor in load_file(half).items():
        assert tensor.dtype == torch.float16
        torch.testing.assert_close(tensor.float(), load_file(whole)[name], rtol=1e-3, atol=1e-6)


def test_a_run_without_a_teacher_has_none_to_export(tmp_path: Path) -> None:
    config = tiny("mae", tmp_path, optim={"steps": 1}, teacher={"enabled": False})
    folder = train(config, Noise(config))
    assert not folder.teacher(1).exists()
    with pytest.raises(FacebenchError, match="holds no teacher: the run kept none"):
        export(folder.checkpoints()[0], tmp_path / "x.safetensors", part="teacher")


def test_weights_that_are_not_timms_are_never_written(finished: RunFolder, tmp_path: Path) -> None:
    checkpoint = load(finished.checkpoints()[0])
    weights = weights_of(checkpoint.method, "encoder")
    out = tmp_path / "x.safetensors"
    for wrong, message in (
        (weights | {"extra": torch.zeros(1)}, r"is not timm's test_vit: .*extra"),
        ({k: v for k, v in weights.items() if k != "norm.bias"}, r"is not timm's test_vit: .*norm\.bias"),
        (weights | {"norm.bias": torch.full_like(weights["norm.bias"], torch.nan)}, r"holds NaN .* in norm\.bias"),
    ):
        with pytest.raises(FacebenchError, match=message):
            write_encoder(out, wrong, checkpoint.header, checkpoint.config.encoder)
    large = weights | {"norm.bias": torch.full_like(weights["norm.bias"], 1e5)}
    with pytest.raises(FacebenchError, match=r"too large for fp16 in norm\.bias"):
        write_encoder(out, large, checkpoint.header, checkpoint.config.encoder, precision="fp16")
    assert not out.exists()
