"""Plan, deploy or destroy the pipeline in AWS: what `make plan`, `make deploy` and `make destroy` run.

    .venv/bin/python scripts/deploy.py plan|deploy|destroy

First it looks for whatever would stop terraform half way. What is missing is named with the command that
mends it, and the exit code is 2. Otherwise it is terraform's.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "terraform"
PLAN = "starlift.tfplan"
LEAST = (1, 10)

_BOOTSTRAP, _BACKEND = "terraform -chdir=terraform/bootstrap", "terraform/backend.hcl"
_EXAMPLE = r'region = "eu-west-2"\nalarm_email = "data@example.com"\n'

STEPS = {
    "plan": (("plan", "-input=false", f"-out={PLAN}"),),
    "deploy": (("apply", "-input=false", PLAN), ("output", "-raw", "next_steps")),
    "destroy": (("destroy",),),
}


class Missing(Exception):
    """What is not there, and the command that mends it."""

    def __init__(self, what: str, command: str) -> None:
        super().__init__(f"{what}\n{command}")


def require_terraform(again: str) -> None:
    """Raise Missing unless there is a terraform that can lock its state in S3."""
    if shutil.which("terraform") is None:
        raise Missing(
            "terraform is not on the path; https://developer.hashicorp.com/terraform/install, then:", again
        )
    asked = subprocess.run(["terraform", "version", "-json"], capture_output=True, text=True, check=False)
    version = str(json.loads(asked.stdout or "{}").get("terraform_version", "0.0"))
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < LEAST:
        least = ".".join(map(str, LEAST))
        raise Missing(
            f"terraform is {version}, and {least} is the oldest that will do; renew it, then:", again
        )


def require_settings(again: str) -> None:
    """Raise Missing unless it is known where the state is and what is to be deployed."""
    if not (FOLDER / "backend.hcl").exists():
        raise Missing(
            "terraform/backend.hcl is missing: it names the bucket of the state. The first time, make it:",
            f"{_BOOTSTRAP} init && {_BOOTSTRAP} apply && {_BOOTSTRAP} output -raw backend > {_BACKEND}",
        )
    if not (FOLDER / "terraform.tfvars").exists():
        raise Missing(
            "terraform/terraform.tfvars is missing: it says what is to be deployed (docs/deploying.md). "
            "With your own values:",
            f"printf '{_EXAMPLE}' > terraform/terraform.tfvars && {again}",
        )


def require_packages(again: str) -> None:
    """Raise Missing unless the functions' packages are built, or are elsewhere."""
    settings = (FOLDER / "terraform.tfvars").read_text()
    if "package_dir" not in settings and not list((ROOT / "dist" / "lambda").glob("*.zip")):
        raise Missing("dist/lambda has no packages of the functions; build them:", f"make package && {again}")


def require_account(again: str) -> str:
    """Return who we are in AWS. Raises Missing where AWS knows us not."""
    import boto3.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    config = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard"})
    region = re.search(r'^region\s*=\s*"([^"]+)"', (FOLDER / "backend.hcl").read_text(), re.MULTILINE)
    try:
        client = boto3.session.Session().client(
            "sts", config=config, region_name=region[1] if region else None
        )
        return str(client.get_caller_identity()["Arn"])
    except (BotoCoreError, ClientError, ValueError) as error:
        raise Missing(
            f"AWS does not know who you are: {error}. Log in (aws sso login), or set AWS_PROFILE, then:",
            again,
        ) from error


def main() -> int:
    """Do what the command line asks for. Return the exit code."""
    parser = argparse.ArgumentParser(prog="deploy.py", description="Plan, deploy or destroy the pipeline.")
    parser.add_argument("step", choices=STEPS)
    step: str = parser.parse_args().step
    again = f"make {step}"
    try:
        require_terraform(again)
        require_settings(again)
        who = require_account(again)
        require_packages(again)  # to destroy too: terraform reads the whole configuration first
        if step == "deploy" and not (FOLDER / PLAN).exists():
            raise Missing("there is no plan to deploy; make one, and read it:", "make plan")
    except Missing as missing:
        print(f"error: {missing}", file=sys.stderr)
        return 2
    print(f"as {who}", flush=True)
    for words in (("init", "-input=false", "-backend-config=backend.hcl"), *STEPS[step]):
        ended = subprocess.run(["terraform", f"-chdir={FOLDER}", *words], check=False)
        if words[0] == "apply" and step == "deploy":
            (FOLDER / PLAN).unlink()  # done, or half done: terraform takes it no second time
        if ended.returncode != 0:
            then = "make plan" if step == "deploy" else again
            print(f"error: terraform {words[0]} failed; mend what it says, then:\n{then}", file=sys.stderr)
            return ended.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
