"""The encoder taken apart against timm's own forward pass, and what is refused."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from facebench.errors import UsageError
from pretrain.method.encoder import (
    MEAN,
    STD,
    build_encoder,
    embed,
    encode,
    encode_visible,
    grid_side,
    normalised,
    of_patches,
    patch_side,
)
from pretrain.sections import EncoderConfig

ARCHS = {
    "vit_tiny_patch16_224": (64, 1),
    "vit_wee_patch16_reg1_gap_256": (64, 1),  # a register token, no class token, positions of patches alone
    "vit_small_patch14_reg4_dinov2": (56, 5),  # class and register tokens, patches of 14
    "deit_tiny_distilled_patch16_224": (64, 2),
    "vit_tiny_patch16_384": (96, 1),
    "vit_base_patch32_clip_224": (64, 1),  # a norm before the blocks
}


def encoder(arch="vit_tiny_patch16_224", size=64, **fields):
    torch.manual_seed(0)
    return build_encoder(EncoderConfig(arch=arch, img_size=size, **{"depth": 2, **fields})).eval()


def images(size=64, n=2):
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("arch", "size", "prefix"), [(a, *v) for a, v in ARCHS.items()])
def test_embedding_and_encoding_are_timms_forward_pass(arch, size, prefix):
    vit, shown = encoder(arch, size), images(size)
    mean, std = (torch.tensor(v).reshape(1, 3, 1, 1) for v in (MEAN, STD))
    with torch.no_grad():
        wanted = vit.forward_features((shown - mean) / std)
        tokens = embed(vit, shown)
        found = encode(vit, tokens)
        everything = torch.arange(tokens.shape[1]).expand(len(tokens), -1)
        visible = encode_visible(vit, tokens, everything)
    assert torch.equal(found, wanted)
    assert torch.equal(visible, wanted)
    assert vit.num_prefix_tokens == prefix
    assert torch.equal(of_patches(vit, found), wanted[:, prefix:])
    assert tokens.shape[1] == grid_side(vit) ** 2 == (size // patch_side(vit)) ** 2


def test_an_encoder_of_any_input_size_is_the_same():
    import timm

    torch.manual_seed(0)
    vit = timm.create_model("vit_tiny_patch16_224", img_size=64, num_classes=0, depth=2, dynamic_img_size=True).eval()
    with torch.no_grad():
        assert torch.equal(encode(vit, embed(vit, images())), vit.forward_features(normalised(images())))


def test_visible_patches_keep_their_positions_and_know_nothing_of_the_others():
    vit, shown = encoder(), images()
    kept = torch.tensor([[1, 5, 9], [0, 2, 15]])
    with torch.no_grad():
        tokens = embed(vit, shown)
        found = encode_visible(vit, tokens, kept)
        hidden = torch.ones_like(tokens, dtype=torch.bool).scatter(1, kept[..., None].expand(-1, -1, 192), value=False)
        assert torch.equal(encode_visible(vit, torch.where(hidden, 1e3, tokens), kept), found)
        # By hand: class token and positions first, then the three tokens at theirs.
        wanted = []
        for n in range(2):
            rows = [vit.cls_token[0, 0] + vit.pos_embed[0, 0]]
            rows += [tokens[n, i] + vit.pos_embed[0, 1 + i] for i in kept[n]]
            wanted.append(vit.norm(vit.blocks(torch.stack(rows)[None]))[0])
    assert torch.allclose(found, torch.stack(wanted), atol=1e-6)


def test_the_order_of_visible_patches_does_not_matter():
    vit, shown = encoder(), images(n=1)
    with torch.no_grad():
        tokens = embed(vit, shown)
        one = encode_visible(vit, tokens, torch.tensor([[3, 7]]))
        other = encode_visible(vit, tokens, torch.tensor([[7, 3]]))
    assert torch.allclose(one[:, 1:], other[:, 1:].flip(1), atol=1e-5)


@pytest.mark.parametrize("drop_path", [0.0, 0.5])
def test_checkpointing_gives_equal_gradients(drop_path):
    grads = []
    for checkpointing in (False, True):
        vit = encoder(drop_path=drop_path, checkpointing=checkpointing).train()
        torch.manual_seed(2)
        encode(vit, embed(vit, images())).square().mean().backward()
        grads.append({n: p.grad for n, p in vit.named_parameters() if p.grad is not None})
    assert grads[0].keys() == grads[1].keys()
    assert len(grads[0]) > 20
    for name, gradient in grads[0].items():
        assert torch.allclose(gradient, grads[1][name], rtol=1e-5, atol=1e-9), name


def test_depth_and_patch_size_may_differ_from_the_architectures():
    vit = encoder(size=32, patch_size=8, depth=3)
    assert (len(vit.blocks), patch_side(vit), grid_side(vit)) == (3, 8, 4)


@pytest.mark.parametrize(
    ("arch", "size", "message"),
    [
        ("vit_nonexistent", 64, "timm knows no model"),
        ("resnet18", 64, "cannot be built for 64 pixels"),
        ("swin_tiny_patch4_window7_224", 224, "no plain vision transformer"),
        ("vit_tiny_r_s16_p8_224", 64, "no plain vision transformer"),  # tokens behind a convolutional stem
        ("vit_tiny_patch16_224", 100, "100 pixels are not a multiple of the patch of 16"),
        ("vit_tiny_patch16_224", 8, "8 pixels are not a multiple of the patch of 16"),
    ],
)
def test_what_cannot_be_an_encoder_is_refused(arch, size, message):
    with pytest.raises(UsageError, match=message):
        build_encoder(EncoderConfig(arch=arch, img_size=size))


def test_weights_of_a_file_are_loaded_strictly(tmp_path):
    vit = encoder()
    save_file(vit.state_dict(), tmp_path / "all.safetensors")
    again = build_encoder(
        EncoderConfig(arch="vit_tiny_patch16_224", img_size=64, depth=2, init=str(tmp_path / "all.safetensors"))
    )
    assert all(torch.equal(p, q) for p, q in zip(vit.parameters(), again.parameters(), strict=True))
    for name, depth in (("all", 1), ("none", 2)):
        init = str(tmp_path / f"{name}.safetensors")
        with pytest.raises(UsageError, match="holds no weights of this encoder"):
            build_encoder(EncoderConfig(arch="vit_tiny_patch16_224", img_size=64, depth=depth, init=init))


def test_a_token_of_a_patch_sees_no_other_patch():
    vit, shown = encoder(), images(n=1)
    changed = shown.clone()
    changed[..., 16:32, 32:48] = 0  # row 1, column 2: patch 6
    with torch.no_grad():
        different = (embed(vit, shown) != embed(vit, changed)).any(-1)[0]
    assert different.nonzero().flatten().tolist() == [6]
