"""The grammar `source[:rest]`: what is understood, and what a wrong spelling is told."""

from __future__ import annotations

import pytest

from facebench.backbones.spec import open_backbone
from facebench.errors import FacebenchError, UsageError
from facebench.registry import Registry

REGISTRY = Registry()


@pytest.mark.parametrize("spec", ["resnet50", "vit_base_patch16_224", "resnet50.a1_in1k"])
def test_a_bare_model_name_is_refused_with_both_spellings(spec: str) -> None:
    with pytest.raises(UsageError) as error:
        open_backbone(spec, REGISTRY)
    assert f"timm:{spec} " in str(error.value)
    assert f"timm:{spec}@random:0" in str(error.value)


@pytest.mark.parametrize("spec", ["runs/last.safetensors", "weights.pth", "./encoder"])
def test_a_bare_path_is_refused_with_both_spellings(spec: str) -> None:
    with pytest.raises(UsageError) as error:
        open_backbone(spec, REGISTRY)
    assert f"paco-fr:{spec}" in str(error.value)
    assert f"timm:NAME@{spec}" in str(error.value)


@pytest.mark.parametrize(("spec", "near"), [("pixel", "pixels"), ("tim:resnet50", "timm"), ("paco_fr:x", "paco-fr")])
def test_a_source_nearly_right_is_suggested(spec: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean .*'{near}'"):
        open_backbone(spec, REGISTRY)


def test_an_unknown_source_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="known: keys, module, paco-fr, pixels, timm"):
        open_backbone("qqq:x", REGISTRY)


@pytest.mark.parametrize(
    "spec",
    ["timm:", "timm", "pixels:", "timm:@random:0", "timm:resnet18@", "timm:resnet18@random", "paco-fr", "module:x"],
)
def test_half_a_spec_is_told_the_grammar(spec: str) -> None:
    with pytest.raises(UsageError, match=r"; write |, write "):
        open_backbone(spec, REGISTRY)


@pytest.mark.parametrize("size", [0, -16])
def test_an_input_without_pixels_is_refused(size: int) -> None:
    with pytest.raises(UsageError, match=f"input size {size}"):
        open_backbone("pixels", REGISTRY, size)


def test_every_error_is_one_line() -> None:
    for spec in ["resnet50", "qqq:x", "timm:", "timm:resnet18@/nowhere.pth", "module:nowhere_at_all:f"]:
        with pytest.raises(FacebenchError) as error:
            open_backbone(spec, REGISTRY)
        assert "\n" not in str(error.value)


def test_what_is_opened_says_how_it_was_spelt() -> None:
    for spec in ["pixels", "pixels:16", "timm:resnet10t@random:3"]:
        assert open_backbone(spec, REGISTRY, 64).record.spec == spec
