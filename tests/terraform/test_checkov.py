"""checkov finds nothing in `terraform/` but what `checkov.yaml` passes over, each with its reason."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.environments import Unavailable, environment
from tests.terraform.commands import TERRAFORM

LOCK = Path(__file__).with_name("checkov.txt")
PASSED_OVER = re.compile(r"^  - (CKV2?_AWS_\d+) # .+", re.MULTILINE)


def failed_checks() -> dict[str, set[str]]:
    """Return what checkov finds without its list of what to pass over: places by check."""
    command = (environment(LOCK) / "bin" / "checkov", "--directory", TERRAFORM, "--framework", "terraform")
    quiet = ("--skip-download", "--quiet", "--compact", "--output", "json")
    ended = subprocess.run([*command, *quiet], cwd=LOCK.parent, capture_output=True, text=True, check=False)
    found: dict[str, set[str]] = {}
    for failed in json.loads(ended.stdout)["results"]["failed_checks"]:
        found.setdefault(failed["check_id"], set()).add(failed["resource"])
    return found


def test_checkov_finds_what_is_passed_over_with_a_reason_and_nothing_else() -> None:
    try:
        found = failed_checks()
    except Unavailable as reason:
        pytest.skip(f"checkov cannot be installed ({reason})")
    known = set(PASSED_OVER.findall((TERRAFORM / "checkov.yaml").read_text()))
    assert {check: sorted(places) for check, places in found.items() if check not in known} == {}
    assert known - found.keys() == set(), "no longer needed in terraform/checkov.yaml"
