"""Key maps: published key sets against forward passes of their own networks, sizes from shapes, and what is refused."""

from __future__ import annotations

import argparse
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from facebench.backbones import keymap
from facebench.backbones.keys import BACKBONE
from facebench.backbones.timm import build
from facebench.errors import DataError, UsageError
from tests.backbones import published as pub
from tests.backbones import published_networks as net
from tests.backbones.pictures import noise
from tests.backbones.published import Size, State

Tokens = Callable[[State, Tensor, Size], Tensor]
SMALL = Size()

# family, state dict, its own forward pass, size
CASES: dict[str, tuple[str, State, Tokens, Size]] = {
    "clip": ("clip", pub.clip(SMALL), net.clip_tokens, SMALL),
    "openclip": (
        "openclip", pub.clip(SMALL), lambda state, x, size: net.clip_tokens(state, x, size, exact=True), SMALL,
    ),
    "farl": ("farl", pub.farl(SMALL), net.clip_tokens, SMALL),
    "mae": ("mae", pub.mae(SMALL), net.plain_tokens, SMALL),
    "mae-encoder": ("mae", pub.plain(SMALL), net.plain_tokens, SMALL),
    "mae-tuned": (
        "mae",
        {name.replace("norm.", "fc_norm.") if name.startswith("norm.") else name: t
         for name, t in pub.plain(SMALL).items()} | {"head.weight": torch.zeros(2, 128), "head.bias": torch.zeros(2)},
        lambda state, x, size: net.plain_tokens(state, x, size, normed=False),
        SMALL,
    ),
    "fsfm": ("fsfm", pub.fsfm(SMALL), net.plain_tokens, SMALL),
    "fsfm-small": (
        "fsfm", pub.fsfm(s := Size(width=384, depth=1, heads=12, hidden=1536)), net.plain_tokens, s,
    ),
    "dino": ("dino", pub.dino(SMALL), net.plain_tokens, SMALL),
    "dinov2": ("dinov2", pub.dinov2(SMALL), net.plain_tokens, SMALL),
    "dinov2-registers": ("dinov2", pub.dinov2(r := Size(registers=4)), net.plain_tokens, r),
    "dinov2-giant": ("dinov2", pub.dinov2_giant(g := Size(hidden=344, registers=4)), net.plain_tokens, g),
    "dinov3": ("dinov3", pub.dinov3(v := Size(patch=64, grid=4)), net.dinov3_tokens, v),
    "dinov3-gated": ("dinov3", pub.dinov3(v, gated=True), net.dinov3_tokens, v),
    "beit": ("beit", pub.beit(SMALL), net.beit_tokens, SMALL),
    "beit-tuned": ("beit", pub.beit(SMALL, shared=False), net.beit_tokens, SMALL),
    "marlin": ("marlin", pub.marlin(SMALL), net.marlin_tokens, SMALL),
}  # fmt: skip


def opened(folder: Path, family: str, content: Any, input_size: int | None = None) -> Any:
    path = folder / "weights.pth"
    torch.save(content, path)
    return BACKBONE.open(f"{family}@{path}", input_size)


def normalised(family: str, images: Tensor) -> Tensor:
    table = keymap.read_map(family)
    mean, std = (torch.tensor(v).reshape(1, 3, 1, 1) for v in (table.mean, table.std))
    return (images - mean) / std


def difference(backbone: Any, state: State, tokens: Tokens, size: Size, family: str) -> float:
    images = noise(2, size.side)
    found = backbone.features(images).maps[-1].flatten(2).transpose(1, 2)
    wanted = tokens(state, normalised(family, images), size)
    assert found.shape == wanted.shape
    return float((found - wanted).abs().max() / wanted.abs().max())


@pytest.mark.parametrize("case", CASES)
def test_tokens_are_those_of_the_publications_own_network(tmp_path: Path, case: str) -> None:
    family, state, tokens, size = CASES[case]
    backbone = opened(tmp_path, family, state)
    assert backbone.input_size == size.side
    assert difference(backbone, state, tokens, size, family) < 1e-5


def swapped(folder: Path, family: str, rules: list[tuple[str, str]]) -> Path:
    """A map like the family's with `rules` before its own."""
    quoted = ", ".join(f"['{a}', '{b}']" for a, b in [*rules, *keymap.read_map(family).rename])
    path = folder / "own.toml"
    path.write_text(f'title = "Own"\nsource = "none"\nlike = "{family}"\nrename = [{quoted}]\n', encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("case", "rules"),
    [
        ("clip", [(r"visual\.ln_pre\.(weight|bias)", r"norm.\1"), (r"visual\.ln_post\.(weight|bias)", r"norm_pre.\1")]),
        ("farl", [(r"visual\.(transformer\.resblocks\.)(\d+)\.ln_1\.(weight|bias)", r"blocks.\2.norm2.\3"),
                  (r"visual\.(transformer\.resblocks\.)(\d+)\.ln_2\.(weight|bias)", r"blocks.\2.norm1.\3")]),
        ("mae", [(r"blocks\.(\d+)\.norm1\.(weight|bias)", r"blocks.\1.norm2.\2"),
                 (r"blocks\.(\d+)\.norm2\.(weight|bias)", r"blocks.\1.norm1.\2")]),
        ("dinov2", [(r"blocks\.(\d+)\.ls1\.gamma", r"blocks.\1.ls2.gamma"),
                    (r"blocks\.(\d+)\.ls2\.gamma", r"blocks.\1.ls1.gamma")]),
        ("marlin", [(r"blocks\.(\d+)\.attn\.q_bias", r"blocks.\1.attn.v_bias"),
                    (r"blocks\.(\d+)\.attn\.v_bias", r"blocks.\1.attn.q_bias")]),
    ],
)  # fmt: skip
def test_a_swapped_rename_is_seen(tmp_path: Path, case: str, rules: list[tuple[str, str]]) -> None:
    family, state, tokens, size = CASES[case]
    same = opened(tmp_path, str(swapped(tmp_path, family, [])), state)
    assert difference(same, state, tokens, size, family) < 1e-5
    wrong = opened(tmp_path, str(swapped(tmp_path, family, rules)), state)
    assert difference(wrong, state, tokens, size, family) > 1e-3


def test_the_activation_is_the_familys_own(tmp_path: Path) -> None:
    family, state, _, size = CASES["clip"]
    backbone = opened(tmp_path, family, state)
    assert difference(backbone, state, CASES["openclip"][2], size, family) > 1e-4


@pytest.mark.parametrize(
    ("family", "wrap"),
    [
        ("farl", lambda state: {"state_dict": state}),
        ("mae", lambda state: {"model": state, "optimizer": {"lr": 0.1}, "args": argparse.Namespace(lr=0.1)}),
        ("dino", lambda state: {"student": {"x": torch.zeros(1)}, "teacher": state, "epoch": 3}),
        ("dinov2", lambda state: {"teacher": pub.chunked(state, 1)}),
        ("dinov3", lambda state: {"model": {f"module.{name}": t for name, t in state.items()}}),
        ("beit", lambda state: {"model": state}),
        ("clip", lambda state: {name: t.half() if t.is_floating_point() else t for name, t in state.items()}),
    ],
)
def test_wrappers_and_prefixes_are_taken_off(tmp_path: Path, family: str, wrap: Callable[[State], Any]) -> None:
    _, state, tokens, size = CASES[family]
    backbone = opened(tmp_path, family, wrap(state))
    assert difference(backbone, state, tokens, size, family) < (5e-3 if family == "clip" else 1e-5)


def test_safetensors_are_read_and_the_hash_is_of_the_weights(tmp_path: Path) -> None:
    _, state, _, _ = CASES["mae"]
    save_file(state, tmp_path / "weights.safetensors")
    plain = BACKBONE.open(f"mae@{tmp_path / 'weights.safetensors'}", None)
    wrapped = opened(tmp_path, "mae", {"model": state})
    assert plain.record.sha256 == wrapped.record.sha256
    assert plain.record.name == "MAE ViT-128x2/8 (weights.safetensors)"
    assert plain.record.details["changes"]["depth"] == 2


@pytest.mark.parametrize("family", ["farl", "mae", "beit", "dinov2", "dinov3", "marlin"])
def test_another_input_size_is_resampled_as_timm_does(tmp_path: Path, family: str) -> None:
    _, state, _, size = CASES[family]
    backbone = opened(tmp_path, family, state, 2 * size.side)
    assert backbone.features(noise(1, 2 * size.side)).maps[-1].shape[-1] == 2 * size.grid
    assert backbone.record.details["own_input_size"] == size.side
    assert backbone.record.sha256 == opened(tmp_path, family, state).record.sha256


# --- published sizes -------------------------------------------------------------------------------------------------

BASE = Size(width=768, depth=12, patch=16, grid=14, hidden=3072, heads=12)
PUBLISHED: dict[str, tuple[str, Callable[[Size], State], Size, int]] = {
    # millions of weights as the papers count them
    "FaRL-B/16": ("farl", pub.farl, BASE, 86),
    "CLIP-L/14-336": ("clip", pub.clip, Size(1024, 24, 14, 24, 4096, 16), 304),
    "MAE-B/16": ("mae", pub.mae, BASE, 86),
    "MAE-H/14": ("mae", pub.mae, Size(1280, 32, 14, 16, 5120, 16), 631),
    "FSFM-S/16": ("fsfm", pub.fsfm, Size(384, 12, 16, 14, 1536, 12), 22),
    "DINO-S/8": ("dino", pub.dino, Size(384, 12, 8, 28, 1536, 6), 22),
    "DINOv2-B/14": ("dinov2", pub.dinov2, Size(768, 12, 14, 37, 3072, 12), 87),
    "DINOv2-g/14": ("dinov2", pub.dinov2_giant, Size(1536, 40, 14, 37, 4096, 24, registers=4), 1136),
    "DINOv3-B/16": ("dinov3", pub.dinov3, Size(768, 12, 16, 16, 3072, 12), 86),
    "DINOv3-H+/16": (
        "dinov3", lambda size: pub.dinov3(size, gated=True), Size(1280, 32, 16, 16, 5120, 20), 841,
    ),
    "BEiT-L/16": ("beit", pub.beit, Size(1024, 24, 16, 14, 4096, 16), 303),
    "MARLIN-B/16": ("marlin", pub.marlin, BASE, 86),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_sizes_follow_from_the_shapes(name: str) -> None:
    family, make, size, millions = PUBLISHED[name]
    table = keymap.read_map(family)
    mapped = keymap.apply(table, make(pub.on_meta(size)))
    architecture = keymap.choose(table, mapped)
    assert architecture is not None
    side, words = keymap.sizes(table, architecture, mapped.tensors)
    assert (side, words["depth"], words["num_heads"]) == (size.side, size.depth, size.heads)
    with torch.device("meta"):
        module = build(architecture.model, input_size=side, changes=words)
    wanted = {key: tuple(t.shape) for key, t in module.state_dict().items()}
    assert {key: tuple(t.shape) for key, t in mapped.tensors.items()} == wanted
    assert round(sum(p.numel() for p in module.parameters()) / 1e6) == pytest.approx(millions, abs=1)


# --- refused ---------------------------------------------------------------------------------------------------------


def without(state: State, name: str) -> State:
    return {key: tensor for key, tensor in state.items() if key != name}


@pytest.mark.parametrize(
    ("family", "content", "words"),
    [
        ("farl", pub.farl(SMALL) | {"visual.extra.weight": torch.zeros(1)}, "visual.extra.weight.*unknown"),
        ("farl", without(pub.farl(SMALL), "visual.ln_post.bias"), r"nothing in it becomes 1 key \(norm.bias\)"),
        ("farl", pub.farl(SMALL) | {"visual.ln_post.bias": torch.zeros(5)}, r"visual.ln_post.bias is \(5,\)"),
        ("farl", pub.plain(SMALL), "key map farl"),
        ("mae", pub.clip(SMALL), r"does not fit the key map mae.*another family \(beit, clip,"),
        ("mae", pub.mae(SMALL) | {"norm.bias": torch.full((128,), float("nan"))}, r"NaN.*norm.bias"),
        ("mae", pub.mae(SMALL) | {"pos_embed": torch.zeros(1, 12, 128)}, "12 tokens are no square"),
        ("mae", pub.mae(Size(width=100, hidden=400)), "width of 100"),
        ("beit", pub.beit(SMALL) | {"rel_pos_bias.relative_position_bias_table": torch.zeros(20, 2)}, "table of 20"),
        ("marlin", pub.marlin(SMALL) | {"encoder.pos_embedding.emb": torch.zeros(1, 71, 128)}, "8 times"),
        ("marlin", without(pub.marlin(SMALL), "encoder.blocks.1.attn.v_bias"), "blocks.1.attn.v_bias"),
        ("dinov2", pub.dinov2(SMALL) | {"backbone.norm.bias": torch.zeros(128)}, "both become 'norm.bias'"),
        ("dino", {"teacher": {"epoch": 3}}, "no tensors"),
        ("mae", {}, "holds nothing"),
        ("mae", torch.zeros(3), "holds a Tensor"),
    ],
)
def test_what_does_not_fit_is_one_clear_error(tmp_path: Path, family: str, content: Any, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        opened(tmp_path, family, content)
    assert str(tmp_path / "weights.pth") in str(caught.value)
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.mkdir, (Path("never"),))


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="more than plain tensors"):
        opened(tmp_path, "mae", {"model": pub.mae(SMALL), "args": Evil()})
    assert not (tmp_path / "never").exists()


def test_a_torchscript_archive_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls the format old; CLIP is published in it
        torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "jit.pt")
    with pytest.raises(DataError, match=r"TorchScript.*state_dict"):
        BACKBONE.open(f"clip@{tmp_path / 'jit.pt'}", None)


@pytest.mark.parametrize("rest", ["", "farl", "farl@", "@file", "farl@missing.pth", "fral@missing.pth"])
def test_a_spec_that_is_not_whole_is_a_usage_error(rest: str) -> None:
    with pytest.raises(UsageError, match=re.escape("keys:FAMILY@FILE") + "|does not exist|did you mean 'farl'"):
        BACKBONE.open(rest, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title = 3", "no key map"),
        ("nonsense", "no key map"),
        ('title = "T"\nsource = "s"\nlike = "nobody"', "like = 'nobody'"),
        ('title = "T"\nsource = "s"\nlike = "mae"\nleft_over = ["("]', "no key map"),
        ('title = "T"\nsource = "s"\nlike = "mae"\nsteps = [{do = "dance"}]', "'dance' is none of"),
        ('title = "T"\nsource = "s"\nlike = "mae"\nbeside = 1', "beside"),
    ],
)
def test_a_map_that_is_none_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=words):
        keymap.read_map(str(path))


def test_every_map_that_ships_says_where_it_was_read() -> None:
    families = keymap.families()
    assert set(families) == {case[0] for case in CASES.values()}
    for family in families:
        table = keymap.read_map(family)
        assert table.source.startswith("https://")
        assert all(std > 0 for std in table.std)
        assert family in BACKBONE.grammar or family in (keymap.FOLDER.parent / "keys.py").read_text(encoding="utf-8")
