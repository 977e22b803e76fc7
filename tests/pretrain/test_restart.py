"""Restarts of dead tokens: which tokens, from which patches, and the same however a batch is cut."""

from __future__ import annotations

import pytest
import torch

from pretrain.method.codebook import Codebook
from pretrain.method.restart import restart_dead
from pretrain.sections import CodebookConfig
from tests.pretrain.small import TOKENS, at, part_of, small_batch, small_method

SIZE, WIDTH, PATCHES, TOTAL = 4, 3, 5, 6


def setting(scope="shared", dead=((0, 1),)):
    """A codebook whose usage is even but for the `dead` (pool, token), an optimizer with moments, and patches."""
    torch.manual_seed(0)
    book = Codebook(CodebookConfig(size=SIZE, scope=scope, key_dim=2), width=WIDTH, patches=PATCHES, patch_pixels=WIDTH)
    optimizer = torch.optim.AdamW(book.parameters(), lr=0.1)
    (book.tokens.square().sum() + book.key.weight.square().sum() + book.pixel_head.weight.square().sum()).backward()
    optimizer.step()
    for pool, token in dead:
        book.usage[pool, token] = 0.05 / SIZE - 1e-6
    pixels = torch.arange(TOTAL * PATCHES * WIDTH, dtype=torch.float32).reshape(TOTAL, PATCHES, WIDTH)
    return book, optimizer, pixels


def restart(book, optimizer, pictures, below=0.05, seed=0):
    return restart_dead(
        book,
        lambda pixels: 2 * pixels,
        pictures,
        total=TOTAL,
        below=below,
        optimizer=optimizer,
        generator=torch.Generator().manual_seed(seed),
    )


def test_dead_tokens_become_patches_and_begin_again():
    book, optimizer, pixels = setting(dead=((0, 1), (0, 3)))
    before = {n: optimizer.state[book.tokens][n].clone() for n in ("exp_avg", "exp_avg_sq")}
    tokens, keys = book.tokens.detach().clone(), book.key.weight.detach().clone()
    assert restart(book, optimizer, [(0, pixels)]) == 2
    patches = 2 * pixels.flatten(0, 1)
    for token in (1, 3):
        assert (patches == book.tokens[0, token]).all(1).any()
        assert float(book.usage[0, token]) == 1 / SIZE
    for name, moments in before.items():
        now = optimizer.state[book.tokens][name]
        assert float(now[0, [1, 3]].abs().max()) == 0
        assert torch.equal(now[0, [0, 2]], moments[0, [0, 2]])
        assert float(moments[0, [0, 2]].abs().min()) > 0
    assert torch.equal(book.tokens[0, [0, 2]], tokens[0, [0, 2]])
    assert torch.equal(book.key.weight, keys)


def test_the_bound_is_a_part_of_an_even_share():
    book, optimizer, pixels = setting(dead=())
    book.usage[0] = torch.tensor([0.0126, 0.0124, 0.5, 0.475])  # 0.05 / 4 = 0.0125
    tokens = book.tokens.detach().clone()
    assert restart(book, optimizer, [(0, pixels)]) == 1
    assert (book.tokens != tokens).any(-1).tolist() == [[False, True, False, False]]


def test_where_all_are_alive_nothing_happens():
    book, optimizer, pixels = setting(dead=())
    tokens = book.tokens.detach().clone()
    assert restart(book, optimizer, [(0, pixels)]) == 0
    assert torch.equal(book.tokens, tokens)


def test_a_token_of_a_position_becomes_a_patch_of_that_position():
    dead = tuple((pool, token) for pool in range(PATCHES) for token in (0, 2))
    book, optimizer, pixels = setting("position", dead)
    assert restart(book, optimizer, [(0, pixels)]) == len(dead)
    for pool, token in dead:
        assert (2 * pixels[:, pool] == book.tokens[pool, token]).all(1).any()


@pytest.mark.parametrize("scope", ["shared", "position"])
def test_micro_batches_restart_as_the_whole_batch_does(scope):
    found = []
    for cut in ([(0, 6)], [(0, 2), (2, 6)], [(4, 6), (0, 4)]):
        book, optimizer, pixels = setting(scope, ((0, 0), (0, 1), (0, 2), (0, 3)))
        restart(book, optimizer, [(first, pixels[first:last]) for first, last in cut])
        found.append(book.tokens.detach())
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_an_optimizer_that_has_done_no_step_has_no_moments():
    book, _, pixels = setting()
    assert restart(book, torch.optim.AdamW(book.parameters()), [(0, pixels)]) == 1


def deaths(step, **codebook):
    """Restarts after `step` of a small method with one dead token."""
    method, clock = small_method(codebook={"restart_every": 10, "restart_until": 0.8, **codebook}), at(step)
    method.codebook.usage[0, 3] = -1.0  # dead, whatever is chosen now
    optimizer = torch.optim.AdamW(p for p in method.parameters() if p.requires_grad)
    return method.after_step([method(small_batch(), clock)], clock, optimizer)["restarts"]


@pytest.mark.parametrize(
    ("step", "codebook", "restarts"),
    [
        (9, {}, 1),  # the tenth step
        (10, {}, 0),
        (8, {}, 0),
        (799, {}, 1),  # of 1000 steps
        (809, {}, 0),  # after 80 %
        (9, {"restart_every": 0}, 0),
    ],
)
def test_restarts_come_every_so_many_steps_until_the_last_fifth(step, codebook, restarts):
    assert deaths(step, **codebook) == restarts


def test_a_step_restarts_alike_from_one_micro_batch_or_two():
    found = []
    for cuts in ([(0, 4)], [(0, 1), (1, 4)]):
        method, clock = small_method(codebook={"restart_every": 1}), at()
        method.codebook.usage[0, :8] = -1.0
        optimizer = torch.optim.AdamW(p for p in method.parameters() if p.requires_grad)
        outcomes = [method(part_of(small_batch(), *cut), clock) for cut in cuts]
        assert method.after_step(outcomes, clock, optimizer)["restarts"] == 8
        found.append((method.codebook.tokens.detach(), method.codebook.usage))
    assert torch.allclose(found[0][0], found[1][0])
    assert torch.allclose(found[0][1], found[1][1])
    assert found[0][0].shape[1] == TOKENS
