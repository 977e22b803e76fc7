"""Gradients reach what they must and nothing else."""

from __future__ import annotations

import pytest
import torch

from tests.pretrain.small import at, small_batch, small_method

ALONE = {"visible": 0.0, "align": 0.0, "balance": 0.0, "spatial": 0.0}
"""Weights under which the loss is the reconstruction of the replaced patches and nothing else."""

PARTS = {
    "encoder": "encoder.",
    "decoder": "decoder.",
    "belief": "belief.",
    "tokens": "codebook.tokens",
    "keys": "codebook.key.",
    "pixel head": "codebook.pixel_head.",
    "teacher": "teacher.",
}


def reached(method):
    """Names of the parts that have a gradient other than nought in some parameter."""
    found = set()
    for name, parameter in method.named_parameters():
        if parameter.grad is not None and bool(parameter.grad.abs().max() > 0):
            found |= {part for part, prefix in PARTS.items() if name.startswith(prefix)}
    return found


def started(**sections):
    method = small_method(**sections)
    method.start(iter([small_batch(8, seed=9)]))
    return method


def picked_of(method, batch):
    patches = method.patches(batch)
    picked = method.pick(patches, batch)
    return picked, method.select(picked, method.noise(picked, batch, at()))


def without_gradient(method):
    """Names of trainable parameters whose gradient is missing, or nought throughout."""
    return {
        name
        for name, p in method.named_parameters()
        if p.requires_grad and (p.grad is None or not bool(p.grad.abs().max() > 0))
    }


def test_reconstruction_alone_teaches_all_but_the_pixel_head():
    method = started(loss=ALONE)
    method(small_batch(), at()).loss.backward()
    assert reached(method) == {"encoder", "decoder", "belief", "tokens", "keys"}
    assert without_gradient(method) == {"codebook.pixel_head.weight", "codebook.pixel_head.bias"}


def test_without_the_straight_through_estimator_reconstruction_would_not_reach_the_belief():
    # One candidate: its weight is 1 whatever the belief, so nothing passes through.
    method = started(loss=ALONE, codebook={"size": 16, "key_dim": 8, "kmeans_patches": 64, "candidates": 1})
    method(small_batch(), at()).loss.backward()
    assert reached(method) == {"encoder", "decoder", "tokens"}


def test_tokens_outside_every_candidate_set_learn_nothing_from_reconstruction():
    method, batch = started(loss=ALONE, codebook={"size": 60, "key_dim": 8, "candidates": 2}), small_batch(2)
    picked, choice = picked_of(method, batch)
    method(batch, at()).loss.backward()
    touched = method.codebook.tokens.grad[0].abs().amax(-1) > 0
    candidates = torch.zeros(60, dtype=torch.bool)
    candidates[picked.logits.topk(2).indices.flatten()] = True
    assert 2 < int(candidates.sum()) < 50
    assert not bool((touched & ~candidates).any())
    assert bool(touched[choice.indices.flatten()].all())
    assert torch.equal(touched, candidates)  # those not taken learn through their keys


def test_incubation_teaches_belief_and_keys_alone():
    for target in ("sinkhorn", "hungarian"):
        method, batch = started(incubation={"target": target}), small_batch()
        picked, _ = picked_of(method, batch)
        method.incubate(picked, at(epoch=0.5))["incubation"].backward()
        # A key is a projection of its token, so tokens learn to be found; no pixel head moves towards the patches.
        assert reached(method) == {"belief", "keys", "tokens"}


def test_alignment_teaches_the_pixel_head_and_the_chosen_tokens_alone():
    method, batch = started(), small_batch(2)
    picked, choice = picked_of(method, batch)
    method.align(picked, choice).backward()
    assert reached(method) == {"pixel head", "tokens"}
    touched = (method.codebook.tokens.grad[0].abs().amax(-1) > 0).nonzero().flatten()
    assert touched.tolist() == choice.indices.unique().tolist()


def test_balance_teaches_belief_and_keys_alone():
    method, batch = started(), small_batch()
    method.balance(picked_of(method, batch)[0]).backward()
    assert reached(method) == {"belief", "keys", "tokens"}


def test_spatial_consistency_teaches_the_encoder_and_what_it_is_given_but_no_decoder():
    method, batch = started(), small_batch()
    picked, choice = picked_of(method, batch)
    features = method.encode_replaced(batch, picked, choice, None)[:, 1:]
    with torch.no_grad():
        for parameter in method.teacher.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    method.keep_relations(features, batch)["spatial"].backward()
    assert reached(method) == {"encoder", "tokens", "belief", "keys"}


@pytest.mark.parametrize("method", ["paco-fr", "mae", "simmim"])
def test_no_parameter_is_left_without_a_gradient_and_the_teacher_has_none(method):
    made = small_method(method)
    made(small_batch(), at(epoch=0.5)).loss.backward()
    assert without_gradient(made) == set()
    assert all(p.grad is None for p in made.teacher.parameters())


def test_the_whole_method_with_every_option_leaves_none_without_a_gradient():
    method = small_method(
        codebook={"size": 16, "key_dim": 8, "code_drop": 0.5}, loss={"geometry": 0.1, "tokens": 0.5, "kind": "smoothl1"}
    )
    method(small_batch(), at(epoch=0.5)).loss.backward()
    assert without_gradient(method) == set()


def test_patches_of_a_position_teach_the_tokens_of_that_position_alone():
    method, batch = small_method(codebook={"scope": "position", "size": 4, "key_dim": 8}, loss=ALONE), small_batch(1)
    method(batch, at()).loss.backward()
    touched = method.codebook.tokens.grad.abs().amax((1, 2)) > 0
    assert torch.equal(touched, batch.replaced[0])
