"""What the networks of published pre-trainings make of a picture, from their own names, in plain torch.

Nothing here knows timm: a key map is tested against it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv3d, gelu, multi_head_attention_forward, silu

from tests.backbones.published import Size, State


def _norm(x: Tensor, state: Mapping[str, Tensor], name: str, eps: float) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    spread = (centred.square().mean(-1, keepdim=True) + eps).sqrt()
    return centred / spread * state[f"{name}.weight"] + state[f"{name}.bias"]


def _line(x: Tensor, state: Mapping[str, Tensor], name: str) -> Tensor:
    return torch.einsum("nti,oi->nto", x, state[f"{name}.weight"]) + state[f"{name}.bias"]


def _attend(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    heads: int,
    turn: Callable[[Tensor], Tensor] | None = None,
    add: float | Tensor = 0.0,
) -> Tensor:
    n, t, d = x.shape
    q, k, v = (torch.einsum("nti,oi->nto", x, w) + b for w, b in zip(weight.chunk(3), bias.chunk(3), strict=True))
    q, k, v = (each.reshape(n, t, heads, d // heads).transpose(1, 2) for each in (q, k, v))
    if turn is not None:
        q, k = turn(q), turn(k)
    scores = torch.einsum("nhqc,nhkc->nhqk", q, k) / math.sqrt(d // heads) + add
    return torch.einsum("nhqk,nhkc->nhqc", scores.softmax(-1), v).transpose(1, 2).reshape(n, t, d)


def _patches(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return conv2d(x, weight, bias, stride=weight.shape[-1]).flatten(2).transpose(1, 2)


def clip_tokens(state: State, x: Tensor, size: Size, *, exact: bool = False) -> Tensor:
    """Patch tokens after `ln_post`; `exact` is the GELU of OpenCLIP's own trainings."""
    part = {name.removeprefix("visual."): tensor for name, tensor in state.items() if name.startswith("visual.")}
    x = _patches(x, part["conv1.weight"], None)
    x = torch.cat([part["class_embedding"].expand(len(x), 1, -1), x], 1) + part["positional_embedding"]
    x = _norm(x, part, "ln_pre", 1e-5)
    for i in range(size.depth):
        stem = f"transformer.resblocks.{i}"
        y = _norm(x, part, f"{stem}.ln_1", 1e-5).transpose(0, 1)
        y, _ = multi_head_attention_forward(
            y, y, y, size.width, size.heads, part[f"{stem}.attn.in_proj_weight"], part[f"{stem}.attn.in_proj_bias"],
            None, None, False, 0.0, part[f"{stem}.attn.out_proj.weight"], part[f"{stem}.attn.out_proj.bias"],
        )  # fmt: skip
        x = x + y.transpose(0, 1)
        y = _line(_norm(x, part, f"{stem}.ln_2", 1e-5), part, f"{stem}.mlp.c_fc")
        y = gelu(y) if exact else y * torch.sigmoid(1.702 * y)
        x = x + _line(y, part, f"{stem}.mlp.c_proj")
    return _norm(x, part, "ln_post", 1e-5)[:, 1:]


def plain_tokens(state: State, x: Tensor, size: Size, *, eps: float = 1e-6, normed: bool = True) -> Tensor:
    """Patch tokens of MAE, DINO and DINOv2, after the last norm where there is one on tokens."""
    state = {name.removeprefix("backbone."): tensor for name, tensor in state.items()}
    x = _patches(x, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"])
    x = torch.cat([state["cls_token"].expand(len(x), -1, -1), x], 1) + state["pos_embed"]
    if size.registers:
        x = torch.cat([x[:, :1], state["register_tokens"].expand(len(x), -1, -1), x[:, 1:]], 1)
    for i in range(size.depth):
        x = _plain_block(x, state, f"blocks.{i}", size, eps)
    x = _norm(x, state, "norm", eps) if normed else x
    return x[:, 1 + size.registers :]


def _plain_block(
    x: Tensor, state: State, stem: str, size: Size, eps: float, turn: Callable[[Tensor], Tensor] | None = None
) -> Tensor:
    first, second = state.get(f"{stem}.ls1.gamma", torch.ones(())), state.get(f"{stem}.ls2.gamma", torch.ones(()))
    weight, bias = state[f"{stem}.attn.qkv.weight"], state[f"{stem}.attn.qkv.bias"]
    y = _attend(_norm(x, state, f"{stem}.norm1", eps), weight, bias, size.heads, turn)
    x = x + first * _line(y, state, f"{stem}.attn.proj")
    y = _norm(x, state, f"{stem}.norm2", eps)
    if f"{stem}.mlp.w12.weight" in state:
        gate, value = _line(y, state, f"{stem}.mlp.w12").chunk(2, -1)
        y = _line(silu(gate) * value, state, f"{stem}.mlp.w3")
    elif f"{stem}.mlp.w1.weight" in state:
        gate, value = _line(y, state, f"{stem}.mlp.w1"), _line(y, state, f"{stem}.mlp.w2")
        y = _line(silu(gate) * value, state, f"{stem}.mlp.w3")
    else:
        y = _line(gelu(_line(y, state, f"{stem}.mlp.fc1")), state, f"{stem}.mlp.fc2")
    return x + second * y


def dinov3_tokens(state: State, x: Tensor, size: Size) -> Tensor:
    """Patch tokens of DINOv3: rotary positions on patches, none on the class and storage tokens."""
    x = _patches(x, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"])
    grid = math.isqrt(x.shape[1])
    x = torch.cat([state["cls_token"].expand(len(x), -1, -1), state["storage_tokens"].expand(len(x), -1, -1), x], 1)
    masked = dict(state)
    for i in range(size.depth):
        bias = state[f"blocks.{i}.attn.qkv.bias"].clone()
        bias[size.width : 2 * size.width] = 0.0
        masked[f"blocks.{i}.attn.qkv.bias"] = bias
    turn = _rotary(grid, size.width // size.heads)
    for i in range(size.depth):
        x = _plain_block(x, masked, f"blocks.{i}", size, 1e-5, turn)
    return _norm(x, state, "norm", 1e-5)[:, 5:]


def _rotary(grid: int, channels: int) -> Callable[[Tensor], Tensor]:
    places = 2 * (torch.arange(grid) + 0.5) / grid - 1
    rows, columns = torch.meshgrid(places, places, indexing="ij")
    periods = 100.0 ** (torch.arange(channels // 4) / (channels // 4))
    angles = torch.cat([2 * math.pi * each.reshape(-1, 1) / periods for each in (rows, columns)], 1)  # (T, c / 2)
    angles = torch.cat([angles, angles], 1)

    def turn(x: Tensor) -> Tensor:
        fixed, moving = x[:, :, :5], x[:, :, 5:]
        left, right = moving.chunk(2, -1)
        turned = moving * angles.cos() + torch.cat([-right, left], -1) * angles.sin()
        return torch.cat([fixed, turned], 2)

    return turn


def beit_tokens(state: State, x: Tensor, size: Size) -> Tensor:
    """Patch tokens of BEiT; after the norm where it acts on tokens."""
    x = _patches(x, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"])
    x = torch.cat([state["cls_token"].expand(len(x), -1, -1), x], 1)
    index = _relative(size.grid)
    for i in range(size.depth):
        stem = f"blocks.{i}"
        table = state.get("rel_pos_bias.relative_position_bias_table")
        table = state[f"{stem}.attn.relative_position_bias_table"] if table is None else table
        q, v = state[f"{stem}.attn.q_bias"], state[f"{stem}.attn.v_bias"]
        y = _attend(
            _norm(x, state, f"{stem}.norm1", 1e-6), state[f"{stem}.attn.qkv.weight"],
            torch.cat([q, torch.zeros_like(q), v]), size.heads, add=table[index].permute(2, 0, 1),
        )  # fmt: skip
        x = x + state[f"{stem}.gamma_1"] * _line(y, state, f"{stem}.attn.proj")
        y = gelu(_line(_norm(x, state, f"{stem}.norm2", 1e-6), state, f"{stem}.mlp.fc1"))
        x = x + state[f"{stem}.gamma_2"] * _line(y, state, f"{stem}.mlp.fc2")
    return (_norm(x, state, "norm", 1e-6) if "norm.weight" in state else x)[:, 1:]


def _relative(grid: int) -> Tensor:
    """Row of the table for each pair of tokens, counted one by one."""
    wide, tokens = 2 * grid - 1, grid**2
    index = torch.zeros(tokens + 1, tokens + 1, dtype=torch.long)
    for a in range(tokens):
        for b in range(tokens):
            down, right = a // grid - b // grid, a % grid - b % grid
            index[1 + a, 1 + b] = (down + grid - 1) * wide + right + grid - 1
    index[0, :], index[:, 0] = wide**2, wide**2 + 1
    index[0, 0] = wide**2 + 2
    return index


def marlin_tokens(state: State, x: Tensor, size: Size) -> Tensor:
    """Tokens of MARLIN for a clip of two equal frames."""
    part = {name.removeprefix("encoder."): tensor for name, tensor in state.items()}
    kernel, bias = part["patch_embedding.projection.weight"], part["patch_embedding.projection.bias"]
    video = x[:, :, None].expand(-1, -1, 2, -1, -1)
    x = conv3d(video, kernel, bias, stride=kernel.shape[2:]).flatten(2).transpose(1, 2)
    x = x + part["pos_embedding.emb"][:, : x.shape[1]]
    for i in range(size.depth):
        stem = f"blocks.{i}"
        q, v = part[f"{stem}.attn.q_bias"], part[f"{stem}.attn.v_bias"]
        y = _attend(
            _norm(x, part, f"{stem}.norm1", 1e-5), part[f"{stem}.attn.qkv.weight"],
            torch.cat([q, torch.zeros_like(q), v]), size.heads,
        )  # fmt: skip
        x = x + _line(y, part, f"{stem}.attn.proj")
        y = gelu(_line(_norm(x, part, f"{stem}.norm2", 1e-5), part, f"{stem}.mlp.layers.0.linear"))
        x = x + _line(y, part, f"{stem}.mlp.layers.1.linear")
    return _norm(x, part, "norm", 1e-5)
