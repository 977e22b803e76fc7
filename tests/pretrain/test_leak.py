"""What the encoder may learn of a replaced patch is which token stands for it, and not one bit more.

Pixels of replaced patches are changed where that does not change the token that is taken. The prediction must then be
the same to the last bit; under `mix` it is not, since the weights of a mixture are real numbers that follow the pixels.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pretrain.method.patches import patchify, unpatchify
from tests.pretrain.small import SIDE, at, small_batch, small_method


def changed(batch, where, amount):
    """The batch with noise in the patches `where` (N, L), in [0, 1] as before."""
    patches = patchify(batch.images, SIDE)
    noise = amount * (torch.rand(patches.shape, generator=torch.Generator().manual_seed(7)) - 0.5)
    other = torch.where(where[..., None], (patches + noise).clamp(0, 1), patches)
    return replace(batch, images=unpatchify(other, SIDE))


@torch.no_grad()
def predicted(method, batch):
    """Prediction, and the tokens taken: the steps of `forward`."""
    picked = method.pick(method.patches(batch), batch)
    choice = method.select(picked, method.noise(picked, batch, at()))
    encoded = method.encode_replaced(batch, picked, choice, method.dropped(picked, batch, at()))
    return method.decoder(encoded), choice.indices, picked.positions


def same_tokens(method, batch, amount=0.2):
    """A batch with other pixels in the replaced patches, but where these would change the token."""
    _, tokens, positions = predicted(method, batch)
    _, other, _ = predicted(method, changed(batch, batch.replaced, amount))
    kept = torch.zeros_like(batch.replaced).scatter(1, positions, tokens == other)
    assert int(kept.sum()) > 10
    return changed(batch, kept, amount)


def method_with(**codebook):
    method = small_method(codebook={"size": 16, "key_dim": 8, "kmeans_patches": 128, **codebook})
    method.start(iter([small_batch(8, seed=9)]))
    return method


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "codebook",
    [{"select": "sample"}, {"select": "argmax"}, {"scope": "position", "size": 4}, {"code_drop": 0.5}],
    ids=lambda fields: "-".join(map(str, fields.values())),
)
def test_other_pixels_with_the_same_token_change_no_bit_of_the_prediction(codebook, training):
    method, batch = method_with(**codebook).train(training), small_batch(8)
    other = same_tokens(method, batch)
    before, after = predicted(method, batch), predicted(method, other)
    assert torch.equal(before[1], after[1])
    assert float((batch.images - other.images).abs().max()) > 0.05
    assert torch.equal(before[0], after[0])


def test_a_mixture_leaks():
    """The negative control: with `mix` the same change of pixels shows in the prediction."""
    method, batch = method_with(select="mix"), small_batch(8)
    other = same_tokens(method, batch)
    before, after = predicted(method, batch), predicted(method, other)
    assert torch.equal(before[1], after[1])  # the most likely token is the same
    assert float((before[0] - after[0]).abs().max()) > 1e-4


def test_another_token_shows():
    method, batch = method_with(), small_batch(8)
    before, after = predicted(method, batch), predicted(method, changed(batch, batch.replaced, 1.0))
    assert not torch.equal(before[1], after[1])
    assert not torch.equal(before[0], after[0])


def test_visible_patches_show():
    method, batch = method_with(), small_batch(8)
    assert not torch.equal(predicted(method, batch)[0], predicted(method, changed(batch, ~batch.replaced, 0.2))[0])


def test_with_the_plain_token_everywhere_replaced_pixels_do_not_matter_at_all():
    method, batch = method_with(code_drop=1.0), small_batch(8)
    other = changed(batch, batch.replaced, 1.0)
    assert torch.equal(predicted(method, batch)[0], predicted(method, other)[0])


@pytest.mark.parametrize("name", ["mae", "simmim"])
def test_the_baselines_see_nothing_of_replaced_patches(name):
    method, batch = small_method(name), small_batch(8)
    with torch.no_grad():
        plain = method.predict(batch)
        assert torch.equal(plain, method.predict(changed(batch, batch.replaced, 1.0)))
        assert not torch.equal(plain, method.predict(changed(batch, ~batch.replaced, 0.2)))
