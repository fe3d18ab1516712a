"""The trial of the peers: what it says of a row is so, and a peer that cannot be had is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.peers import changes
from bench.peers.trial import attempt, table

from tests.postgres import PostgresForTests


def test_starlift_follows_all_five_changes_and_a_peer_that_cannot_be_installed_is_named(
    postgres: PostgresForTests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"XDG_CACHE_HOME": str(tmp_path), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}.items():
        monkeypatch.setenv(name, value)
    trial = attempt(postgres, ("sling", "starlift"))
    assert trial.wrong == {"starlift": dict.fromkeys(changes.CHANGES, 0)}
    assert list(trial.skipped) == ["sling"]
    assert "skipped: sling (" in table(trial)


def test_a_row_that_is_missing_too_many_or_another_is_wrong_once() -> None:
    there: changes.Tables = {name: {(1, "a", "x"), (2, "b", "x"), (3, "c", "x")} for name in changes.CHANGES}
    here: changes.Tables = {name: {(1, "a", "x"), (2, "b", "y"), (4, "d", "x")} for name in changes.CHANGES}
    assert changes.wrong(there, here) == dict.fromkeys(changes.CHANGES, 3)
    assert changes.wrong(there, there) == dict.fromkeys(changes.CHANGES, 0)
