"""The start of the codebook: prototypes, their tokens, and the pixel head."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from facebench.errors import UsageError
from pretrain.method import codebook_start
from pretrain.method.patches import unpatchify
from tests.pretrain.small import PATCHES, PIXELS, SIDE, part_of, small_batch, small_method


def centres(size, seed=3):
    """Prototypes (size, p) that no clustering made."""
    return torch.randn(size, PIXELS, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [16, 250])  # fewer and more than the width of a token, 192
def test_the_start_embeds_the_prototypes_and_fits_the_pixel_head(monkeypatch, size):
    monkeypatch.setattr(codebook_start, "kmeans", lambda points, size, **_: centres(size))
    method = small_method(codebook={"size": size, "kmeans_patches": 400})
    method.start(iter([small_batch(25)]))
    for token in (0, 7, size - 1):
        picture = torch.zeros(1, PATCHES, PIXELS)
        picture[0, 5] = centres(size)[token]
        embedded = method.encoder.patch_embed(unpatchify(picture, SIDE))[0, 5]
        assert torch.allclose(method.codebook.tokens[0, token], embedded, atol=1e-4)
    found = method.codebook.prototypes()[0].detach().double().numpy()
    tokens = method.codebook.tokens[0].detach().double().numpy()
    with_one = np.concatenate([tokens, np.ones((size, 1))], axis=1)
    solution, *_ = np.linalg.lstsq(with_one, centres(size).double().numpy(), rcond=None)
    wanted = np.abs(with_one @ solution - centres(size).numpy()).mean()
    assert np.abs(found - centres(size).numpy()).mean() == pytest.approx(wanted, abs=2e-3)
    if size == 16:
        assert wanted < 1e-6  # more numbers in a token than tokens: the fit is exact


def test_the_start_finds_the_patches_themselves_where_there_is_a_token_for_each():
    batch = small_batch(1)
    method = small_method(codebook={"size": PATCHES, "kmeans_patches": PATCHES})
    method.start(iter([batch]))
    prototypes, patches = method.codebook.prototypes()[0].detach(), method.patches(batch).pixels[0]
    nearest = torch.cdist(patches, prototypes).min(1)
    assert float(nearest.values.max()) < 0.1
    assert len(set(nearest.indices.tolist())) == PATCHES
    # Then every patch of that picture is to be mapped to the token that stands for it.
    picked = method.pick(method.patches(batch), batch)
    assert torch.equal(method.assignment(picked).argmax(-1)[0], nearest.indices[picked.positions[0]])


def test_the_start_of_positions_learns_each_from_its_own_patches():
    pictures = small_batch(6)
    method = small_method(codebook={"size": 3, "candidates": 3, "scope": "position", "kmeans_patches": 6 * PATCHES})
    asked = []
    original = codebook_start.kmeans

    def noting(points, size, **settings):
        asked.append(points)
        return original(points, size, **settings)

    codebook_start.kmeans = noting
    try:
        method.start(iter([part_of(pictures, 0, 4), part_of(pictures, 4, 6)]))
    finally:
        codebook_start.kmeans = original
    assert torch.equal(torch.stack(asked), method.patches(pictures).pixels.transpose(0, 1))


def test_the_start_stops_when_it_has_seen_enough_and_says_when_it_cannot():
    def endless():
        while True:
            yield small_batch()

    small_method(codebook={"size": 16, "kmeans_patches": 100}).start(endless())
    with pytest.raises(UsageError, match="more than the 64 patches"):
        small_method(codebook={"size": 65, "kmeans_patches": 1000}).start(iter([small_batch()]))
    method = small_method(codebook={"size": 65, "start": "normal"})
    before = method.codebook.tokens.detach().clone()
    method.start(iter([]))
    assert torch.equal(method.codebook.tokens, before)
