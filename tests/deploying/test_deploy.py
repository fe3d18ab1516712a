"""`make plan`, `make deploy`, `make destroy` run terraform, or name what is missing and what mends it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.s3_door import S3Door

SCRIPT = Path(__file__).parents[2] / "scripts" / "deploy.py"
STEPS = ("plan", "deploy", "destroy")

TERRAFORM = """#!/bin/sh
if [ "$1" = version ]; then echo '{"terraform_version": "VERSION"}'; exit; fi
echo "$@" | sed 's/-chdir=[^ ]* //' >> "$CALLS"
case "$*" in *"FAILING"*) exit 7;; esac
"""


@dataclass
class Project:
    """A folder from which to deploy, with a terraform that takes note of how it is called."""

    folder: Path
    aws: dict[str, str]

    def has_terraform(self, version: str = "1.11.4", failing: str = "none") -> None:
        """Put a terraform on the path. failing: the command that fails with exit code 7."""
        program = self.folder / "bin" / "terraform"
        program.write_text(TERRAFORM.replace("VERSION", version).replace("FAILING", failing))
        program.chmod(0o755)

    def has(self, *files: str) -> None:
        """Put files into the folder."""
        for name in files:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text('region = "eu-west-2"\n')

    def run(self, step: str, **aws: str) -> subprocess.CompletedProcess[str]:
        """Run a step. aws: what of the AWS variables is otherwise."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        path = f"{self.folder / 'bin'}:/usr/bin:/bin"
        calls = str(self.folder / "calls")
        return subprocess.run(
            [sys.executable, self.folder / "scripts" / "deploy.py", step],
            env={**kept, **self.aws, **aws, "PATH": path, "CALLS": calls},
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        """How terraform was called."""
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def project(tmp_path: Path, s3_server: S3Door) -> Project:
    """A folder with nothing but the script, and an account in which it is somebody."""
    for name in ("bin", "scripts", "terraform"):
        (tmp_path / name).mkdir()
    shutil.copy(SCRIPT, tmp_path / "scripts")
    return Project(tmp_path, s3_server.environment)


def whole(project: Project) -> Project:
    """Give a folder all that a deployment needs."""
    project.has_terraform()
    project.has("terraform/backend.hcl", "terraform/terraform.tfvars", "dist/lambda/extract-arm64.zip")
    project.has("terraform/starlift.tfplan")
    return project


def test_a_plan_is_kept_and_deployed_as_it_is(project: Project) -> None:
    planned = whole(project).run("plan")
    assert planned.returncode == 0, planned.stderr
    deployed = project.run("deploy")
    assert deployed.returncode == 0, deployed.stderr
    assert project.calls() == [
        "init -input=false -backend-config=backend.hcl",
        "plan -input=false -out=starlift.tfplan",
        "init -input=false -backend-config=backend.hcl",
        "apply -input=false starlift.tfplan",
        "output -raw next_steps",
    ]


def test_a_plan_is_deployed_once(project: Project) -> None:
    assert whole(project).run("deploy").returncode == 0
    again = project.run("deploy")
    assert again.returncode == 2
    assert again.stderr.splitlines()[-1] == "make plan"


def test_what_terraform_fails_of_is_the_exit_code_and_ends_the_step(project: Project) -> None:
    whole(project).has_terraform(failing="apply")
    ended = project.run("deploy")
    assert ended.returncode == 7
    assert ended.stderr.splitlines()[-1] == "make plan", "terraform takes what it began no second time"
    assert not (project.folder / "terraform" / "starlift.tfplan").exists()
    assert "output -raw next_steps" not in project.calls()


def test_what_is_destroyed_is_asked_by_terraform(project: Project) -> None:
    assert whole(project).run("destroy").returncode == 0
    assert project.calls()[-1] == "destroy"


@pytest.mark.parametrize("step", STEPS)
def test_without_terraform_it_is_named(project: Project, step: str) -> None:
    whole(project)
    (project.folder / "bin" / "terraform").unlink()
    ended = project.run(step)
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (2, f"make {step}")
    assert "terraform is not on the path" in ended.stderr


def test_a_terraform_that_cannot_lock_its_state_is_refused(project: Project) -> None:
    whole(project).has_terraform("1.9.8")
    ended = project.run("plan")
    assert ended.returncode == 2
    assert "terraform is 1.9.8, and 1.10 is the oldest that will do" in ended.stderr


@pytest.mark.parametrize(
    ("missing", "command"),
    [
        ("terraform/backend.hcl", "output -raw backend > terraform/backend.hcl"),
        ("terraform/terraform.tfvars", "> terraform/terraform.tfvars && make plan"),
        ("dist/lambda/extract-arm64.zip", "make package && make plan"),
    ],
)
def test_a_file_that_is_missing_is_named_with_the_command_that_makes_it(
    project: Project, missing: str, command: str
) -> None:
    whole(project)
    (project.folder / missing).unlink()
    for step in STEPS:
        ended = project.run(step)
        assert ended.returncode == 2
        assert ended.stderr.splitlines()[-1].endswith(command.replace("make plan", f"make {step}"))
    assert project.calls() == []


def test_the_command_for_the_settings_writes_them(project: Project) -> None:
    whole(project)
    (project.folder / "terraform" / "terraform.tfvars").unlink()
    command = project.run("plan").stderr.splitlines()[-1].removesuffix(" && make plan")
    subprocess.run(["sh", "-c", command], cwd=project.folder, check=True)
    settings = (project.folder / "terraform" / "terraform.tfvars").read_text()
    assert settings == 'region = "eu-west-2"\nalarm_email = "data@example.com"\n'


def test_packages_that_are_elsewhere_are_not_looked_for(project: Project) -> None:
    whole(project)
    (project.folder / "dist" / "lambda" / "extract-arm64.zip").unlink()
    (project.folder / "terraform" / "terraform.tfvars").write_text('package_dir = "/packages"\n')
    assert project.run("plan").returncode == 0


@pytest.mark.parametrize("step", STEPS)
def test_without_credentials_the_command_to_log_in_is_named(project: Project, step: str) -> None:
    whole(project)
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
    ended = project.run(step, **nobody, HOME=str(project.folder))
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (2, f"make {step}")
    assert "AWS does not know who you are" in ended.stderr
    assert project.calls() == []
