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
    path = write(tmp_path / "x.safetensors", encoder.state_dict(), method="mae")
    with pytest.raises(FacebenchError, match=f"its method is 'mae', wanted '{METHOD}'"):
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
