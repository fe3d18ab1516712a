"""Runs the real terraform on a copy of a configuration, with the offline provider in AWS's place."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.environments import Unavailable, environment

ROOT = Path(__file__).resolve().parents[2]
TERRAFORM = ROOT / "terraform"
LOCK = Path(__file__).parent / "offline" / "provider.txt"

_QUIET = {"TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
_LOCAL = 'terraform {\n  backend "local" {}\n}\n'


def missing() -> str:
    """Return what keeps terraform from being run here, or nothing."""
    if shutil.which("terraform") is None:
        return "terraform not found"
    try:
        environment(LOCK)
    except Unavailable as reason:
        return f"the offline provider cannot be installed ({reason})"
    return ""


@dataclass(frozen=True)
class Ended:
    """A command that has ended. text: all that it printed, without colours."""

    succeeded: bool
    text: str


@dataclass(frozen=True)
class Configuration:
    """A copy of `terraform/` in which commands may write. folder: the root module in it that is meant."""

    folder: Path
    ids_known_late: bool = False

    @staticmethod
    def copied(scratch: Path, module: str = ".") -> Configuration:
        """Copy `terraform/` with zips that stand in for packages. module: a folder of it."""
        shutil.copytree(
            TERRAFORM, scratch / "terraform", ignore=shutil.ignore_patterns(".terraform*", "*.tfvars")
        )
        packages = scratch / "dist" / "lambda"
        packages.mkdir(parents=True)
        for stage in ("extract", "transform", "load"):
            for architecture in ("arm64", "x86_64"):
                (packages / f"{stage}-{architecture}.zip").write_text(f"{stage} for {architecture}")
        folder = scratch / "terraform" / module
        (folder / "backend_override.tf").write_text(_LOCAL)
        return Configuration(folder)

    def replace(self, file: str, old: str, new: str) -> None:
        """Edit a file. What is replaced has to be in it once."""
        path = self.folder / file
        text = path.read_text()
        assert text.count(old) == 1, f"{file} has {text.count(old)} times: {old}"
        path.write_text(text.replace(old, new))

    def run(self, *words: str, **variables: object) -> Ended:
        """Run a command of terraform in the folder. variables: the configuration's."""
        given = {f"TF_VAR_{name}": _text(value) for name, value in variables.items()}
        late = {"STARLIFT_OFFLINE_IDS": "unknown"} if self.ids_known_late else {}
        serve = [str(environment(LOCK) / "bin" / "python"), "-m", "tests.terraform.offline.provider"]
        terraform = ["terraform", f"-chdir={self.folder}", *words]
        ended = subprocess.run(
            [*serve, *terraform],
            cwd=ROOT,
            env={**_without_cloud(), **_QUIET, **given, **late, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if words[0] != "show" else subprocess.PIPE,
            text=True,
            check=False,
        )
        return Ended(ended.returncode == 0, ended.stdout)

    def init(self) -> Configuration:
        """Initialise the folder."""
        _require(self.run("init", "-input=false", "-no-color"))
        return self

    def apply(self, **variables: object) -> dict[str, Any]:
        """Apply the configuration and return `terraform show -json` of it."""
        _require(self.run("apply", "-auto-approve", "-input=false", "-no-color", **variables))
        shown: dict[str, Any] = json.loads(_require(self.run("show", "-json")).text)
        return shown


def _require(ended: Ended) -> Ended:
    assert ended.succeeded, ended.text
    return ended


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _without_cloud() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
