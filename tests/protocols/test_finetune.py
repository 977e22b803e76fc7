"""Fine-tuning under `run`: a tiny ViT on drawn faces, put back afterwards; what cannot be tuned is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facebench.backbones.spec import open_backbone
from facebench.errors import UsageError
from facebench.plan import tuned_pictures
from facebench.protocols import finetune
from facebench.record import parse_signature
from facebench.registry import Registry
from facebench.run import Request, plan, run
from facebench.sample_table import read_table
from facebench.tuning import recipe
from facebench.tuning.engine import laid_in
from tests.drawn_faces import write_300w, write_lapa

TINY = "timm:test_vit@random:0"


@pytest.fixture
def short(monkeypatch):
    """Two epochs, without patience."""
    for task in recipe.QUICK:
        quick = replace(recipe.QUICK[task], epochs=2, width=8, batch=8)
        monkeypatch.setitem(recipe.QUICK, task, quick)  # type: ignore[arg-type]


def _request(data: Path, folder: Path, benchmark: str, **changes: object) -> Request:
    base = Request((TINY,), (benchmark,), data, folder / "runs", protocols=("finetune",), device="cpu", budget="quick")
    return replace(base, cache=folder / "cache", **changes)  # type: ignore[arg-type]


def test_a_tuned_vit_is_scored_and_the_module_is_put_back(tmp_path, short):
    data = write_300w(tmp_path / "data", train=10, val=4, test=4)
    planned = plan(_request(data, tmp_path, "300w"), Registry())
    backbone = planned.rows[1].job.backbone
    before = {name: value.clone() for name, value in backbone.module.state_dict().items()}
    floor, tuned = run(planned)
    assert all((value == before[name]).all() for name, value in backbone.module.state_dict().items())
    assert floor.signature == tuned.signature
    assert parse_signature(tuned.signature)["probe"] == finetune.NAME
    assert tuned.settings["features"] == "none"
    assert len(tuned.settings["curve"]) == tuned.settings["epochs"] == 2
    assert tuned.settings["recipe"]["batch"] == 8
    assert tuned.counts.complete
    assert not list((tmp_path / "runs").rglob("training.pt")), "the row is done"
    assert planned.rows[1].pictures == tuned_pictures(planned.rows[1].job)


def test_two_runs_give_the_same_bytes(tmp_path, short):
    data = write_300w(tmp_path / "data", train=10, val=4, test=4)
    tables = []
    for name in ("a", "b"):
        run(plan(_request(data, tmp_path / name, "300w"), Registry()))
        (path,) = (tmp_path / name / "runs").glob("300w-test-vit*/samples.parquet")
        tables.append(path.read_bytes())
    assert tables[0] == tables[1]
    assert np.isfinite(read_table(path).columns["error-ioc"]).all()


def test_parsing_is_tuned_too(tmp_path, short):
    data = write_lapa(tmp_path / "data", train=10, val=4, test=4)
    _, tuned = run(plan(_request(data, tmp_path, "lapa"), Registry()))
    assert tuned.counts.complete
    assert all(0 < value <= 100 for value in tuned.settings["curve"])


def test_what_has_no_weights_is_refused(tmp_path, short):
    data = write_300w(tmp_path / "data", train=10, val=4, test=4)
    with pytest.raises(UsageError, match="pixels has no weights that could be fine-tuned"):
        plan(_request(data, tmp_path, "300w", backbones=("pixels",)), Registry())


def test_laid_in_weights_leave_when_the_context_does():
    encoder = open_backbone(TINY, Registry(), None)
    module = encoder.module
    own = {name: value.clone() for name, value in module.state_dict().items()}
    other = {name: value + 1 for name, value in own.items()}
    with laid_in(module, other):
        assert all((value == other[name]).all() for name, value in module.state_dict().items())
    assert all((value == own[name]).all() for name, value in module.state_dict().items())


def test_farl_presets_are_the_published_constants():
    landmarks, parsing = recipe.recipe_for("landmarks", "wflw", "full"), recipe.recipe_for("parsing", "lapa", "full")
    assert (landmarks.epochs, landmarks.backbone_rate, landmarks.head_rate) == (150, 1e-4, 1e-2)
    assert recipe.recipe_for("landmarks", "300w", "full").epochs == 250
    assert (parsing.epochs, parsing.backbone_rate, parsing.head_rate) == (300, 1e-4, 1e-3)
    assert {r.batch for r in (landmarks, parsing)} == {40}
    assert {(r.decay, r.average, r.milestone) for r in (landmarks, parsing)} == {(1e-5, 0.999, 200)}
    assert landmarks.augment.hole
    assert not parsing.augment.hole
