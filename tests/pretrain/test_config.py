"""The configuration: what it refuses, and what its digest covers."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pretrain.config import PretrainConfig


def config(**sections):
    return PretrainConfig.model_validate(sections)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"codebok": {}}, "Extra inputs are not permitted"),
        ({"codebook": {"sise": 4}}, "Extra inputs are not permitted"),
        ({"method": "beit"}, "'paco-fr', 'mae' or 'simmim'"),
        ({"mask": {"mixture": {}}}, "at least one kind with a weight above 0"),
        ({"mask": {"mixture": {"random": 0.0}}}, "at least one kind with a weight above 0"),
        ({"mask": {"mixture": {"random": -1.0}}}, "greater than or equal to 0"),
        ({"mask": {"mixture": {"circle": 1.0}}}, "'region', 'random', 'block' or 'grid'"),
        ({"mask": {"mixture": {"grid": 1.0}, "ratio": 0.6}}, "set ratio to 0.75, or grid to 0"),
        ({"mask": {"ratio": 0.0}}, "greater than 0"),
        ({"mask": {"ratio": 1.0}}, "less than 1"),
        ({"codebook": {"size": 3}}, r"candidates \(4\) cannot be more than size \(3\)"),
        ({"codebook": {"size": 0}}, "greater than or equal to 1"),
        ({"codebook": {"code_drop": 1.5}}, "less than or equal to 1"),
        ({"decoder": {"width": 20, "heads": 8}}, r"width \(20\) must be a multiple of heads \(8\) and of 4"),
        ({"decoder": {"width": 6, "heads": 2}}, "and of 4"),
        ({"optim": {"batch": 10, "accumulate": 3}}, r"batch \(10\) must be a multiple of accumulate \(3\)"),
        ({"loss": {"align": float("nan")}}, "greater than or equal to 0|finite"),
        ({"loss": {"align": float("inf")}}, "finite"),
        ({"teacher": {"enabled": False}}, "loss.spatial needs a teacher"),
        ({"loss": {"tokens": 0.5}}, "set codebook.code_drop above 0"),
        ({"loss": {"tokens": 0.5}, "codebook": {"code_drop": 0.1, "scope": "position"}}, "names tokens of one pool"),
    ],
)
def test_what_makes_no_sense_is_refused(sections, message):
    with pytest.raises(ValidationError, match=message):
        config(**sections)


def test_baselines_need_no_teacher_and_grids_their_own_ratio():
    config(method="mae", teacher={"enabled": False})
    config(mask={"mixture": {"grid": 0.0, "random": 1.0}, "ratio": 0.6})
    config(teacher={"enabled": False}, loss={"spatial": 0.0})


def test_a_configuration_does_not_change_after_it_was_read():
    with pytest.raises(ValidationError, match="frozen"):
        config().codebook.size = 3


def test_the_defaults_are_those_that_are_written_down():
    found = config()
    assert (found.encoder.arch, found.encoder.img_size) == ("vit_base_patch16_224", 224)
    assert (found.mask.ratio, found.mask.mixture) == (0.75, {"region": 0.5, "random": 0.5})
    book = found.codebook
    assert (book.size, book.candidates, book.select, book.key_dim, book.scope) == (2048, 4, "sample", 64, "shared")
    assert (book.restart_every, book.restart_until, book.restart_below, book.code_drop) == (500, 0.8, 0.05, 0)
    assert (found.belief.scale, found.belief.scale_max) == (10, 50)
    stage = found.incubation
    assert (stage.epochs, stage.target, stage.epsilon, stage.iterations) == (1, "sinkhorn", 0.05, 3)
    assert (found.decoder.width, found.decoder.depth, found.decoder.heads) == (512, 4, 16)
    loss = found.loss
    assert (loss.visible, loss.align, loss.incubation, loss.spatial, loss.balance) == (0.1, 0.25, 1, 0.1, 0.1)
    assert (loss.geometry, loss.tokens, loss.spatial_centred, found.teacher.momentum) == (0, 0, True, 0.996)


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({}, "none"),
        ({"mask": {"region_source": "sixty-eight"}}, "none"),  # a detector's points, not anybody's labels
        ({"mask": {"region_source": "parsing"}}, "parsing maps"),
        ({"loss": {"geometry": 0.05}}, "landmarks"),
        ({"mask": {"region_source": "parsing"}, "loss": {"geometry": 0.05}}, "parsing maps and landmarks"),
    ],
)
def test_a_training_says_which_labels_it_learns_from(sections, words):
    assert config(**sections).supervision == words


def test_the_digest_is_of_every_choice_but_where_the_run_reads_and_writes():
    plain = config().digest
    assert config(run={"output": "elsewhere"}, data={"shards": "other", "workers": 7}).digest == plain
    assert config(run={"save_every": 3}, optim={"compile": True}, encoder={"checkpointing": True}).digest == plain
    assert config(optim={"accumulate": 2}).digest != plain  # a batch-wide term then sees a smaller batch
    assert len({plain, config(run={"seed": 1}).digest, config(loss={"align": 0.3}).digest}) == 3
