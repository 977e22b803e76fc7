"""The baselines: MAE and SimMIM against what their papers say, on the same pictures."""

from __future__ import annotations

import pytest
import torch

from pretrain.method.encoder import embed, encode
from pretrain.method.methods import METHODS
from tests.pretrain.small import PATCHES, PIXELS, at, small_batch, small_method


def errors_by_hand(method, batch, predicted):
    """Mean square on replaced and on visible patches, patch by patch."""
    target, split = method.patches(batch).pixels, {True: [], False: []}
    for n in range(len(batch.images)):
        for i in range(PATCHES):
            split[bool(batch.replaced[n, i])].append(float(((predicted[n, i] - target[n, i]) ** 2).mean()))
    return (sum(split[kind]) / len(split[kind]) for kind in (True, False))


@pytest.mark.parametrize(("name", "visible", "share"), [("mae", 0.1, 0.0), ("simmim", 0.1, 0.1), ("simmim", 0.0, 0.0)])
def test_the_loss_by_hand(name, visible, share):
    method, batch = small_method(name, loss={"visible": visible}), small_batch()
    with torch.no_grad():
        outcome, predicted = method(batch, at()), method.predict(batch)
    coded, seen = errors_by_hand(method, batch, predicted)
    assert predicted.shape == (4, PATCHES, PIXELS)
    assert float(outcome.parts["rec"]) == pytest.approx(coded, rel=1e-5)
    assert float(outcome.parts["rec_visible"]) == pytest.approx(seen, rel=1e-5)
    assert float(outcome.loss) == pytest.approx(coded + share * seen, rel=1e-5)


def test_mae_encodes_visible_patches_alone():
    method, batch, seen = small_method("mae"), small_batch(), {}
    handle = method.encoder.blocks[0].register_forward_pre_hook(lambda _, given: seen.update(shape=given[0].shape))
    method.predict(batch)
    handle.remove()
    assert seen["shape"] == (4, 1 + 4, 192)  # a class token and the quarter that is left


def test_mae_puts_its_mask_tokens_where_patches_were_replaced():
    method, batch, seen = small_method("mae"), small_batch(), {}
    with torch.no_grad():
        method.mask_token.fill_(7.0)
    handle = method.decoder.blocks[0].register_forward_pre_hook(lambda _, given: seen.update(tokens=given[0]))
    method.predict(batch)
    handle.remove()
    laid = seen["tokens"] - method.decoder.positions
    assert torch.equal(torch.isclose(laid[:, 1:], torch.tensor(7.0), atol=1e-5).all(-1), batch.replaced)


def test_simmim_is_paco_fr_with_a_single_token():
    simmim, batch = small_method("simmim"), small_batch()
    paco = small_method(codebook={"size": 1, "candidates": 1, "start": "normal"})
    with torch.no_grad():
        paco.codebook.tokens.copy_(simmim.mask_token.expand(1, 1, -1))
        paco.encoder.load_state_dict(simmim.encoder.state_dict())
        picked = paco.pick(paco.patches(batch), batch)
        ours = paco.encode_replaced(batch, picked, paco.select(picked, None), None)
        own = torch.where(batch.replaced[..., None], simmim.mask_token, embed(simmim.encoder, batch.images))
        assert torch.allclose(ours, encode(simmim.encoder, own), atol=1e-6)
        assert torch.allclose(simmim.predict(batch), simmim.decoder(ours), atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_shows_its_pictures_and_learns_its_name_by_the_table(name):
    method, batch = small_method(name), small_batch()
    panels = method.panels(batch, at())
    assert {"original", "masked", "reconstruction"} <= set(panels)
    assert type(method) is METHODS[name]
    assert method.after_step([method(batch, at())], at(), torch.optim.AdamW(method.encoder.parameters())) is not None


def test_baselines_start_without_looking_at_pictures():
    for name in ("mae", "simmim"):
        method = small_method(name)
        method.start(iter([]))
        assert method.health(small_batch(), at()) == {}
