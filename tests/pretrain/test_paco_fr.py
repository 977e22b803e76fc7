"""The method as a whole: its stages, its draws, and the traps that pictures may set."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from pretrain.batch import Clock
from pretrain.method import losses
from pretrain.method.encoder import normalised
from pretrain.method.masked_model import positions_of
from tests.pretrain.small import PATCHES, REPLACED, SIZE, TOKENS, at, part_of, small_batch, small_method


@pytest.mark.parametrize(
    ("epochs", "decay", "epoch", "wanted"),
    [
        (1.0, "none", 0.0, 2.0),
        (1.0, "none", 0.999, 2.0),
        (1.0, "none", 1.0, 0.0),
        (0.5, "none", 0.49, 2.0),
        (0.5, "none", 0.5, 0.0),
        (2.0, "none", 1.7, 2.0),
        (0.0, "none", 0.0, 0.0),
        (1.0, "linear", 0.0, 2.0),
        (1.0, "linear", 0.25, 1.5),
        (4.0, "linear", 3.0, 0.5),
        (4.0, "linear", 4.0, 0.0),
    ],
)
def test_the_incubation_weight_by_hand(epochs, decay, epoch, wanted):
    method = small_method(incubation={"epochs": epochs, "decay": decay}, loss={"incubation": 2.0})
    clock = Clock(step=round(1000 * epoch), steps=10_000, steps_per_epoch=1000.0, seed=0)
    assert method.incubation_weight(clock) == pytest.approx(wanted)


def test_incubation_is_a_term_of_the_first_epoch_alone():
    method, batch = small_method(), small_batch()
    assert "incubation" in method(batch, at(epoch=0.9)).parts
    assert "incubation" not in method(batch, at(epoch=1.0)).parts
    assert "incubation" not in small_method(loss={"incubation": 0.0})(batch, at(epoch=0.0)).parts


def test_the_loss_is_the_weighted_sum_of_its_terms():
    weights = {"visible": 0.3, "align": 0.7, "incubation": 1.3, "spatial": 0.9, "balance": 0.4}
    weak = {"geometry": 0.2, "tokens": 0.6}
    method = small_method(codebook={"size": 16, "key_dim": 8, "code_drop": 0.5}, loss=weights | weak)
    outcome = method(small_batch(), at(epoch=0.5))
    named = {"rec": 1.0, "rec_visible": 0.3} | {n: w for n, w in (weights | weak).items() if n != "visible"}
    wanted = sum(weight * float(outcome.parts[name]) for name, weight in named.items())
    assert float(outcome.loss.detach()) == pytest.approx(wanted, rel=1e-5)
    assert all(not value.requires_grad for value in (*outcome.parts.values(), *outcome.state.values()))


def test_what_is_watched_by_hand():
    method, batch = small_method(), small_batch()
    outcome = method(batch, at())
    belief = method.pick(method.patches(batch), batch).logits.softmax(-1).detach()
    rows = [-sum(float(p) * math.log(float(p)) for p in row) for row in belief.flatten(0, 1)]
    assert float(outcome.parts["belief_entropy"]) == pytest.approx(np.mean(rows), rel=1e-5)
    gain = 1 - float(outcome.parts["rec"]) / float(outcome.parts["align"])
    assert float(outcome.parts["context_gain"]) == pytest.approx(gain, abs=1e-6)
    # The errors of prototypes are squares, so they say nothing beside another kind of error.
    assert "context_gain" not in small_method(loss={"kind": "smoothl1"})(batch, at()).parts


def test_queries_are_of_the_patches_that_are_replaced():
    method, batch = small_method(), small_batch()
    patches = method.patches(batch)
    picked = method.pick(patches, batch)
    for n in range(4):
        wanted = [i for i in range(PATCHES) if batch.replaced[n, i]]
        assert picked.positions[n].tolist() == wanted
        assert torch.equal(picked.pixels[n], patches.pixels[n, wanted])
    assert picked.logits.shape == (4, REPLACED, TOKENS)


def test_tokens_stand_where_the_patches_were():
    method, batch = small_method(), small_batch()
    seen = {}

    def note(_, arguments):
        seen["tokens"] = arguments[0]

    picked = method.pick(method.patches(batch), batch)
    choice = method.select(picked, None)
    handle = method.encoder.norm_pre.register_forward_pre_hook(note)
    method.encode_replaced(batch, picked, choice, None)
    handle.remove()
    tokens = seen["tokens"][:, 1:] - method.encoder.pos_embed[:, 1:]
    shown = (batch.images - torch.tensor([0.485, 0.456, 0.406]).reshape(3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).reshape(3, 1, 1)
    own = method.encoder.patch_embed(shown)
    for n in range(4):
        standing_in = iter(choice.tokens[n])
        for i in range(PATCHES):
            wanted = next(standing_in) if batch.replaced[n, i] else own[n, i]
            assert torch.allclose(tokens[n, i], wanted, atol=1e-5)


def test_dropped_patches_get_the_plain_token_and_are_as_many_as_asked():
    method, batch = small_method(codebook={"size": 16, "key_dim": 8, "code_drop": 0.3}), small_batch()
    picked = method.pick(method.patches(batch), batch)
    dropped = method.dropped(picked, batch, at())
    assert dropped.sum(1).tolist() == [3] * 4  # 0.3 of 12
    assert not torch.equal(dropped[0], dropped[1])
    assert small_method().dropped(picked, batch, at()) is None


@pytest.mark.parametrize("options", [{}, {"code_drop": 0.5}, {"scope": "position", "size": 4}])
def test_draws_depend_on_the_place_in_the_global_batch_alone(options):
    method = small_method(codebook={"size": 16, "key_dim": 8, "candidates": 4, **options})
    whole = small_batch(6)

    def drawn(batch, clock):
        picked = method.pick(method.patches(batch), batch)
        noise = method.noise(picked, batch, clock)
        return method.select(picked, noise).indices, noise, method.dropped(picked, batch, clock)

    indices, noise, dropped = drawn(whole, at())
    for start, stop in ((0, 2), (2, 5), (5, 6)):
        found = drawn(part_of(whole, start, stop), at())
        assert torch.equal(found[0], indices[start:stop])
        assert torch.equal(found[1], noise[start:stop])
        assert dropped is None or torch.equal(found[2], dropped[start:stop])
    assert not torch.equal(drawn(whole, at(2))[1], noise)
    assert not torch.equal(drawn(whole, at(seed=1))[1], noise)
    assert not torch.equal(noise[0], noise[1])


def test_micro_batches_make_the_loss_and_the_counts_of_the_whole():
    # Balance is over one micro-batch at a time, so it stays out.
    method, whole = small_method(loss={"balance": 0.0}), small_batch(6)
    all_at_once = method(whole, at())
    parts = [method(part_of(whole, *cut), at()) for cut in ((0, 2), (2, 6))]
    loss = sum(float(p.loss.detach()) * share for p, share in zip(parts, (2 / 6, 4 / 6), strict=True))
    assert loss == pytest.approx(float(all_at_once.loss.detach()), rel=1e-5)
    assert torch.equal(sum(p.state["counts"] for p in parts), all_at_once.state["counts"])


def test_outside_training_the_most_likely_token_is_taken():
    method, batch = small_method().eval(), small_batch()
    picked = method.pick(method.patches(batch), batch)
    assert method.noise(picked, batch, at()) is None
    outcome = method(batch, at())
    taken = torch.bincount(picked.logits.argmax(-1).flatten(), minlength=TOKENS)
    assert torch.equal(outcome.state["counts"][0], taken.float())
    assert not torch.equal(method.train()(batch, at()).state["counts"], outcome.state["counts"])


def test_positions_assign_each_patch_to_the_nearest_of_its_own_tokens():
    method = small_method(codebook={"size": 4, "scope": "position"}, incubation={"target": "hungarian"})
    batch = small_batch()
    picked = method.pick(method.patches(batch), batch)
    target, prototypes = method.assignment(picked), method.codebook.prototypes().detach()
    for n in range(4):
        for m in range(REPLACED):
            own = prototypes[picked.positions[n, m]]
            nearest = int(((own - picked.pixels[n, m]) ** 2).sum(1).argmin())
            assert target[n, m].argmax() == nearest
            assert target[n, m].sum() == 1


def test_positions_are_balanced_each_in_its_own_pool():
    method, batch = small_method(codebook={"size": 4, "scope": "position"}), small_batch(12)
    picked = method.pick(method.patches(batch), batch)
    target = method.assignment(picked)
    assert torch.allclose(target.sum(-1), torch.ones(12, REPLACED), atol=1e-5)
    sums = torch.zeros(PATCHES, 4).index_add_(0, picked.positions.flatten(), target.flatten(0, 1))
    rows = torch.bincount(picked.positions.flatten(), minlength=PATCHES)
    assert float((sums / rows[:, None] - 0.25).abs().max()) < 0.15


def test_code_reliance_is_near_one_before_anything_was_learnt_and_costs_no_gradient():
    method, batch = small_method(), small_batch()
    found = method.health(batch, at())
    assert found.keys() == {"code_reliance"}
    assert found["code_reliance"] == pytest.approx(1, abs=0.1)


def test_autocast_changes_little_and_keeps_the_belief_in_full_precision():
    method, batch = small_method(), small_batch()
    plain = method(batch, at(epoch=0.5))
    with torch.autocast("cpu", torch.bfloat16):
        picked = method.pick(method.patches(batch), batch)
        short = method(batch, at(epoch=0.5))
    assert picked.logits.dtype == torch.float32
    assert len(picked.logits.unique()) > 0.99 * picked.logits.numel()  # no steps of bfloat16, so no ties
    short.loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in method.parameters() if p.grad is not None)
    for name, value in plain.parts.items():
        assert float(short.parts[name]) == pytest.approx(float(value), rel=0.05, abs=0.05), name


def test_all_but_one_patch_replaced_is_no_trap():
    replaced = torch.ones(4, PATCHES, dtype=torch.bool)
    replaced[:, 2] = False
    batch = replace(small_batch(), replaced=replaced)
    method = small_method()
    outcome = method(batch, at(epoch=0.5))
    outcome.loss.backward()
    assert all(math.isfinite(float(v)) for v in outcome.parts.values())
    assert positions_of(replaced).shape[1] == PATCHES - 1


def test_pictures_of_one_colour_are_no_trap():
    batch = replace(small_batch(), images=torch.full((4, 3, SIZE, SIZE), 0.5))
    method = small_method()
    method(batch, at(epoch=0.5)).loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in method.parameters() if p.grad is not None)


def test_relations_are_kept_to_those_of_the_teacher_that_sees_the_whole_picture():
    method, batch = small_method(), small_batch()
    with torch.no_grad():
        for parameter in method.teacher.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
        features = torch.randn(4, PATCHES, 192, generator=torch.Generator().manual_seed(1))
        terms = method.keep_relations(features, batch)
        whole = method.teacher.forward_features(normalised(batch.images))[:, 1:]
    wanted = losses.spatial_consistency(features, whole, batch.replaced)
    assert float(terms["spatial"]) == pytest.approx(float(wanted), rel=1e-5)
    cosines = [
        float(features[n, i] @ whole[n, i] / features[n, i].norm() / whole[n, i].norm())
        for n in range(4)
        for i in range(PATCHES)
    ]
    assert float(terms["teacher_cosine"]) == pytest.approx(np.mean(cosines), abs=1e-5)
