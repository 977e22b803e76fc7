"""State dicts with the key sets and shapes of published pre-trainings; sizes are small where they may be."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

State = dict[str, Tensor]


@dataclass(frozen=True)
class Size:
    """Width, depth, patch, patches along a side, hidden width, heads."""

    width: int = 128
    depth: int = 2
    patch: int = 8
    grid: int = 3
    hidden: int = 512
    heads: int = 2
    registers: int = 0
    device: str = "cpu"

    @property
    def side(self) -> int:
        return self.patch * self.grid

    @property
    def tokens(self) -> int:
        return self.grid**2


def on_meta(size: Size) -> Size:
    """The same without numbers: names and shapes alone."""
    return replace(size, device="meta")


class Maker:
    """Random tensors by name, every one of them another."""

    def __init__(self, size: Size) -> None:
        self.size, self.state = size, State()
        self.draws = torch.Generator().manual_seed(7)

    def add(self, name: str, *shape: int, around: float = 0.0) -> None:
        if self.size.device == "meta":
            self.state[name] = torch.empty(shape, device="meta")
        else:
            self.state[name] = around + 0.2 * torch.randn(shape, generator=self.draws)

    def norm(self, name: str, width: int | None = None) -> None:
        self.add(f"{name}.weight", width or self.size.width, around=1.0)
        self.add(f"{name}.bias", width or self.size.width)

    def linear(self, name: str, out: int, into: int) -> None:
        self.add(f"{name}.weight", out, into)
        self.add(f"{name}.bias", out)


def clip(size: Size, text: bool = True) -> State:
    """`clip.model.CLIP.state_dict()`: the visual tower, the text tower, what TorchScript keeps beside."""
    make = Maker(size)
    d = size.width
    make.add("visual.class_embedding", d)
    make.add("visual.positional_embedding", size.tokens + 1, d)
    make.add("visual.proj", d, 32)
    make.add("visual.conv1.weight", d, 3, size.patch, size.patch)
    make.norm("visual.ln_pre")
    make.norm("visual.ln_post")
    _clip_blocks(make, "visual.transformer.resblocks", size.depth)
    if text:
        make.add("positional_embedding", 7, d)
        make.add("text_projection", d, 32)
        make.add("logit_scale")
        make.add("token_embedding.weight", 11, d)
        make.norm("ln_final")
        _clip_blocks(make, "transformer.resblocks", 1)
        for name in ("input_resolution", "context_length", "vocab_size"):
            make.state[name] = torch.tensor(7)
    return make.state


def _clip_blocks(make: Maker, stem: str, depth: int) -> None:
    d = make.size.width
    for i in range(depth):
        make.add(f"{stem}.{i}.attn.in_proj_weight", 3 * d, d)
        make.add(f"{stem}.{i}.attn.in_proj_bias", 3 * d)
        make.linear(f"{stem}.{i}.attn.out_proj", d, d)
        make.norm(f"{stem}.{i}.ln_1")
        make.linear(f"{stem}.{i}.mlp.c_fc", 4 * d, d)
        make.linear(f"{stem}.{i}.mlp.c_proj", d, 4 * d)
        make.norm(f"{stem}.{i}.ln_2")


def farl(size: Size) -> State:
    """A FaRL checkpoint: CLIP's two towers, and what predicts visual words of masked patches."""
    make = Maker(size)
    make.state.update(clip(size))
    _clip_blocks(make, "visual.lm_transformer.resblocks", 1)
    make.norm("visual.ln_lm")
    make.linear("visual.lm_head", 13, size.width)
    make.add("visual.mask_token", size.width)
    return make.state


def plain(size: Size, *, scales: bool = False, prefix: str = "") -> State:
    """A ViT as DeiT, MAE, DINO and DINOv2 name it."""
    make = Maker(size)
    d = size.width
    make.add(f"{prefix}cls_token", 1, 1, d)
    make.add(f"{prefix}pos_embed", 1, size.tokens + 1, d)
    make.add(f"{prefix}patch_embed.proj.weight", d, 3, size.patch, size.patch)
    make.add(f"{prefix}patch_embed.proj.bias", d)
    for i in range(size.depth):
        stem = f"{prefix}blocks.{i}"
        make.norm(f"{stem}.norm1")
        make.linear(f"{stem}.attn.qkv", 3 * d, d)
        make.linear(f"{stem}.attn.proj", d, d)
        make.norm(f"{stem}.norm2")
        make.linear(f"{stem}.mlp.fc1", size.hidden, d)
        make.linear(f"{stem}.mlp.fc2", d, size.hidden)
        if scales:
            make.add(f"{stem}.ls1.gamma", d)
            make.add(f"{stem}.ls2.gamma", d)
    make.norm(f"{prefix}norm")
    return make.state


def mae(size: Size) -> State:
    """A whole MAE: encoder and decoder."""
    make = Maker(size)
    make.state.update(plain(size))
    make.add("mask_token", 1, 1, 16)
    make.add("decoder_pos_embed", 1, size.tokens + 1, 16)
    make.linear("decoder_embed", 16, size.width)
    make.linear("decoder_blocks.0.attn.qkv", 48, 16)
    make.norm("decoder_norm", 16)
    make.linear("decoder_pred", 3 * size.patch**2, 16)
    return make.state


def fsfm(size: Size) -> State:
    """The online network of FSFM: a whole MAE, a second decoder, a projector and a predictor."""
    make = Maker(size)
    make.state.update(mae(size))
    make.linear("rep_decoder_embed", size.width, size.width)
    make.add("rep_decoder_pos_embed", 1, size.tokens + 1, size.width)
    make.linear("rep_decoder_blocks.0.attn.qkv", 3 * size.width, size.width)
    make.norm("rep_decoder_norm")
    make.linear("rep_decoder_pred", size.width, size.width)
    for name in ("projector", "predictor"):
        make.linear(f"{name}.projection_head.0", 8, size.width)
    return make.state


def dino(size: Size) -> State:
    """The teacher of a whole DINO checkpoint."""
    make = Maker(size)
    make.state.update(plain(size, prefix="backbone."))
    make.linear("head.mlp.0", 8, size.width)
    make.add("head.last_layer.weight_g", 9, 1)
    return make.state


def dinov2(size: Size) -> State:
    """A published DINOv2 backbone."""
    make = Maker(size)
    make.state.update(plain(size, scales=True))
    make.add("mask_token", 1, size.width)
    if size.registers:
        make.add("register_tokens", 1, size.registers, size.width)
    return make.state


def dinov2_giant(size: Size) -> State:
    """The largest DINOv2, whose hidden layers are gated."""
    state = dinov2(size)
    make = Maker(size)
    for i in range(size.depth):
        for name in ("fc1", "fc2"):
            del state[f"blocks.{i}.mlp.{name}.weight"], state[f"blocks.{i}.mlp.{name}.bias"]
        make.linear(f"blocks.{i}.mlp.w12", 2 * size.hidden, size.width)
        make.linear(f"blocks.{i}.mlp.w3", size.width, size.hidden)
    return state | make.state


def chunked(state: State, size: int) -> State:
    """The same with blocks in chunks, as trainings of DINOv2 save them: `blocks.1.5.norm1.weight`."""

    def name(key: str) -> str:
        if not key.startswith("blocks."):
            return f"backbone.{key}"
        _, block, rest = key.split(".", 2)
        return f"backbone.blocks.{int(block) // size}.{block}.{rest}"

    return {name(key): tensor for key, tensor in state.items()} | {"dino_head.mlp.0.weight": torch.zeros(2, 2)}


def dinov3(size: Size, gated: bool = False) -> State:
    """A published DINOv3 backbone: no position embedding, storage tokens, a bias whose part for keys is masked."""
    make = Maker(size)
    state = plain(size, scales=True)
    del state["pos_embed"]
    make.state.update(state)
    make.add("storage_tokens", 1, 4, size.width)
    make.add("mask_token", 1, size.width)
    make.add("rope_embed.periods", size.width // size.heads // 4)
    for i in range(size.depth):
        make.add(f"blocks.{i}.attn.qkv.bias_mask", 3 * size.width)
        if gated:
            for name in ("fc1", "fc2"):
                del make.state[f"blocks.{i}.mlp.{name}.weight"], make.state[f"blocks.{i}.mlp.{name}.bias"]
            for name in ("w1", "w2"):
                make.linear(f"blocks.{i}.mlp.{name}", size.hidden, size.width)
            make.linear(f"blocks.{i}.mlp.w3", size.width, size.hidden)
    return make.state


def beit(size: Size, *, shared: bool = True) -> State:
    """BEiT: pre-trained (a shared table of relative positions) or fine-tuned (one in each block, norm on the mean)."""
    make = Maker(size)
    d, places = size.width, (2 * size.grid - 1) ** 2 + 3
    make.add("cls_token", 1, 1, d)
    make.add("patch_embed.proj.weight", d, 3, size.patch, size.patch)
    make.add("patch_embed.proj.bias", d)
    for i in range(size.depth):
        stem = f"blocks.{i}"
        make.add(f"{stem}.gamma_1", d)
        make.add(f"{stem}.gamma_2", d)
        make.norm(f"{stem}.norm1")
        make.add(f"{stem}.attn.q_bias", d)
        make.add(f"{stem}.attn.v_bias", d)
        make.add(f"{stem}.attn.qkv.weight", 3 * d, d)
        make.linear(f"{stem}.attn.proj", d, d)
        make.norm(f"{stem}.norm2")
        make.linear(f"{stem}.mlp.fc1", size.hidden, d)
        make.linear(f"{stem}.mlp.fc2", d, size.hidden)
        if not shared:
            make.add(f"{stem}.attn.relative_position_bias_table", places, size.heads)
            make.add(f"{stem}.attn.relative_position_index", size.tokens + 1, size.tokens + 1)
    if shared:
        make.add("rel_pos_bias.relative_position_bias_table", places, size.heads)
        make.add("rel_pos_bias.relative_position_index", size.tokens + 1, size.tokens + 1)
        make.add("mask_token", 1, 1, d)
        make.linear("lm_head", 13, d)
        make.norm("norm")
    else:
        make.norm("fc_norm")
        make.linear("head", 10, d)
    return make.state


def marlin(size: Size) -> State:
    """A whole MARLIN: 16 frames in patches of two, a decoder beside the encoder."""
    make = Maker(size)
    d = size.width
    make.add("encoder.patch_embedding.projection.weight", d, 3, 2, size.patch, size.patch)
    make.add("encoder.patch_embedding.projection.bias", d)
    make.add("encoder.pos_embedding.emb", 1, 8 * size.tokens, d)
    make.norm("encoder.norm")
    for i in range(size.depth):
        stem = f"encoder.blocks.{i}"
        make.norm(f"{stem}.norm1")
        make.add(f"{stem}.attn.q_bias", d)
        make.add(f"{stem}.attn.v_bias", d)
        make.add(f"{stem}.attn.qkv.weight", 3 * d, d)
        make.linear(f"{stem}.attn.proj", d, d)
        make.norm(f"{stem}.norm2")
        make.linear(f"{stem}.mlp.layers.0.linear", size.hidden, d)
        make.linear(f"{stem}.mlp.layers.1.linear", d, size.hidden)
    make.add("enc_dec_proj.weight", 8, d)
    make.linear("decoder.blocks.0.mlp.layers.0.linear", 8, 8)
    return make.state
