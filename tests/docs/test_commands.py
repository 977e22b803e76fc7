"""Every verb and option that a page names exists, and the two commands are those that tox and CI run."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import subprocess
from typing import Any

import pytest
from typer.main import get_command

from facebench import errors
from facebench.cli.app import app
from tests.docs.blocks import pages
from tests.source_tree import ROOT, pyproject

SHELL = re.compile(r"```bash\n(.*?)```", re.DOTALL)
INLINE = re.compile(r"`(facebench [^`]+)`")


def command_lines(text: str) -> list[list[str]]:
    """Every call of facebench in the shell blocks and between backticks of a page."""
    calls = [line for block in SHELL.findall(text) for line in block.splitlines()]
    words = [shlex.split(part, comments=True) for line in calls for part in line.split("&&")]
    words += [call.replace("|", " ").split() for call in INLINE.findall(text) if "|" not in call]
    return [line[1:] for line in words if line and line[0].endswith("facebench")]


def known_options(arguments: list[str]) -> set[str]:
    """Options of the verb that `arguments` name; fails where there is no such verb."""
    command: Any = get_command(app)
    words = list(arguments)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        assert words[0] in command.commands, f"no verb {' '.join(arguments)}"
        command = command.commands[words.pop(0)]
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_verbs_and_options_exist(page):
    for arguments in command_lines(page.read_text(encoding="utf-8")):
        named = {word.partition("=")[0] for word in arguments if re.match(r"--?[a-z]", word)}
        assert named <= known_options(arguments) | {"--help"}, f"facebench {' '.join(arguments)}"


def test_a_wrong_option_is_seen():
    (arguments,) = command_lines("```bash\nfacebench score 300w x.npz --dta DIR\n```")
    assert "--dta" not in known_options(arguments)
    assert "--data" in known_options(arguments)


def readme_commands() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("## What to type next")[0]
    return [block.strip() for block in SHELL.findall(text)]


def test_the_readme_sets_up_in_two_commands():
    first, second = readme_commands()
    assert first.startswith("python3 -m venv .venv && .venv/bin/pip install -c constraints-cpu.txt '.[all]'")
    assert first.endswith(".venv/bin/facebench run")
    assert second.endswith(".venv/bin/tox")


def test_continuous_integration_runs_what_the_second_command_runs():
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    environments = {name.strip() for name in tox["tox"]["env_list"].split(",")}
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert environments == {"lint", "types", "docs", "tests"}
    assert environments == set(re.findall(r'tox\[@\]\}" -e (\w+)', script))
    assert "-- -m slow" in script
    assert 'facebench" run' in script


def test_the_script_of_continuous_integration_can_run():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)


def test_pre_commit_formats_as_tox_does():
    (lint,) = pyproject()["dependency-groups"]["lint"]
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    minor = re.search(r"ruff>=(\d+\.\d+),<", lint)[1]
    assert re.search(rf"rev: v{re.escape(minor)}\.\d+$", hooks, re.MULTILINE)


def test_torch_is_pinned_in_one_place():
    pins = (ROOT / "constraints-cpu.txt").read_text(encoding="utf-8")
    assert re.search(r"^torch==", pins, re.MULTILINE)
    assert "constraints-cpu.txt" in (ROOT / "tox.ini").read_text(encoding="utf-8")
    assert "torch==" not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert not any("torch==" in page.read_text(encoding="utf-8") for page in pages())


def test_the_exit_codes_of_the_readme_are_those_of_the_errors():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    kinds = [errors.FacebenchError, *errors.FacebenchError.__subclasses__()]
    assert codes == {0, errors.EXIT_INTERRUPTED, *(kind.exit_code for kind in kinds)}
