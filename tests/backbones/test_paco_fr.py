"""The file that PaCo-FR pre-training exports: read strictly, or told what it is instead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from facebench.backbones.paco_fr import BACKBONE, METHOD, REQUIRED
from facebench.backbones.timm import build
from facebench.errors import FacebenchError, UsageError
from tests.backbones.pictures import noise

ARCH = "vit_tiny_patch16_224"
HEADER = {
    "method": METHOD,
    "arch": ARCH,
    "img_size": json.dumps(64),
    "mean": json.dumps([0.1, 0.2, 0.3]),
    "std": json.dumps([0.5, 0.25, 1.0]),
    "config_digest": "c" * 64,
    "data_digest": "d" * 64,
}


@pytest.fixture(scope="module")
def encoder() -> Any:
    return build(ARCH, seed=4, input_size=64)


def write(path: Path, weights: dict[str, Tensor], **changed: str | None) -> Path:
    """A file as pre-training writes it; a field changed to None is left out."""
    header = {k: v for k, v in (HEADER | changed).items() if v is not None}
    save_file({k: v.contiguous() for k, v in weights.items()}, path, metadata=header)
    return path


def test_the_encoder_comes_back(tmp_path: Path, encoder: Any) -> None:
    path = write(tmp_path / "last.safetensors", encoder.state_dict(), norm="per patch")
    backbone = BACKBONE.open(str(path), None)
    assert backbone.input_size == 64
    assert backbone.record.weights == "file"
    assert backbone.record.spec == f"paco-fr:{path}"
    assert "last.safetensors" in backbone.record.name
    details = backbone.record.details
    assert (details["mean"], details["std"]) == ([0.1, 0.2, 0.3], [0.5, 0.25, 1.0])
    assert (details["method"], details["arch"], details["norm"]) == (METHOD, ARCH, "per patch")
    assert (details["config_digest"], details["data_digest"]) == ("c" * 64, "d" * 64)
    images = noise(2, 64)
    mean, std = (torch.tensor(details[k]).reshape(1, 3, 1, 1) for k in ("mean", "std"))
    with torch.no_grad():
        tokens = encoder.forward_features((images - mean) / std)
    torch.testing.assert_close(backbone.features(images).pooled, tokens[:, 1:].mean(1))


def test_another_input_size_keeps_the_hash(tmp_path: Path, encoder: Any) -> None:
    path = str(write(tmp_path / "last.safetensors", encoder.state_dict()))
    own, large = BACKBONE.open(path, None), BACKBONE.open(path, 96)
    assert own.record.sha256 == large.record.sha256
    assert large.features(noise(1, 96)).maps[-1].shape == (1, 192, 6, 6)
    assert large.record.details["own_input_size"] == 64


@pytest.mark.parametrize("name", REQUIRED)
def test_a_header_without_a_field_is_refused(tmp_path: Path, encoder: Any, name: str) -> None:
    path = write(tmp_path / "x.safetensors", encoder.state_dict(), **{name: None})
    with pytest.raises(
        FacebenchError, match=rf"x.safetensors is no PaCo-FR encoder: its header lacks {name} \(found: "
    ):
        BACKBONE.open(str(path), None)


def test_a_file_without_header_says_how_else_to_open_it(tmp_path: Path, encoder: Any) -> None:
    path = tmp_path / "x.safetensors"
    save_file(encoder.state_dict(), path)
    with pytest.raises(FacebenchError, match=rf"found: no header.*timm:NAME@{path}"):
        BACKBONE.open(str(path), None)


def test_a_foreign_method_is_named(tmp_path: Path, encoder: Any) -> None:
    path = write(tmp_path / "x.safetensors", encoder.state_dict(), method="dino")
    with pytest.raises(FacebenchError, match=f"its method is 'dino', wanted '{METHOD}' or 'mae' or 'simmim'"):
        BACKBONE.open(str(path), None)


@pytest.mark.parametrize(("method", "title"), [(METHOD, "paco-fr"), ("mae", "mae"), ("simmim", "simmim")])
def test_each_method_is_called_by_its_name(tmp_path: Path, encoder: Any, method: str, title: str) -> None:
    path = write(tmp_path / "x.safetensors", encoder.state_dict(), method=method)
    record = BACKBONE.open(str(path), None).record
    assert record.name == f"{title} {ARCH} (x.safetensors)"
    assert record.details["method"] == method


def test_how_long_it_was_trained_and_how_its_codebook_is_are_in_the_record(tmp_path: Path, encoder: Any) -> None:
    said = {"epoch": "2.5", "step": "1000", "health": '{"perplexity": 81.5, "used": 0.97}', "part": "teacher"}
    record = BACKBONE.open(str(write(tmp_path / "x.safetensors", encoder.state_dict(), **said)), None).record
    assert record.details["epoch"] == 2.5
    assert record.details["step"] == 1000
    assert record.details["health"] == {"perplexity": 81.5, "used": 0.97}
    assert record.name.startswith("paco-fr teacher ")
    plain = BACKBONE.open(str(write(tmp_path / "y.safetensors", encoder.state_dict())), None).record
    assert not {"epoch", "step", "health", "part", "precision"} & plain.details.keys()


def test_an_encoder_of_other_depth_and_patch_than_its_architecture(tmp_path: Path) -> None:
    small = build(ARCH, seed=1, input_size=64, changes={"depth": 2, "patch_size": 8})
    path = write(tmp_path / "x.safetensors", small.state_dict(), changes='{"depth": 2, "patch_size": 8}')
    backbone = BACKBONE.open(str(path), None)
    assert backbone.features(noise(1, 64)).maps[-1].shape == (1, 192, 8, 8)
    assert backbone.record.name == f"paco-fr {ARCH} depth 2 patch 8 (x.safetensors)"
    assert backbone.record.details["changes"] == {"depth": 2, "patch_size": 8}


def test_half_precision_is_read_and_said(tmp_path: Path, encoder: Any) -> None:
    half = {name: tensor.half() for name, tensor in encoder.state_dict().items()}
    backbone = BACKBONE.open(str(write(tmp_path / "x.safetensors", half, precision="fp16")), None)
    assert backbone.record.details["precision"] == "fp16"
    whole = BACKBONE.open(str(write(tmp_path / "y.safetensors", encoder.state_dict())), None)
    images = noise(1, 64)
    torch.testing.assert_close(backbone.features(images).pooled, whole.features(images).pooled, rtol=0.02, atol=0.02)


def checkpoint(path: Path, encoder: Any, **changed: Any) -> Path:
    """A checkpoint of a training, with what else lies in one."""
    method = {f"encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}
    content = {"format": "paco-fr-checkpoint.v1", "method": method | {"decoder.w": torch.zeros(2)}, "header": HEADER}
    torch.save(content | changed, path)
    return path


def test_a_checkpoint_of_a_training_is_its_encoder(tmp_path: Path, encoder: Any) -> None:
    during = BACKBONE.open(str(checkpoint(tmp_path / "step.pt", encoder)), None)
    after = BACKBONE.open(str(write(tmp_path / "step.safetensors", encoder.state_dict())), None)
    assert during.record.sha256 == after.record.sha256
    images = noise(2, 64)
    assert torch.equal(during.features(images).pooled, after.features(images).pooled)


def test_checkpoints_that_are_none(tmp_path: Path, encoder: Any) -> None:
    with pytest.raises(FacebenchError, match=r"x\.pt is no checkpoint of a pre-training"):
        BACKBONE.open(str(checkpoint(tmp_path / "x.pt", encoder, format="other")), None)
    with pytest.raises(FacebenchError, match=r"y\.pt does not fit the model: missing"):
        BACKBONE.open(str(checkpoint(tmp_path / "y.pt", encoder, method={})), None)
    with pytest.raises(UsageError, match="does not exist"):
        BACKBONE.open(str(tmp_path / "gone.pt"), None)
    with pytest.raises(UsageError, match="is a folder; name a file in it"):
        BACKBONE.open(str(tmp_path), None)


def test_a_checkpoint_with_a_flipped_bit_is_refused(tmp_path: Path, encoder: Any) -> None:
    path = checkpoint(tmp_path / "x.pt", encoder)
    content = bytearray(path.read_bytes())
    content[content.index(encoder.state_dict()["pos_embed"].numpy().tobytes()) + 1] ^= 1
    path.write_bytes(content)
    with pytest.raises(FacebenchError, match=r"x\.pt is damaged: the checksum of"):
        BACKBONE.open(str(path), None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("img_size", "sixty-four"),
        ("img_size", "0"),
        ("img_size", "64.5"),
        ("img_size", "true"),
        ("img_size", "100"),
        ("mean", "[0.5, 0.5]"),
        ("mean", "[0.5, 0.5, NaN]"),
        ("std", "[0.5, 0.5, 0]"),
        ("std", "0.5"),
        ("std", '["a", "b", "c"]'),
        ("arch", "vit_tiny_patch16_225"),
        ("arch", "resnet10t"),
        ("epoch", "soon"),
        ("step", "-1"),
        ("changes", '{"width": 3}'),
        ("changes", '{"depth": 0}'),
        ("health", "[1]"),
        ("health", '{"used": "all"}'),
    ],
)
def test_a_header_that_makes_no_sense_is_named(tmp_path: Path, encoder: Any, field: str, value: str) -> None:
    path = write(tmp_path / "x.safetensors", encoder.state_dict(), **{field: value})
    with pytest.raises(FacebenchError, match=r"x\.safetensors") as error:
        BACKBONE.open(str(path), None)
    assert "\n" not in str(error.value)


def test_keys_must_be_exact(tmp_path: Path, encoder: Any) -> None:
    weights = dict(encoder.state_dict())
    del weights["norm.bias"]
    path = write(tmp_path / "x.safetensors", weights | {"decoder.weight": torch.zeros(1)})
    with pytest.raises(FacebenchError, match=r"missing 1 key \(norm.bias\); unexpected 1 key \(decoder.weight\)"):
        BACKBONE.open(str(path), None)


def test_a_header_whose_size_is_not_that_of_the_weights(tmp_path: Path, encoder: Any) -> None:
    path = write(tmp_path / "x.safetensors", encoder.state_dict(), img_size="224")
    with pytest.raises(FacebenchError, match=r"pos_embed is \(1, 17, 192\), wanted \(1, 197, 192\)"):
        BACKBONE.open(str(path), None)


def test_files_that_are_no_safetensors(tmp_path: Path, encoder: Any) -> None:
    torch.save(encoder.state_dict(), tmp_path / "x.pth")
    with pytest.raises(FacebenchError, match=r"x\.pth is not a whole safetensors file"):
        BACKBONE.open(str(tmp_path / "x.pth"), None)
    with pytest.raises(UsageError, match="does not exist"):
        BACKBONE.open(str(tmp_path / "gone.safetensors"), None)
    with pytest.raises(UsageError, match="write paco-fr:FILE"):
        BACKBONE.open("", None)


def test_random_weights_of_the_architecture_that_a_file_describes(tmp_path: Path, encoder: Any) -> None:
    path = write(tmp_path / "encoder.safetensors", encoder.state_dict())
    trained = BACKBONE.open(str(path), None)
    first, again, other = (BACKBONE.open(f"{path}@random:{seed}", None) for seed in (0, 0, 1))
    assert first.record.sha256 == again.record.sha256
    assert len({b.record.sha256 for b in (trained, first, other)}) == 3
    assert first.record.weights == "random:0"
    assert "random 0" in first.record.name
    assert "method" not in first.record.details
    with pytest.raises(UsageError, match="need a seed"):
        BACKBONE.open(f"{path}@random:", None)


def test_a_bare_name_is_an_encoder_that_ships() -> None:
    with pytest.raises(UsageError, match="unknown shipped encoder 'small-pacofr'"):
        BACKBONE.open("small-pacofr", None)
