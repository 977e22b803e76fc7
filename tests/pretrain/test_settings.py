from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from facebench.errors import UsageError
from pretrain.config import PretrainConfig
from pretrain.settings import CONFIGS, as_yaml, keep_config, read_config


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text("method: mae\noptim:\n  batch: 64\n  base_lr: 1e-3\n")
    return path


def test_a_file_and_what_changes_it(file: Path) -> None:
    config = read_config(str(file), ["optim.batch=128", "optim.betas=[0.9, 0.99]", "data.limit=null", "method=simmim"])
    assert (config.method, config.optim.batch, config.optim.base_lr) == ("simmim", 128, 1e-3)
    assert config.optim.betas == (0.9, 0.99)
    assert config.optim.clip == PretrainConfig().optim.clip


def test_a_mapping_is_set_key_by_key_or_whole(file: Path) -> None:
    assert read_config(str(file), ["mask.mixture.block=1"]).mask.mixture == {"block": 1}
    assert read_config(str(file), ["mask.mixture={random: 2}"]).mask.mixture == {"random": 2}


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert read_config(str(tmp_path / "empty.yaml")) == PretrainConfig()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("optim.bach=3", r"the command line: 'optim.bach'; did you mean 'optim.batch'"),
        ("otpim.batch=3", r"'otpim'; did you mean 'optim'\?"),
        ("batch=3", r"did you mean .*'optim.batch'"),
        ("optim.zzzzzzzzzz=3", r"known: optim.accumulate, optim.base_lr"),
        ("qqqqqqqqqqq=3", r"known: belief, codebook"),
        ("optim=3", r"optim in the command line is a section"),
        ("optim.batch.more=3", r"optim.batch"),
        ("optim.batch", r"'optim.batch' is no setting; write section.field=value"),
        ("=3", r"is no setting"),
        ("optim.batch=[", r"the value is no YAML"),
        ("optim.batch=many", r"optim.batch: Input should be a valid integer.*found 'many'"),
        ("optim.batch=0", r"optim.batch: .*greater than or equal to 1, found 0"),
        ("optim.accumulate=5", r"optim: batch \(64\) must be a multiple of accumulate \(5\)"),
        ("codebook.select=soft", r"codebook.select: .*'sample', 'argmax' or 'mix', found 'soft'"),
        ("mask.mixture.circle=1", r"mask.mixture.circle"),
    ],
)
def test_what_makes_no_sense_is_one_line_with_a_hint(file: Path, word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        read_config(str(file), [word])
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optim:\n  bach: 3\n", r"mine.yaml: 'optim.bach'; did you mean 'optim.batch'"),
        ("optim: 3\n", r"optim in .*mine.yaml is a section"),
        ("optim:\n  batch: 3\n  batch: 4\n", r"batch is given twice"),
        ("- 1\n", r"holds a list"),
        ("a: [\n", r"no YAML"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UsageError, match=message) as error:
        read_config(str(tmp_path / "mine.yaml"))
    assert "\n" not in str(error.value)


def test_names_and_paths(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        read_config(str(tmp_path / "gone.yaml"))
    with pytest.raises(UsageError, match="unknown configuration 'paco'"):
        read_config("paco")


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_configuration_is_found_by_its_name(path: Path) -> None:
    assert read_config(path.stem) == read_config(str(path))


def test_what_is_stored_reads_back(file: Path, tmp_path: Path) -> None:
    config = read_config(str(file), ["data.crop=[0.8, 1]", "run.seed=7"])
    (tmp_path / "again.yaml").write_text(as_yaml(config))
    assert read_config(str(tmp_path / "again.yaml")) == config
    assert set(yaml.safe_load(as_yaml(config))) == set(PretrainConfig.model_fields), "every default is written out"


def test_a_folder_of_another_run_is_refused(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    keep_config(read_config(str(file)), folder, begun=False)
    keep_config(read_config(str(file), ["run.output=elsewhere", "data.workers=7"]), folder, begun=True)
    with pytest.raises(UsageError, match=r"other settings: optim.batch was 64, is 32; run.seed was 0, is 1"):
        keep_config(read_config(str(file), ["optim.batch=32", "run.seed=1", "data.workers=7"]), folder, begun=True)


def test_a_run_that_failed_at_its_start_leaves_the_folder_to_the_next(file: Path, tmp_path: Path) -> None:
    keep_config(read_config(str(file)), tmp_path, begun=False)
    keep_config(read_config(str(file), ["optim.batch=32"]), tmp_path, begun=False)
    assert read_config(str(tmp_path / "config.yaml")).optim.batch == 32


@pytest.mark.parametrize("name", sorted(path.stem for path in CONFIGS.glob("*.yaml")))
def test_a_shipped_configuration_resolves_and_can_be_built(name: str) -> None:
    import torch

    from pretrain.method.methods import build_method

    config = read_config(name)
    with torch.device("meta"):  # shapes alone: a ViT-B would take a minute
        method = build_method(config)
    assert sum(p.numel() for p in method.encoder.parameters()) > 1e6
