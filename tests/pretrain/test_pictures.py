from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pretrain.training.pictures import GAP, LINE, PATCH_TILE, SPREAD, TILE, panel, plate, write


def test_a_panel_shows_every_picture_in_its_column() -> None:
    generator = torch.Generator().manual_seed(0)
    columns = {name: torch.rand(3, 3, 16, 16, generator=generator) for name in ("original", "masked")}
    sheet = panel(columns)
    side = 16 * (TILE // 16)  # 112 = 7 * 16
    assert sheet.shape == (LINE + 3 * (side + GAP) + GAP, 2 * (side + GAP) + GAP, 3)
    for column, pictures in enumerate(columns.values()):
        for row in range(3):
            y, x = LINE + GAP + row * (side + GAP), GAP + column * (side + GAP)
            shown = sheet[y : y + side : 7, x : x + side : 7]
            wanted = (pictures[row].permute(1, 2, 0) * 255).round().numpy()
            np.testing.assert_array_equal(shown, wanted)


def test_a_plate_is_sorted_by_usage_and_shows_the_dead() -> None:
    usage = torch.tensor([0.1, 0.0, 0.6, 0.3])
    levels = torch.tensor([-1.0, 0.0, 1.0, 2.0])  # standardised
    sheet = plate(levels.reshape(4, 1, 1, 1).expand(4, 3, 4, 4), usage)
    step, high = PATCH_TILE + GAP, PATCH_TILE + GAP + 4
    grey = [sheet[LINE + GAP + 5 + i // 2 * high, GAP + 5 + i % 2 * step, 0] for i in range(4)]
    assert grey == [round(255 * (levels[k].item() / SPREAD + 0.5)) for k in (2, 3, 0, 1)]
    bars = [sheet[LINE + GAP + PATCH_TILE + 2 + i // 2 * high, GAP + i % 2 * step :][:PATCH_TILE] for i in range(4)]
    lengths = [int((bar != 255).any(-1).sum()) for bar in bars]
    assert lengths == [28, 14, 5, 1]  # 28 * (1, 1/2, 1/6, 0), at least 1
    assert tuple(bars[3][0]) == (200, 40, 40)


def test_a_picture_is_written_whole(tmp_path: Path) -> None:
    sheet = panel({"original": torch.zeros(1, 3, 8, 8)})
    write(tmp_path / "a" / "x.png", sheet)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a" / "x.png")), sheet)
