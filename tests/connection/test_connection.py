"""Addresses, TLS, and what a failure to connect says."""

from __future__ import annotations

import socket
import ssl
from dataclasses import replace

import pytest
from pg8000.exceptions import DatabaseError

from starlift.adapters.postgres.connection import (
    Dsn,
    connect,
    default_sslmode,
    identifier,
    open_socket,
    translated,
)
from starlift.errors import ConfigurationError, StarliftError, UnavailableError
from tests.postgres import SourceDatabase

URL = "postgresql://me:s%40cret@db.example:6543/shop?sslmode=require&sslrootcert=/ca.pem"


def test_an_address_is_read_with_its_escapes() -> None:
    dsn = Dsn.parse(URL)
    assert dsn == Dsn("db.example", 6543, "shop", "me", "s@cret", "require", "/ca.pem")


@pytest.mark.parametrize(
    ("host", "mode"),
    [("localhost", "disable"), ("127.0.0.1", "disable"), ("[::1]", "disable"), ("db.example", "verify-full")],
)
def test_tls_is_verified_in_full_unless_the_host_is_this_machine(host: str, mode: str) -> None:
    assert Dsn.parse(f"postgresql://me@{host}/shop").sslmode == mode


def test_the_password_shows_neither_in_repr_nor_in_text() -> None:
    dsn = Dsn.parse(URL)
    assert "s@cret" not in repr(dsn) + str(dsn)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://me@h/shop", "does not start with postgresql://"),
        ("postgresql://h/shop", "host, user or database is missing"),
        ("postgresql://me@h/", "host, user or database is missing"),
        ("postgresql://me@h:port/shop", "host or port cannot be read"),
        ("postgresql://me:pa@ss/word@h/shop", "there is an @ in the name of the database"),
        ("postgresql://me@h/shop?sslmode=prefer", "sslmode 'prefer' is not one of"),
    ],
)
def test_a_malformed_address_says_why_and_what_to_write(url: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as raised:
        Dsn.parse(url, "STARLIFT_SOURCE_URL")
    assert raised.value.message.startswith("STARLIFT_SOURCE_URL ")
    assert raised.value.hint.endswith("then: starlift run")


@pytest.mark.parametrize("name", ["", "nul\x00"])
def test_what_cannot_be_an_identifier_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        identifier(name)


def test_a_wrong_password_is_refused_by_name_and_never_repeated(source_db: SourceDatabase) -> None:
    dsn = replace(Dsn.parse(source_db.reader), password="wr0ng-pass")
    with pytest.raises(UnavailableError, match="password authentication failed") as raised:
        connect(dsn, "source")
    assert raised.value.hint == "correct STARLIFT_SOURCE_URL, then: starlift run"
    assert "wr0ng-pass" not in raised.value.message


def test_an_address_without_a_password_is_refused_by_the_server(source_db: SourceDatabase) -> None:
    with pytest.raises(UnavailableError, match="password"):
        connect(replace(Dsn.parse(source_db.reader), password=None), "source")


def test_a_database_that_does_not_exist_is_named(source_db: SourceDatabase) -> None:
    dsn = replace(Dsn.parse(source_db.reader), database="nowhere")
    with pytest.raises(UnavailableError, match='database "nowhere" does not exist'):
        connect(dsn, "warehouse")


def test_a_port_where_nothing_listens_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=rf"127\.0\.0\.1:{port}/shop cannot be reached.*refused"):
            connect(Dsn.parse(f"postgresql://me:x@127.0.0.1:{port}/shop"), "source")


def test_a_connection_does_not_wait_for_an_acknowledgement_before_it_sends_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with open_socket(Dsn.parse(f"postgresql://me:x@127.0.0.1:{port}/shop")) as opened:
            assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_host_that_does_not_exist_is_named() -> None:
    with pytest.raises(UnavailableError, match=r"me@nowhere\.invalid:5432/shop cannot be reached"):
        connect(Dsn.parse("postgresql://me:x@nowhere.invalid/shop"), "source")


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_a_server_without_tls_is_refused_where_tls_is_asked_for(source_db: SourceDatabase, mode: str) -> None:
    with pytest.raises(UnavailableError, match="Server refuses SSL"):
        connect(Dsn.parse(f"{source_db.reader}?sslmode={mode}"), "source")


def test_a_missing_certificate_file_is_a_mistake_in_the_configuration(source_db: SourceDatabase) -> None:
    with pytest.raises(ConfigurationError, match=r"certificate file /nowhere\.pem"):
        connect(Dsn.parse(f"{source_db.reader}?sslmode=verify-full&sslrootcert=/nowhere.pem"), "source")


def test_a_certificate_that_does_not_verify_names_the_remedy() -> None:
    dsn = Dsn.parse("postgresql://me@db.example/shop")
    with pytest.raises(UnavailableError, match="failed the TLS check") as raised, translated(dsn, "source"):
        raise ssl.SSLCertVerificationError("self-signed certificate")
    assert "sslrootcert" in raised.value.hint


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("42501", UnavailableError),
        ("55P03", UnavailableError),
        ("53100", UnavailableError),
        ("57014", UnavailableError),
        ("40001", UnavailableError),
        ("22012", StarliftError),
    ],
)
def test_what_a_server_says_becomes_what_the_caller_can_do(state: str, kind: type[StarliftError]) -> None:
    dsn = Dsn.parse("postgresql://me@db.example/shop")
    with pytest.raises(StarliftError, match="no luck") as raised, translated(dsn, "warehouse"):
        raise DatabaseError({"C": state, "M": "no luck"})
    assert type(raised.value) is kind


def test_a_server_error_without_fields_is_still_reported() -> None:
    dsn = Dsn.parse("postgresql://me@db.example/shop")
    with pytest.raises(StarliftError, match="odd"), translated(dsn, "warehouse"):
        raise DatabaseError("odd")


def test_loopback_is_known_by_name_and_number() -> None:
    assert default_sslmode("127.9.9.9") == default_sslmode("::1") == "disable"


@pytest.mark.parametrize("host", ["127.db.example", "127.0.0.1.example", "localhost.example", "::2"])
def test_a_host_that_only_looks_like_this_machine_is_verified(host: str) -> None:
    assert default_sslmode(host) == "verify-full"
