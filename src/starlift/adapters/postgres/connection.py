"""How starlift connects to a PostgreSQL server, and what its failures mean to the caller.

pg8000's and the operating system's errors are turned into `starlift.errors` here and nowhere else.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

import pg8000.native
from pg8000.exceptions import DatabaseError, InterfaceError

from starlift.errors import ConfigurationError, StarliftError, UnavailableError

CONNECT_TIMEOUT = 10.0
"""Seconds to wait for a server to accept a connection."""

Role = Literal["source", "warehouse"]

_SSL_MODES = ("disable", "require", "verify-ca", "verify-full")
_ENCODE = "; special characters in a password are percent-encoded: %40 for @, %2F for /, %23 for #"


def variable(role: Role) -> str:
    """Return the environment variable that names a role's database."""
    return f"STARLIFT_{role.upper()}_URL"


@dataclass(frozen=True)
class Dsn:
    """Where a database is and how to log in. The password never shows in repr or messages."""

    host: str
    port: int
    database: str
    user: str
    password: str | None = field(repr=False)
    sslmode: str
    sslrootcert: str | None = None

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}/{self.database}"

    @classmethod
    def parse(cls, url: str, name: str = "the URL") -> Dsn:
        """Read `postgresql://user:password@host:port/db?sslmode=...&sslrootcert=...`.

        Without sslmode it is verify-full, or disable where the host is this machine. `name` is the
        variable that holds the URL, for messages. Raises ConfigurationError.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or 5432
        except ValueError:  # its text quotes the URL, and with it the password
            raise _malformed(name, f"host or port cannot be read{_ENCODE}") from None
        if parts.scheme not in ("postgresql", "postgres"):
            raise _malformed(name, "it does not start with postgresql://")
        if "@" in parts.path:  # what looks like the host is the rest of a password
            raise _malformed(name, f"there is an @ in the name of the database{_ENCODE}")
        database = unquote(parts.path.lstrip("/"))
        if not (parts.hostname and parts.username and database):
            raise _malformed(name, "host, user or database is missing")
        options = dict(parse_qsl(parts.query))
        sslmode = options.get("sslmode") or default_sslmode(parts.hostname)
        if sslmode not in _SSL_MODES:
            raise _malformed(name, f"sslmode {sslmode!r} is not one of {', '.join(_SSL_MODES)}")
        password = unquote(parts.password) if parts.password is not None else None
        user, root = unquote(parts.username), options.get("sslrootcert")
        return cls(parts.hostname, port, database, user, password, sslmode, root)


def _malformed(name: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"{name} is not a database address: {reason}",
        f"set {name}=postgresql://user:password@host:5432/database in .env, then: starlift run",
    )


def default_sslmode(host: str) -> str:
    """Return verify-full, or disable for a loopback host."""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    return "disable" if loopback else "verify-full"


def identifier(name: str) -> str:
    """Quote an SQL identifier. The only way a name enters SQL text."""
    if not name or "\x00" in name:
        raise ConfigurationError(
            f"{name!r} cannot be a PostgreSQL identifier",
            "give it a name without NUL in sql/pipeline.toml, then: starlift run",
        )
    return '"' + name.replace('"', '""') + '"'


def connect(
    dsn: Dsn, role: Role, application_name: str = "starlift", login: str | None = None
) -> pg8000.native.Connection:
    """Open a connection, in autocommit until BEGIN. Raises UnavailableError, ConfigurationError.

    `login` replaces the database role that the server is asked for (used by tests and the demo).
    """
    with translated(dsn, role):
        arguments = connection_arguments(dsn, role, application_name)
        return pg8000.native.Connection(**{**arguments, "user": login or dsn.user})


def connection_arguments(dsn: Dsn, role: Role, application_name: str = "starlift") -> dict[str, Any]:
    """Return what pg8000 is to be called with; the socket among it is open already."""
    return {
        "user": dsn.user,
        "host": dsn.host,
        "port": dsn.port,
        "database": dsn.database,
        # pg8000 fails in the handshake without one; the server is to be the one to refuse
        "password": dsn.password or "",
        "ssl_context": _ssl_context(dsn, role),
        "application_name": application_name,
        # the database's own encoding is the default, and the lake is UTF-8
        "startup_params": {"client_encoding": "UTF8"},
        "sock": open_socket(dsn),
    }


def open_socket(dsn: Dsn) -> socket.socket:
    """A socket with a time limit on connecting only: a long query may be silent for minutes.

    It sends at once: a COPY writes twice before it reads, and would wait 40 ms for an acknowledgement.
    """
    sock = socket.create_connection((dsn.host, dsn.port), timeout=CONNECT_TIMEOUT)
    sock.settimeout(None)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _ssl_context(dsn: Dsn, role: Role) -> ssl.SSLContext | bool:
    if dsn.sslmode == "disable":
        return False
    try:
        context = ssl.create_default_context(cafile=dsn.sslrootcert)
    except OSError as error:
        raise ConfigurationError(
            f"the certificate file {dsn.sslrootcert} of the {role} cannot be read: {error}",
            f"put the server's CA bundle there or change sslrootcert in {variable(role)}, then: starlift run",
        ) from None
    if dsn.sslmode != "verify-full":
        context.check_hostname = False
    if dsn.sslmode == "require":
        context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def translated(dsn: Dsn, role: Role) -> Iterator[None]:
    """Turn what the driver and the network raise inside the block into starlift's errors."""
    try:
        yield
    except DatabaseError as error:
        raise _from_server(error, dsn, role) from error
    except ssl.SSLError as error:
        raise UnavailableError(
            f"the {role} {dsn} failed the TLS check ({dsn.sslmode}): {error}",
            f"name its CA with sslrootcert=... in {variable(role)}, then: starlift run",
        ) from error
    except (InterfaceError, OSError) as error:
        cause = error.__cause__ or error
        reason = getattr(cause, "strerror", None) or cause
        raise UnavailableError(
            f"the {role} {dsn} cannot be reached: {reason}",
            f"start it or correct {variable(role)}, then: starlift run",
        ) from error


def sqlstate(error: BaseException) -> str:
    """Return the SQLSTATE of a driver error, or ''."""
    fields = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    return str(fields.get("C", ""))


def _from_server(error: DatabaseError, dsn: Dsn, role: Role) -> StarliftError:
    state = sqlstate(error)
    fields = error.args[0] if isinstance(error.args[0], dict) else {"M": str(error)}
    message = f"the {role} {dsn} says: {fields.get('M', error)}"
    retry = "starlift run"
    if state in ("28P01", "28000", "3D000"):
        refused = UnavailableError(message, f"correct {variable(role)}, then: starlift run")
        refused.login = state != "3D000"
        return refused
    if state == "42501":
        return UnavailableError(
            message, f"grant what is missing: psql -d {dsn.database} -f sql/roles/{role}.sql"
        )
    if state == "55P03":
        return UnavailableError(f"{message} (another session holds the lock)", retry)
    if state[:2] in ("08", "53", "57", "58") or state in ("25006", "40001", "40P01"):
        return UnavailableError(message, retry)
    return StarliftError(f"{message} (SQLSTATE {state})", "starlift run")
