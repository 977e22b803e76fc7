"""Network and losses: shapes of every family, soft-argmax and heatmaps by hand, gradients that reach everything."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from facebench.backbones.spec import open_backbone
from facebench.metrics import parsing
from facebench.registry import Registry
from facebench.tuning import losses
from facebench.tuning.network import Network, Pyramid, UPerHead, softargmax
from facebench.types import Features


@pytest.mark.parametrize("spec", ["timm:test_vit@random:0", "timm:test_convnext@random:0", "timm:test_resnet@random:0"])
def test_every_family_gives_scores_of_the_wanted_size_and_learns_everywhere(spec):
    encoder = open_backbone(spec, Registry(), None)
    network = Network(encoder, 5, 24, seed=0, width=16)
    network.train()
    scores = network(torch.rand(2, 3, encoder.input_size, encoder.input_size))
    assert scores.shape == (2, 5, 24, 24)
    scores.square().mean().backward()
    still = [name for name, p in network.pyramid.named_parameters() if p.grad is None or not p.grad.any()]
    still += [name for name, p in network.head.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still
    assert any(p.grad is not None and p.grad.any() for p in network.backbone.parameters())


def test_maps_of_a_plain_vit_become_four_scales():
    maps = [torch.rand(1, 8, 6, 6) for _ in range(4)]
    assert [m.shape[-1] for m in Pyramid([[8, 6, 6]] * 4)(maps)] == [24, 12, 6, 3]
    falling = [torch.rand(1, 8, side, side) for side in (12, 6, 3)]
    assert Pyramid([[8, 12, 12], [8, 6, 6], [8, 3, 3]])(falling)[0] is falling[0]


def test_one_map_is_enough():
    head = UPerHead([8], 3, 4)
    assert head([torch.rand(2, 8, 6, 6)]).shape == (2, 3, 6, 6)


def test_new_weights_follow_their_seed_and_leave_torch_alone():
    encoder = SimpleNamespace(
        encode=lambda x: Features((x,), x.mean(dim=(2, 3))), module=torch.nn.Identity(),
        record=SimpleNamespace(details={"maps": [[3, 8, 8]]}),
    )  # fmt: skip
    before = torch.get_rng_state()
    one, two, other = (Network(encoder, 2, 8, seed=s).state_dict() for s in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_softargmax_is_the_mean_place_of_the_heat():
    scores = torch.full((1, 2, 8, 8), -30.0)
    scores[0, 0, 2, 5] = 30.0
    scores[0, 1, 0, 0] = scores[0, 1, 0, 4] = 30.0
    torch.testing.assert_close(softargmax(scores)[0], torch.tensor([[5.5 / 8, 2.5 / 8], [2.5 / 8, 0.5 / 8]]))


def test_heatmaps_equal_a_plain_loop():
    points = torch.tensor([[[0.3, 0.6], [1.2, 0.5]]])
    found = losses.heatmaps(points, 10, 4.0)
    for k in range(2):
        for row in range(10):
            for column in range(10):
                x, y = (10 * float(v) for v in points[0, k])
                square = (column + 0.5 - x) ** 2 + (row + 0.5 - y) ** 2
                assert found[0, k, row, column] == pytest.approx(np.exp(-8 * square / 16), abs=1e-6)


def test_the_landmark_loss_is_its_two_terms_over_known_points():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(2, 3, 8, 8, generator=generator)
    points = torch.rand(2, 3, 2, generator=generator)
    points[0, 1] = torch.nan
    known = [(i, k) for i in range(2) for k in range(3) if (i, k) != (0, 1)]
    total = 0.0
    for i, k in known:
        heat = scores[i, k].sigmoid()
        target = losses.heatmaps(points[i : i + 1, k : k + 1], 8, 4.0)[0, 0]
        place = torch.tensor(
            [(heat.sum(0) * (torch.arange(8) + 0.5) / 8).sum(), (heat.sum(1) * (torch.arange(8) + 0.5) / 8).sum()]
        )
        entropy = -(target * heat.log() + (1 - target) * (1 - heat).log()).mean()
        total += float((place / heat.sum() - points[i, k]).norm() + entropy) / len(known)
    assert float(losses.landmark_loss(scores, points, 4.0)) == pytest.approx(total, rel=1e-5)
    scores.requires_grad_()
    losses.landmark_loss(scores, points, 4.0).backward()
    assert torch.isfinite(scores.grad).all()
    assert not scores.grad[0, 1].any(), "an unknown point teaches nothing"


def test_errors_of_a_face_leave_unknown_points_out():
    scores = torch.full((1, 2, 4, 4), -30.0)
    scores[0, :, 1, 1] = 30.0
    points = torch.tensor([[[0.375 + 0.3, 0.375 + 0.4], [torch.nan, torch.nan]]])
    assert float(losses.landmark_error(scores, points)) == pytest.approx(0.5, abs=1e-6)


def test_f1_equals_that_of_the_evaluator():
    generator = torch.Generator().manual_seed(0)
    scores, labels = torch.randn(3, 4, 9, 9, generator=generator), torch.randint(0, 4, (3, 9, 9), generator=generator)
    labels[labels == 3] = 0
    scores[:, 3] = -10  # class 3 is nowhere: it counts in no mean
    matrix = losses.confusion(scores, labels)
    theirs = sum(
        parsing.confusion(y.numpy().astype(np.uint8), s.argmax(0).numpy().astype(np.uint8), 4)
        for s, y in zip(scores, labels, strict=True)
    )
    np.testing.assert_array_equal(matrix.numpy(), theirs)
    f1 = [200 * theirs[c, c] / (theirs[c].sum() + theirs[:, c].sum()) for c in (1, 2)]
    assert losses.mean_f1(matrix) == pytest.approx(np.mean(f1))
    same = torch.nn.functional.cross_entropy(scores, labels)
    assert float(losses.parsing_loss(scores, labels.to(torch.uint8))) == pytest.approx(float(same))
