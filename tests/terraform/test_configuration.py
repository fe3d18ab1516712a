"""The configurations are in the usual form and valid; applied once, there is nothing more to change."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.terraform.commands import TERRAFORM, Configuration
from tests.terraform.conftest import Applied
from tests.terraform.laws import broken

BESIDE = ("bootstrap", "examples/private-network-with-rds")


def test_every_file_is_in_the_usual_form(terraform: None) -> None:
    check = ["terraform", f"-chdir={TERRAFORM}", "fmt", "-check", "-diff", "-recursive"]
    ended = subprocess.run(check, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


def test_after_an_apply_there_is_nothing_to_change(usual: Applied) -> None:
    planning = ("plan", "-detailed-exitcode", "-input=false", "-no-color")
    again = usual.configuration.run(*planning, **usual.variables)
    assert again.succeeded, again.text


@pytest.mark.parametrize("module", BESIDE)
def test_what_is_made_beside_the_pipeline_keeps_the_laws_too(
    terraform: None, tmp_path: Path, module: str
) -> None:
    applied = Applied.of(Configuration.copied(tmp_path, module), {"region": "eu-west-2"})
    assert broken(applied.state) == []


def test_the_modules_own_tests_pass(usual: Applied) -> None:
    ended = usual.configuration.run("test", "-no-color")
    assert ended.succeeded, ended.text
