"""What PaCo-FR and its baselines share: how they are built, what decays, what is shown."""

from __future__ import annotations

import pytest
import torch

from pretrain.method.masked_model import positions_of
from pretrain.method.patches import unpatchify
from tests.pretrain.small import PIXELS, SIDE, SIZE, TOKENS, at, small_batch, small_method


@pytest.mark.parametrize("name", ["paco-fr", "mae", "simmim"])
def test_two_builds_of_a_seed_are_equal_and_leave_torchs_generator_alone(name):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, other, another = (small_method(name, run={"seed": seed}) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    states = [m.state_dict() for m in (one, other, another)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(v, states[1][n]) for n, v in states[0].items())
    assert any(not torch.equal(v, states[2][n]) for n, v in states[0].items())
    one(small_batch(), at())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", ["paco-fr", "mae", "simmim"])
def test_two_passes_are_equal(name):
    method, batch = small_method(name), small_batch()
    first, again = method(batch, at()), method(batch, at())
    assert torch.equal(first.loss, again.loss)
    assert all(torch.equal(v, again.parts[n]) for n, v in first.parts.items())


def test_panels_show_the_picture_as_it_is_where_nothing_was_replaced():
    method, batch = small_method(), small_batch()
    panels = method.panels(batch, at())
    assert list(panels) == ["original", "masked", "prototypes", "reconstruction"]
    cover = unpatchify(batch.replaced[..., None].float().expand(-1, -1, PIXELS), SIDE).bool()
    for name, panel in panels.items():
        assert panel.shape == (4, 3, SIZE, SIZE), name
        assert float(panel.min()) >= 0, name
        assert float(panel.max()) <= 1, name
    assert torch.equal(panels["original"], batch.images)
    assert torch.equal(panels["masked"][~cover], batch.images[~cover])
    assert (panels["masked"][cover] == 0.5).all()
    assert torch.allclose(panels["prototypes"][~cover], batch.images[~cover], atol=1e-5)
    assert not torch.allclose(panels["prototypes"][cover], batch.images[cover], atol=1e-2)
    assert method.prototypes().shape == (TOKENS, 3, SIDE, SIDE)


def test_checkpointing_changes_no_gradient_of_the_method():
    grads = []
    for checkpointing in (False, True):
        method = small_method(encoder={"checkpointing": checkpointing})
        method(small_batch(), at()).loss.backward()
        grads.append({n: p.grad for n, p in method.named_parameters() if p.grad is not None})
    assert all(torch.allclose(g, grads[1][n], rtol=1e-5, atol=1e-9) for n, g in grads[0].items())


def test_every_parameter_is_in_one_group_and_decays_if_it_is_a_weight():
    method = small_method(
        codebook={"size": 16, "code_drop": 0.5, "lr_scale": 5.0}, loss={"geometry": 0.1, "tokens": 0.1}
    )
    names = {id(p): n for n, p in method.named_parameters() if p.requires_grad}
    groups = {
        names[id(p)]: (group["weight_decay"], group["lr_scale"])
        for group in method.parameter_groups()
        for p in group["params"]
    }
    assert groups.keys() == set(names.values())
    assert sum(len(group["params"]) for group in method.parameter_groups()) == len(names)
    still = {"mask_token", "encoder.cls_token", "encoder.pos_embed", "belief.scale", "geometry.queries"}
    for name, (decay, rate) in groups.items():
        vector = name.endswith("bias") or "norm" in name or name == "belief.layers.2.weight"
        assert (decay == 0) == (vector or name in still or name == "codebook.tokens"), name
        assert (rate == 5) == (name in ("codebook.tokens", "codebook.key.weight")), name


def test_positions_are_the_places_of_what_is_replaced():
    replaced = torch.tensor([[True, False, True], [False, True, True]])
    assert positions_of(replaced).tolist() == [[0, 2], [1, 2]]
    with pytest.raises(AssertionError, match="same number"):
        positions_of(torch.tensor([[True, False], [True, True]]))
