"""timm as a source: weights named or refused, maps of every family, sizes, seeds."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from facebench.backbones.encoder import check_maps
from facebench.backbones.intermediates import choose_layers
from facebench.backbones.timm import BACKBONE, build, import_timm, pretrained_weights
from facebench.errors import FacebenchError, UsageError
from facebench.types import Backbone
from tests.backbones.pictures import noise

VIT = "vit_tiny_patch16_224"

# name, side, maps (D, h, w) by hand from the papers' strides: ViT /16 all depths; the others /4 /8 /16 /32
FAMILIES = [
    (VIT, 64, [(192, 4, 4)] * 4),
    ("swin_tiny_patch4_window7_224", 64, [(96, 16, 16), (192, 8, 8), (384, 4, 4), (768, 2, 2)]),
    ("convnext_atto", 64, [(40, 16, 16), (80, 8, 8), (160, 4, 4), (320, 2, 2)]),
    ("resnet10t", 64, [(64, 16, 16), (128, 8, 8), (256, 4, 4), (512, 2, 2)]),
    ("vit_tiny_r_s16_p8_224", 64, [(192, 2, 2)] * 4),
]


def open_(rest: str, size: int | None = 64) -> Any:
    return BACKBONE.open(rest, size)


@pytest.mark.parametrize(("name", "side", "shapes"), FAMILIES)
def test_each_family_gives_its_maps_from_shallow_to_deep(name: str, side: int, shapes: list[tuple[int, ...]]) -> None:
    backbone = open_(f"{name}@random:0", side)
    assert isinstance(backbone, Backbone)
    features = backbone.features(noise(2, side))
    assert [tuple(m.shape[1:]) for m in features.maps] == shapes
    assert backbone.record.details["maps"] == [list(s) for s in shapes]
    assert features.pooled.shape == (2, shapes[-1][0])
    assert {m.dtype for m in (*features.maps, features.pooled)} == {torch.float32}


def test_vit_layers_are_evenly_spaced_and_the_last_is_normed() -> None:
    backbone = open_(f"{VIT}@random:0")
    assert backbone.record.details["layers"] == ["blocks.2", "blocks.5", "blocks.8", "blocks.11"]
    images = noise(2, 64)
    vit = backbone.module
    normed = (images - 0.5) / 0.5  # this model's own mean and std
    tokens = vit.forward_features(normed)  # (N, 1 + 16, 192), final norm included
    deepest = backbone.features(images).maps[-1]
    torch.testing.assert_close(deepest.flatten(2).transpose(1, 2), tokens[:, 1:])
    torch.testing.assert_close(backbone.features(images).pooled, tokens[:, 1:].mean(1))


def test_shallow_vit_maps_are_the_raw_output_of_their_block() -> None:
    backbone = open_(f"{VIT}@random:0")
    seen: list[torch.Tensor] = []
    handle = backbone.module.blocks[2].register_forward_hook(lambda _m, _i, output: seen.append(output))
    features = backbone.features(noise(1, 64))
    handle.remove()
    torch.testing.assert_close(features.maps[0].flatten(2).transpose(1, 2), seen[0][:, 1:])


@pytest.mark.parametrize(
    ("sides", "layers"),
    [
        ([14] * 12, (2, 5, 8, 11)),  # ViT-B
        ([14] * 24, (5, 11, 17, 23)),  # ViT-L
        ([14] * 6, (0, 2, 3, 5)),
        ([14] * 3, (0, 1, 2)),
        ([14], (0,)),
        ([112, 56, 28, 14, 7], (1, 2, 3, 4)),  # ResNet: the stem is left out
        ([56, 28, 14, 7], (0, 1, 2, 3)),  # Swin, ConvNeXt
        ([56, 56, 28, 28, 14, 14, 14], (1, 3, 6)),  # the last of each resolution
    ],
)
def test_choice_of_layers_by_hand(sides: list[int], layers: tuple[int, ...]) -> None:
    assert choose_layers(sides) == layers


def test_the_model_owns_its_mean_and_std() -> None:
    vit, convnext = open_(f"{VIT}@random:0"), open_("convnext_atto@random:0")
    assert vit.record.details["mean"] == [0.5, 0.5, 0.5]
    assert convnext.record.details["mean"] == [0.485, 0.456, 0.406]
    assert convnext.record.details["std"] == [0.229, 0.224, 0.225]
    images = noise(1, 64)
    mean, std = (torch.tensor(convnext.record.details[k]).reshape(1, 3, 1, 1) for k in ("mean", "std"))
    by_hand = convnext.module.forward_features((images - mean) / std)
    torch.testing.assert_close(convnext.features(images).maps[-1], by_hand)


def test_same_seed_same_weights_other_seed_others() -> None:
    first, again, other = (open_(f"{VIT}@random:{seed}") for seed in (0, 0, 1))
    assert first.record.sha256 == again.record.sha256 != other.record.sha256
    assert len(first.record.sha256) == 64
    assert (first.record.weights, other.record.weights) == ("random:0", "random:1")
    assert first.record.name != other.record.name  # a table tells them apart, and from the pre-trained one
    assert VIT in first.record.name


def test_opening_leaves_every_generator_where_it_was() -> None:
    torch.manual_seed(7)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    open_("resnet10t@random:5")
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert np.array_equal(np.random.get_state()[1], states[2])  # noqa: NPY002


def test_features_are_the_same_twice_and_carry_no_gradient() -> None:
    backbone = open_("resnet10t@random:0")
    backbone.module.train()  # a fine-tuning protocol may have left it so
    images = noise(3, 64)
    first, second = backbone.features(images), backbone.features(images)
    assert all(torch.equal(a, b) for a, b in zip(first.maps, second.maps, strict=True))
    assert not first.pooled.requires_grad
    assert backbone.encode(images).pooled.requires_grad


def test_another_input_size_changes_the_grid_but_not_who_it_is() -> None:
    own, small = open_(f"{VIT}@random:0", None), open_(f"{VIT}@random:0", 112)
    assert (own.input_size, small.input_size) == (224, 112)
    assert own.record.sha256 == small.record.sha256
    assert own.record.parameters == small.record.parameters
    assert small.record.details["own_input_size"] == 224
    assert small.features(noise(1, 112)).maps[0].shape == (1, 192, 7, 7)


@pytest.mark.parametrize("size", [100, 8])
def test_an_input_that_the_patch_does_not_divide_is_refused(size: int) -> None:
    with pytest.raises(UsageError, match=f"input of {size} pixels is not a multiple of its patch of 16"):
        open_(f"{VIT}@random:0", size)


@pytest.mark.parametrize(
    ("name", "size", "stride"),
    [("convnext_atto", 100, 32), ("resnet10t", 80, 32), ("vit_tiny_r_s16_p8_224", 80, 32), ("resnet10t", 8, 32)],
)
def test_maps_that_would_not_cover_the_crop_are_refused(name: str, size: int, stride: int) -> None:
    with pytest.raises(UsageError, match=f"input of {size} pixels is not a multiple of its stride of {stride}"):
        open_(f"{name}@random:0", size)


def test_the_models_own_size_is_always_taken() -> None:
    backbone = open_("resnet10t@random:0", None)
    assert backbone.input_size == 176  # 5.5 strides: the last map pads
    assert backbone.record.details["maps"][-1] == [512, 6, 6]


def test_a_model_of_one_size_refuses_others_when_it_is_opened() -> None:
    with pytest.raises(UsageError, match="does not take an input of 96 pixels"):
        open_("mixer_s32_224@random:0", 96)


def test_pictures_of_another_size_are_refused() -> None:
    with pytest.raises(UsageError, match=r"takes pictures of shape \(3, 64, 64\), was given \(3, 32, 32\)"):
        open_("resnet10t@random:0").features(noise(1, 32))


def test_a_model_without_maps_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    timm = import_timm()
    monkeypatch.setattr(timm, "create_model", lambda *_args, **_kwargs: torch.nn.Linear(2, 2))
    with pytest.raises(FacebenchError, match="no spatial features"):
        open_("resnet10t@random:0")


@pytest.mark.parametrize("output", [torch.zeros(1, 10), [], [torch.zeros(1, 3, 2, 2), torch.zeros(1, 3)], None])
def test_maps_that_are_not_spatial_are_refused(output: Any) -> None:
    with pytest.raises(FacebenchError, match="timm:x gives no spatial features"):
        check_maps(output, "timm:x")


@pytest.mark.parametrize(
    ("name", "near"), [("resnt50", "resnet50"), ("vit_tiny_patch16_225", VIT), (f"{VIT}.augreg_in1k", "augreg_in21k")]
)
def test_a_name_nearly_right_is_suggested(name: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean .*'{near}'"):
        open_(f"{name}@random:0")


def test_a_name_like_no_other_does_not_print_a_thousand() -> None:
    with pytest.raises(UsageError, match="unknown timm model 'zzzqqq'") as error:
        open_("zzzqqq")
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("origin", ["random", "random:", "random:x", "random:-1", "random:1.5", "random:²"])
def test_a_seed_must_be_a_number(origin: str) -> None:
    with pytest.raises(UsageError, match=f"write timm:{VIT}@random:0"):
        open_(f"{VIT}@{origin}")


# --- weights of a file -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in build("resnet10t", seed=3).state_dict().items()}


def test_file_and_model_have_one_hash(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    want = open_("resnet10t@random:3")
    save_file(weights, tmp_path / "w.safetensors")
    torch.save({"model": {f"module.{k}": v for k, v in weights.items()}, "epoch": 3}, tmp_path / "w.pth")
    for file in ("w.safetensors", "w.pth"):
        backbone = open_(f"resnet10t@{tmp_path / file}")
        assert backbone.record.sha256 == want.record.sha256
        assert backbone.record.weights == "file"
        assert file in backbone.record.name
        assert torch.equal(backbone.features(noise(1, 64)).pooled, want.features(noise(1, 64)).pooled)


def test_a_path_may_begin_at_home(
    tmp_path: Path, weights: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    save_file(weights, tmp_path / "w@1.safetensors")
    assert open_("resnet10t@~/w@1.safetensors").record.spec == "timm:resnet10t@~/w@1.safetensors"


def test_the_classifier_of_a_file_is_left_out(tmp_path: Path) -> None:
    timm = import_timm()
    full = timm.create_model("resnet10t", num_classes=10)
    save_file(full.state_dict(), tmp_path / "w.safetensors")
    backbone = open_(f"resnet10t@{tmp_path / 'w.safetensors'}")
    assert not [k for k in backbone.module.state_dict() if k.startswith("fc.")]
    assert torch.equal(backbone.module.conv1[0].weight, full.conv1[0].weight)


def test_weights_of_another_model_are_refused(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    save_file(weights, tmp_path / "w.safetensors")
    with pytest.raises(FacebenchError, match=r"w.safetensors does not fit the model: missing .*; unexpected .*"):
        open_(f"convnext_atto@{tmp_path / 'w.safetensors'}")


# --- pre-trained weights ---------------------------------------------------------------------------------------------


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """A machine whose every name look-up fails, with an empty cache; yields the names that were asked for."""
    from huggingface_hub import constants

    asked: list[str] = []

    def unreachable(host: str, *_args: Any, **_kwargs: Any) -> Any:
        asked.append(str(host))
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield asked
    assert constants.HF_HUB_OFFLINE is False or constants.HF_HUB_OFFLINE is None


@pytest.mark.parametrize("name", [VIT, "resnet10t"])
def test_offline_is_one_clear_error_and_soon(offline: list[str], name: str) -> None:
    start = time.monotonic()
    with pytest.raises(FacebenchError, match="could not be had") as error:
        open_(name)
    assert time.monotonic() - start < 20  # the hub's own client alone takes most of a minute
    assert f"timm:{name}@FILE" in str(error.value)
    assert f"timm:{name}@random:0" in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 1
    assert offline


def test_a_model_that_nobody_trained_says_so() -> None:
    with pytest.raises(FacebenchError, match="no pre-trained weights of vit_base_patch32_plus_256") as error:
        open_("vit_base_patch32_plus_256")
    assert "@random:0" in str(error.value)


def test_pre_trained_weights_come_by_the_strict_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the download: the model with its classifier, whose weights are known."""
    timm = import_timm()
    real = timm.create_model
    trained = real("resnet10t", pretrained=False)

    def create(name: str, *, pretrained: bool = False, **kwargs: Any) -> Any:
        if not pretrained:
            return real(name, pretrained=False, **kwargs)
        assert not kwargs, "built without its classifier timm loads leniently"
        return trained

    monkeypatch.setattr(timm, "create_model", create)
    monkeypatch.setattr("facebench.backbones.timm._answers", lambda url: False)
    backbone = open_("resnet10t")
    assert torch.equal(backbone.module.conv1[0].weight, trained.conv1[0].weight)
    assert backbone.record.weights == f"pretrained:{trained.pretrained_cfg['tag']}"
    assert backbone.record.name == "resnet10t"
    assert "fc.weight" in pretrained_weights("resnet10t")
