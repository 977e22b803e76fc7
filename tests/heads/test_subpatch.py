from __future__ import annotations

import torch

from facebench.heads.subpatch import from_tokens, to_tokens


def test_a_token_holds_the_cells_under_it() -> None:
    # 2 maps of 4 x 4 cells under 2 x 2 tokens: token (row 1, column 0) owns rows 2..3 and columns 0..1 of each map.
    maps = torch.arange(32).reshape(1, 2, 4, 4)
    token = to_tokens(maps, 2)[0, 2]
    assert token.tolist() == [8, 9, 12, 13, 24, 25, 28, 29]


def test_there_and_back() -> None:
    maps = torch.rand(3, 5, 12, 12, generator=torch.Generator().manual_seed(0))
    assert torch.equal(from_tokens(to_tokens(maps, 4), 4, 5), maps)
