"""Nearest neighbours: by hand, against plain numpy, and what they may not depend on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from facebench.heads import neighbour_labels, neighbours
from facebench.heads.label_map import class_weight, grid_of
from facebench.heads.neighbour_labels import NeighbourLabels, draw_bank, fit_neighbour_labels
from facebench.heads.neighbour_mean import NeighbourHead, fit_neighbour_landmarks, fit_neighbour_shape
from facebench.heads.neighbours import Choice, Support, choices, weighted

SIDE, CHANNELS, CLASSES = 4, 6, 3


def test_the_nearest_by_hand():
    # The mean of the support is (2, 1): centred it is (2, 0), (-1, 1), (-1, -1), and the query (1, 1) is (-1, 0).
    support = Support.of(torch.tensor([[4.0, 1.0], [1.0, 2.0], [1.0, 0.0]], dtype=torch.float64))
    ((cosines, near),) = support.nearest(torch.tensor([[1.0, 1.0]], dtype=torch.float64), 3)
    assert near[0, 2] == 0
    assert cosines[0].tolist() == pytest.approx([2**-0.5, 2**-0.5, -1.0])
    values = torch.tensor([[[3.0], [5.0], [100.0]]], dtype=torch.float64)
    # Two equal cosines weigh the same; of all three at temperature 1 the last has e^-1 beside twice e^0.7071.
    assert weighted(cosines, values, Choice(2, 0.02)).item() == pytest.approx(4.0)
    e = np.exp([2**-0.5, 2**-0.5, -1.0])
    assert weighted(cosines, values, Choice(3, 1.0)).item() == pytest.approx((e @ [3, 5, 100]) / e.sum())


def test_the_choices_end_at_the_support():
    assert choices(2)[0] == Choice(1, 0.02)
    assert [choice.neighbours for choice in choices(2)] == [1, 2, 2, 2]
    assert len(choices(10**6)) == 1 + 4 * 3


def _faces(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Landmarks that lie where a blob of tokens lies."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0.2, 0.8, size=(n, 3, 2))
    cells = (np.arange(SIDE) + 0.5) / SIDE
    away = (cells[None, None, None, :] - points[:, :, 0, None, None]) ** 2
    away = away + (cells[None, None, :, None] - points[:, :, 1, None, None]) ** 2
    tokens = np.concatenate([np.exp(-8 * away), rng.normal(0, 0.1, size=(n, 3, SIDE, SIDE))], axis=1)
    return torch.from_numpy(tokens.astype(np.float32)), torch.from_numpy(points)


def _head(choice: Choice, inputs: str, seed: int = 1) -> tuple[NeighbourHead, tuple[torch.Tensor, torch.Tensor]]:
    """A landmark head with a choice of the test's own, and its support set."""
    from dataclasses import replace

    from facebench.heads.neighbour_mean import vectors

    train = _faces(40, seed)
    head = fit_neighbour_landmarks(lambda: [train], lambda: [_faces(10, 2)])
    support = Support.of(vectors(train[0], head.summary)[inputs])
    return replace(head, choice=choice, inputs=inputs, support=support), train


@pytest.mark.parametrize("inputs", ["pooled", "map"])
def test_one_neighbour_gives_training_faces_back(inputs):
    head, (tokens, points) = _head(Choice(1, 0.02), inputs)
    assert torch.equal(head.predict(tokens), points)


def test_faces_against_plain_numpy():
    head, (tokens, points) = _head(Choice(7, 0.07), "pooled")
    test, _ = _faces(12, 5)
    x, q = (t.double().mean(dim=(2, 3)).numpy() for t in (tokens, test))
    centre = x.mean(axis=0)
    for query, found in zip(q, head.predict(test).numpy(), strict=True):
        cosines = [
            float((row - centre) @ (query - centre) / np.linalg.norm(row - centre) / np.linalg.norm(query - centre))
            for row in x
        ]
        best = sorted(range(len(x)), key=lambda i: -cosines[i])[:7]
        weights = np.array([np.exp(cosines[i] / 0.07) for i in best])
        expected = sum(w * points[i].numpy() for w, i in zip(weights / weights.sum(), best, strict=True))
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_all_neighbours_with_soft_weights_are_the_floor():
    head, (_, points) = _head(Choice(40, 1e9), "pooled")
    found = head.predict(_faces(3, 9)[0])
    np.testing.assert_allclose(found, points.mean(dim=0).expand(3, -1, -1), atol=1e-8)


def test_faces_are_found_better_than_by_the_mean():
    train, val, test = _faces(400, 1), _faces(60, 2), _faces(60, 3)
    head = fit_neighbour_landmarks(lambda: [train], lambda: [val])
    error = (head.predict(test[0]) - test[1]).norm(dim=2).mean()
    mean = (train[1].mean(dim=0) - test[1]).norm(dim=2).mean()
    assert float(error) < 0.6 * float(mean)
    assert head.chosen["inputs"] == "map"  # the mean of the tokens hardly knows where a blob lies


def test_a_similarity_that_is_broken_is_seen(monkeypatch):
    """What the tests above rest on: with the farthest for the nearest, faces are worse than their mean."""
    plain = torch.Tensor.topk
    monkeypatch.setattr(torch.Tensor, "topk", lambda self, k, dim: plain(self, k, dim=dim, largest=False))
    train, val, test = _faces(400, 1), _faces(60, 2), _faces(60, 3)
    head = fit_neighbour_landmarks(lambda: [train], lambda: [val])
    error = (head.predict(test[0]) - test[1]).norm(dim=2).mean()
    assert float(error) > 0.9 * float((train[1].mean(dim=0) - test[1]).norm(dim=2).mean())


def test_coefficients_are_chosen_by_their_squared_error():
    rng = np.random.default_rng(0)

    def triple(n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        tokens = torch.from_numpy(rng.normal(size=(n, CHANNELS, SIDE, SIDE)).astype(np.float32))
        return tokens, torch.zeros(n, 2), torch.from_numpy(rng.normal(size=(n, 5)))

    train, val = triple(150), triple(80)
    head = fit_neighbour_shape(lambda: [train], lambda: [val])
    assert head.choice == Choice(100, 0.2)  # noise: the more are averaged the better
    test = triple(4)
    assert head.predict(test[0], test[1]).shape == (4, 5)


def test_shards_and_batches_do_not_matter(monkeypatch):
    tokens, points = _faces(90, 1)
    val, (test, _) = _faces(20, 2), _faces(9, 3)
    whole = fit_neighbour_landmarks(lambda: [(tokens, points)], lambda: [val])

    def cut() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        yield from ((tokens[i : i + 7], points[i : i + 7]) for i in range(0, 90, 7))

    parts = fit_neighbour_landmarks(cut, lambda: ((val[0][i : i + 3], val[1][i : i + 3]) for i in range(0, 20, 3)))
    assert parts.chosen == whole.chosen
    monkeypatch.setattr(neighbours, "ELEMENTS", 200)  # two queries at a time
    alone = torch.cat([parts.predict(test[i : i + 1]) for i in range(9)])
    assert torch.allclose(alone, whole.predict(test), atol=1e-9)
    assert torch.allclose(parts.predict(test), whole.predict(test), atol=1e-9)


def _maps(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A class a token, told apart by the product of two channels, beside channels of noise."""
    rng = np.random.default_rng(seed)
    tokens = rng.choice([-1.0, 1.0], size=(n, CHANNELS, SIDE, SIDE)).astype(np.float32)
    tokens[:, 2:] = rng.normal(0, 0.3, size=(n, CHANNELS - 2, SIDE, SIDE))
    labels = np.where(tokens[:, 0] * tokens[:, 1] > 0, 1, 2).astype(np.uint8)
    scale = grid_of(SIDE) // SIDE
    return torch.from_numpy(tokens), torch.from_numpy(labels.repeat(scale, axis=1).repeat(scale, axis=2))


def _accuracy(head: NeighbourLabels, pair: tuple[torch.Tensor, torch.Tensor]) -> float:
    found = torch.stack([scores.argmax(dim=0) for scores in head.predict(pair[0])])
    middle = slice(grid_of(SIDE) // SIDE // 2, None, grid_of(SIDE) // SIDE)  # of patches; upsampling blurs their edges
    return float((found == pair[1])[:, middle, middle].float().mean())


def test_labels_that_no_linear_head_could_draw():
    train, val, test = _maps(60, 1), _maps(20, 2), _maps(20, 3)
    head = fit_neighbour_labels(lambda: [train], lambda: [val], classes=CLASSES, seed=0)
    assert _accuracy(head, test) > 0.95
    assert set(head.chosen) == {"neighbours", "temperature", "power", "bank"}


def test_val_chooses_what_draws_it_best():
    """A third of the training patches have the wrong label: one neighbour repeats that, many outvote it."""
    tokens, labels = _maps(200, 1)
    wrong = np.random.default_rng(0).random((200, SIDE, SIDE)) < 0.35
    scale = grid_of(SIDE) // SIDE
    wrong = torch.from_numpy(wrong.repeat(scale, axis=1).repeat(scale, axis=2))
    labels = torch.where(wrong, 3 - labels, labels)
    val, test = _maps(40, 2), _maps(40, 3)
    head = fit_neighbour_labels(lambda: [(tokens, labels)], lambda: [val], classes=CLASSES, seed=0)
    found = {
        choice: _accuracy(NeighbourLabels(head.support, head.shares, head.frequency, choice, head.power), test)
        for choice in choices(len(head.shares))
    }
    assert found[head.choice] > max(found.values()) - 0.02
    assert found[head.choice] > found[Choice(1, 0.02)] + 0.1


def test_labels_with_a_broken_similarity_are_wrong(monkeypatch):
    monkeypatch.setattr(neighbours, "_units", torch.zeros_like)
    train, val, test = _maps(60, 1), _maps(20, 2), _maps(20, 3)
    head = fit_neighbour_labels(lambda: [train], lambda: [val], classes=CLASSES, seed=0)
    assert _accuracy(head, test) < 0.65


def test_labels_against_plain_numpy():
    train, val = _maps(6, 1), _maps(3, 2)
    test, _ = _maps(2, 4)
    head = fit_neighbour_labels(lambda: [train], lambda: [val], classes=CLASSES, seed=0)
    head = NeighbourLabels(head.support, head.shares, head.frequency, Choice(5, 0.2), 0.25)
    x = train[0].permute(0, 2, 3, 1).reshape(-1, CHANNELS).double().numpy()
    scale = grid_of(SIDE) // SIDE
    classes = train[1].numpy()[:, ::scale, ::scale].reshape(-1)  # one a patch
    centre = x.mean(axis=0)
    coarse = np.zeros((2, CLASSES, SIDE, SIDE))
    for n, y, z in np.ndindex(2, SIDE, SIDE):
        query = test[n, :, y, z].double().numpy() - centre
        cosines = (x - centre) @ query / np.linalg.norm(x - centre, axis=1) / np.linalg.norm(query)
        best = np.argsort(-cosines)[:5]
        weights = np.exp(cosines[best] / 0.2)
        for w, i in zip(weights / weights.sum(), best, strict=True):
            coarse[n, classes[i], y, z] += w
    frequency = np.bincount(classes, minlength=CLASSES) / len(classes)
    np.testing.assert_allclose(head.frequency, frequency, atol=1e-6)
    found = torch.stack(list(head.predict(test))) / class_weight(head.frequency, 0.25)
    # Bilinear, edge to edge: at the corner cell of the whole map stands the corner token's own share.
    np.testing.assert_allclose(found[:, :, 0, 0], coarse[:, :, 0, 0], atol=1e-5)
    np.testing.assert_allclose(found[:, :, -1, -1], coarse[:, :, -1, -1], atol=1e-5)
    # Halfway between the first two centres it is their mean.
    middle = found[:, :, 0, scale - 1 : scale + 1].mean(dim=2)
    np.testing.assert_allclose(middle, coarse[:, :, 0, :2].mean(axis=2), atol=1e-5)


def test_one_neighbour_gives_training_labels_back():
    train, val = _maps(6, 1), _maps(3, 2)
    head = fit_neighbour_labels(lambda: [train], lambda: [val], classes=CLASSES, seed=0)
    assert _accuracy(NeighbourLabels(head.support, head.shares, head.frequency, Choice(1, 0.02), 0.0), train) == 1.0


def test_the_bank_is_bounded_seeded_and_uneven_to_nobody(monkeypatch):
    monkeypatch.setattr(neighbour_labels, "BANK", 200)
    tokens, labels = _maps(60, 1)
    tokens[:, 5] = torch.arange(60)[:, None, None].float()  # which picture a token is of

    def cut(size: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return [(tokens[i : i + size], labels[i : i + size]) for i in range(0, 60, size)]

    banks = {size: draw_bank(cut(size), classes=CLASSES, seed=3) for size in (1, 7, 60)}
    for bank in banks.values():
        assert torch.equal(bank[0], banks[60][0])
        assert torch.equal(bank[1], banks[60][1])
        assert torch.allclose(bank[2], banks[60][2])
    assert len(banks[60][0]) == len(banks[60][1]) == 200
    other = draw_bank(cut(60), classes=CLASSES, seed=4)[0]
    assert not torch.equal(other, banks[60][0])
    # A token and its label stay together.
    product = banks[60][0][:, 0] * banks[60][0][:, 1]
    assert torch.equal(banks[60][1].reshape(200, CLASSES, -1).mean(dim=2).argmax(dim=1), torch.where(product > 0, 1, 2))
    # 200 of 960 over 50 draws: a picture's 16 tokens have 3.33 places on average, its deviation 1.6 over root 50.
    counts = np.zeros(60)
    for seed in range(50):
        counts += np.bincount(draw_bank(cut(60), classes=CLASSES, seed=seed)[0][:, 5].long(), minlength=60)
    assert np.abs(counts / 50 - 200 / 60).max() < 5 * 1.6 / 50**0.5


def test_labels_do_not_depend_on_the_batch(monkeypatch):
    train, val, (test, _) = _maps(30, 1), _maps(9, 2), _maps(5, 3)
    head = fit_neighbour_labels(lambda: [train], lambda: [val], classes=CLASSES, seed=0)
    whole = torch.stack(list(head.predict(test)))
    monkeypatch.setattr(neighbours, "ELEMENTS", 5 * len(head.shares))
    alone = torch.cat([torch.stack(list(head.predict(test[i : i + 1]))) for i in range(5)])
    assert torch.allclose(alone, whole, atol=1e-5)


def test_a_patch_is_drawn_in_parts():
    """Labels that change within a patch: with one neighbour a training picture comes back to a part's width."""
    train, val = _maps(8, 1), _maps(3, 2)
    labels = train[1].clone()
    labels[:, :, ::2] = 0  # stripes of a cell's width are lost in a part of 4 cells ...
    labels[:, : grid_of(SIDE) // 2] = 2  # ... and the border between two halves is not
    head = fit_neighbour_labels(lambda: [(train[0], labels)], lambda: [val], classes=CLASSES, seed=0)
    head = NeighbourLabels(head.support, head.shares, head.frequency, Choice(1, 0.02), 0.0)
    assert head.shares.shape == (8 * SIDE**2, CLASSES * 7**2)
    found = torch.stack(list(head.predict(train[0])))
    assert bool((found[:, 2, : grid_of(SIDE) // 2 - 4] == 1).all())
    assert torch.allclose(found[:, 0, grid_of(SIDE) // 2 + 4 :], torch.tensor(0.5))
