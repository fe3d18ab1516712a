"""TLS as it is on the wire: verified in full by default, and only as loosely as the address says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from starlift.adapters.postgres.connection import Dsn, connect
from starlift.errors import UnavailableError
from tests.connection.tls_door import certificate, tls_door
from tests.postgres import SourceDatabase


@dataclass(frozen=True)
class Door:
    """An address behind TLS, and the certificate it shows."""

    dsn: Dsn
    ca: str


@pytest.fixture
def door(source_db: SourceDatabase, tmp_path: Path) -> Iterator[Door]:
    """A server whose certificate is for localhost, and not for 127.0.0.1."""
    public, private = certificate(tmp_path, "localhost")
    dsn = Dsn.parse(source_db.reader)
    with tls_door(dsn.port, public, private) as port:
        yield Door(replace(dsn, host="localhost", port=port), str(public))


def login(dsn: Dsn) -> str:
    connection = connect(dsn, "source")
    try:
        return str(connection.run("SELECT current_user")[0][0])
    finally:
        connection.close()


@pytest.mark.parametrize("mode", ["verify-full", "verify-ca"])
def test_a_certificate_of_the_named_authority_is_trusted(door: Door, mode: str) -> None:
    assert login(replace(door.dsn, sslmode=mode, sslrootcert=door.ca)) == "starlift_source"


@pytest.mark.parametrize("mode", ["verify-full", "verify-ca"])
def test_a_certificate_of_an_unknown_authority_is_refused(door: Door, mode: str) -> None:
    with pytest.raises(UnavailableError, match=r"failed the TLS check.*self-signed"):
        login(replace(door.dsn, sslmode=mode))


def test_a_certificate_for_another_host_is_refused_in_full_verification_only(door: Door) -> None:
    elsewhere = replace(door.dsn, host="127.0.0.1", sslrootcert=door.ca)
    with pytest.raises(UnavailableError, match="failed the TLS check"):
        login(replace(elsewhere, sslmode="verify-full"))
    assert login(replace(elsewhere, sslmode="verify-ca")) == "starlift_source"


def test_require_encrypts_without_asking_who_answers(door: Door) -> None:
    assert login(replace(door.dsn, sslmode="require")) == "starlift_source"
