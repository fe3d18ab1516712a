"""The configurations, applied once for all tests that look at what they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from tests.terraform.commands import Configuration, missing
from tests.terraform.state import State

USUAL = {"region": "eu-west-2", "alarm_email": "data@example.com"}
IN_A_NETWORK = {
    **USUAL,
    "name": "in-a-network",
    "network": {"subnet_ids": ["subnet-1", "subnet-2"], "security_group_ids": ["sg-1"]},
    "hash_key": True,
    "poll_every_minutes": 1,
    "architecture": "x86_64",
    "runbook": "https://example.com/starlift/docs/runbook.md",
}


@dataclass(frozen=True)
class Applied:
    """A configuration that is applied, what it was given, and what there is then."""

    configuration: Configuration
    variables: Mapping[str, object]
    state: State

    @staticmethod
    def of(copy: Configuration, variables: Mapping[str, object]) -> Applied:
        """Apply a copy."""
        return Applied(copy, variables, State.read(copy.init().apply(**variables)))


@pytest.fixture(scope="session")
def terraform() -> None:
    """Skip the tests that need terraform where there is none."""
    if reason := missing():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def usual(terraform: None, tmp_path_factory: pytest.TempPathFactory) -> Applied:
    """The configuration, applied with the least that has to be said."""
    return Applied.of(Configuration.copied(tmp_path_factory.mktemp("usual")), USUAL)


@pytest.fixture(scope="session")
def in_a_network(terraform: None, tmp_path_factory: pytest.TempPathFactory) -> Applied:
    """The same where functions are in a network, columns are hashed, and all else is otherwise too.

    Ids are known after the apply alone, as with AWS: a for_each or count over one would fail in an account.
    """
    copy = Configuration.copied(tmp_path_factory.mktemp("network"))
    return Applied.of(replace(copy, ids_known_late=True), IN_A_NETWORK)
