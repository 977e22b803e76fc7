"""Each term of the loss against loops over pictures, patches and tokens."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pretrain.method import losses

N, L, M, K, P = 2, 5, 3, 4, 6


def values(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def beliefs(*shape, seed=0):
    return (2 * values(*shape, seed=seed)).softmax(-1)


REPLACED = torch.tensor([[True, False, True, True, False], [False, True, True, False, True]])


def test_squared_errors_are_means_over_the_pixels():
    predicted, target = values(N, L, P), values(N, L, P, seed=1)
    found = losses.reconstruction_errors(predicted, target, "mse")
    for n in range(N):
        for i in range(L):
            wanted = sum(float(predicted[n, i, c] - target[n, i, c]) ** 2 for c in range(P)) / P
            assert float(found[n, i]) == pytest.approx(wanted)


def test_smooth_errors_are_quadratic_near_nought_and_linear_beyond():
    predicted, target = 0.02 * values(N, L, P), 0.02 * values(N, L, P, seed=1)

    def one(x):
        return 10 * (x * x / (2 * 0.01) if abs(x) < 0.01 else abs(x) - 0.01 / 2)

    found = losses.reconstruction_errors(predicted, target, "smoothl1")
    for n in range(N):
        for i in range(L):
            wanted = sum(one(float(predicted[n, i, c] - target[n, i, c])) for c in range(P)) / P
            assert float(found[n, i]) == pytest.approx(wanted)


def test_errors_are_split_by_the_mask():
    errors = values(N, L).abs()
    coded, visible = losses.split_errors(errors, REPLACED)
    inside = [float(errors[n, i]) for n in range(N) for i in range(L) if REPLACED[n, i]]
    outside = [float(errors[n, i]) for n in range(N) for i in range(L) if not REPLACED[n, i]]
    assert float(coded) == pytest.approx(np.mean(inside))
    assert float(visible) == pytest.approx(np.mean(outside))


def test_where_all_patches_are_replaced_nothing_is_visible():
    coded, visible = losses.split_errors(values(N, L).abs(), torch.ones(N, L, dtype=torch.bool))
    assert math.isfinite(float(coded))
    assert float(visible) == 0


def test_alignment_is_the_mean_square_of_prototype_less_patch():
    prototypes, pixels = values(N, M, P), values(N, M, P, seed=1)
    total = sum(float(prototypes[n, m, c] - pixels[n, m, c]) ** 2 for n in range(N) for m in range(M) for c in range(P))
    assert float(losses.alignment(prototypes, pixels)) == pytest.approx(total / (N * M * P))


def test_incubation_is_a_cross_entropy():
    target, logits = beliefs(N, M, K), values(N, M, K, seed=1)
    total = 0.0
    for n in range(N):
        for m in range(M):
            normaliser = math.log(sum(math.exp(float(logits[n, m, k])) for k in range(K)))
            total -= sum(float(target[n, m, k]) * (float(logits[n, m, k]) - normaliser) for k in range(K))
    assert float(losses.incubation(target, logits)) == pytest.approx(total / (N * M))


def entropy(shares):
    return -sum(p * math.log(p) for p in shares if p > 0)


def test_balance_is_what_the_mean_belief_lacks_of_the_largest_entropy():
    belief = beliefs(7, K)
    mean = [sum(float(belief[i, k]) for i in range(7)) / 7 for k in range(K)]
    assert float(losses.balance(belief)) == pytest.approx(math.log(K) - entropy(mean))


def test_balance_of_pools_is_the_mean_over_those_that_have_rows():
    belief, pools = beliefs(7, K), torch.tensor([0, 0, 2, 2, 2, 3, 0])  # nobody replaced position 1
    lacking = []
    for pool in (0, 2, 3):
        rows = [i for i in range(7) if pools[i] == pool]
        mean = [sum(float(belief[i, k]) for i in rows) / len(rows) for k in range(K)]
        lacking.append(math.log(K) - entropy(mean))
    assert float(losses.balance(belief, pools, count=4)) == pytest.approx(np.mean(lacking))


def test_balance_is_nought_for_an_even_and_log_k_for_a_single_choice():
    assert float(losses.balance(torch.eye(K, dtype=torch.float64))) == pytest.approx(0)
    assert float(losses.balance(torch.eye(K, dtype=torch.float64)[:1])) == pytest.approx(math.log(K))


def cosine(a, b):
    return float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))


@pytest.mark.parametrize("centred", [True, False])
def test_spatial_consistency_by_loops(centred):
    student, teacher = values(N, L, 8) + 1, values(N, L, 8, seed=1) + 1
    total, pairs = 0.0, 0
    for n in range(N):
        mine = student[n] - student[n].mean(0) if centred else student[n]
        whole = teacher[n] - teacher[n].mean(0) if centred else teacher[n]
        for i in range(L):
            for j in range(L):
                if REPLACED[n, i] or REPLACED[n, j]:
                    total += (cosine(mine[i], mine[j]) - cosine(whole[i], whole[j])) ** 2
                    pairs += 1
    found = losses.spatial_consistency(student, teacher, REPLACED, centred=centred)
    assert float(found) == pytest.approx(total / pairs, rel=1e-5)


@pytest.mark.parametrize("centred", [True, False])
def test_equal_relations_cost_nothing_though_the_features_differ(centred):
    teacher = values(N, L, 8)
    rotation, _ = torch.linalg.qr(values(8, 8, seed=3))
    student = 3 * teacher @ rotation
    assert float(losses.spatial_consistency(student, teacher, REPLACED, centred=centred)) < 1e-12


def test_where_teacher_and_student_agree_that_all_patches_are_equal_only_the_centred_term_still_tells_them_apart():
    # A teacher that has collapsed as well: without centring the pair is at no cost, whatever is left of the picture.
    nearly = torch.ones(N, L, 8, dtype=torch.float64) + 1e-3 * values(N, L, 8)
    also = torch.ones(N, L, 8, dtype=torch.float64) + 1e-3 * values(N, L, 8, seed=1)
    assert float(losses.spatial_consistency(nearly, also, REPLACED, centred=False)) < 1e-9
    assert float(losses.spatial_consistency(nearly, also, REPLACED, centred=True)) > 0.1


def test_equal_features_are_no_solution_of_the_centred_term():
    teacher = values(N, L, 8) + 3  # a common part, as encoders have it
    equal = torch.ones(N, L, 8, dtype=torch.float64)
    assert float(losses.spatial_consistency(equal, teacher, REPLACED, centred=False)) < 0.05
    assert float(losses.spatial_consistency(equal, teacher, REPLACED, centred=True)) > 0.2


def test_no_gradient_reaches_the_teachers_features():
    student, teacher = values(N, L, 8).requires_grad_(), values(N, L, 8, seed=1).requires_grad_()
    losses.spatial_consistency(student, teacher, REPLACED).backward()
    assert teacher.grad is None
    assert float(student.grad.abs().max()) > 0


def test_relations_keep_full_precision_under_autocast():
    features = values(N, L, 8).float()
    plain = losses.relations(features, centred=True)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(losses.relations(features, centred=True), plain)


@pytest.mark.parametrize("term", ["incubation", "balance", "pools", "spatial", "spatial-plain"])
def test_gradients_are_those_of_finite_differences(term):
    target, other, pools = beliefs(N, M, K), values(N, L, 8, seed=1), torch.tensor([0, 1, 1])
    made = {
        "incubation": (lambda x: losses.incubation(target, x), (N, M, K)),
        "balance": (lambda x: losses.balance(x.softmax(-1)), (3, K)),
        "pools": (lambda x: losses.balance(x.softmax(-1), pools, count=3), (3, K)),
    }
    if term in made:
        function, shape = made[term]
        assert torch.autograd.gradcheck(function, (values(*shape, seed=4).requires_grad_(),))
        return
    # Relations are in float32 on purpose, so the differences are coarse.
    student, step = values(N, L, 8, seed=4), 1e-2
    centred = term == "spatial"
    leaf = student.clone().requires_grad_()
    losses.spatial_consistency(leaf, other, REPLACED, centred=centred).backward()
    for place in ((0, 0, 0), (0, 1, 3), (1, 4, 7)):
        up, down = student.clone(), student.clone()
        up[place] += step
        down[place] -= step
        ends = [float(losses.spatial_consistency(x, other, REPLACED, centred=centred)) for x in (up, down)]
        assert float(leaf.grad[place]) == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=0.02, abs=1e-5)
