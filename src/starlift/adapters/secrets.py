"""Database addresses and the key of hashes, from AWS Secrets Manager. No message repeats a secret."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

from starlift.adapters.postgres.connection import Dsn, default_sslmode
from starlift.core.hmac_key import HmacKey
from starlift.errors import ConfigurationError, StarliftError, UnavailableError

_NEEDED = ("host", "port", "dbname", "username", "password")


@dataclass(frozen=True)
class _Purpose:
    """What a secret is to be, and what to put into it, for messages."""

    what: str
    fields: str


_ADDRESS = _Purpose("database address", ", ".join(_NEEDED))
_KEY = _Purpose("key to hash with", "key, with the output of `openssl rand -hex 32`,")


def fetch_dsn(name: str) -> Dsn:
    """Return the address in the secret with this name or ARN, asking as the usual AWS_* variables say.

    Raises ConfigurationError where there is no such secret or it is not an address, UnavailableError
    where Secrets Manager does not answer or refuses.
    """
    return parse(_fetch(name), name)


def fetch_hmac_key(name: str) -> HmacKey:
    """Return the key in the secret with this name or ARN. Asks and raises as `fetch_dsn`."""
    return parse_key(_fetch(name), name)


def _fetch(name: str) -> str:
    import boto3.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    config = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard"})
    try:
        client = boto3.session.Session().client("secretsmanager", config=config)
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(
            f"the secret {name} cannot be asked for: {_line(error)}",
            "set AWS_REGION and the other AWS_* variables, then: starlift run",
        ) from error
    try:
        answer = client.get_secret_value(SecretId=name)
    except (BotoCoreError, ClientError) as error:
        raise _refused(name, error) from error
    return str(answer.get("SecretString", ""))


def parse(text: str, name: str) -> Dsn:
    """Return the address that a secret holds: JSON with host, port, dbname, username, password and, if
    need be, sslrootcert. Raises ConfigurationError."""
    fields = _object(text, name, _ADDRESS)
    missing = [key for key in _NEEDED if key != "port" and not fields.get(key)]
    if missing:
        raise _malformed(name, f"{', '.join(missing)} is missing", _ADDRESS)
    try:
        port = int(fields.get("port") or 5432)
    except (TypeError, ValueError):
        raise _malformed(name, "port is not a number", _ADDRESS) from None
    host, root = str(fields["host"]), fields.get("sslrootcert")
    return Dsn(
        host=host,
        port=port,
        database=str(fields["dbname"]),
        user=str(fields["username"]),
        password=str(fields["password"]),
        sslmode=default_sslmode(host),
        sslrootcert=str(root) if root else None,
    )


def parse_key(text: str, name: str) -> HmacKey:
    """Return the key that a secret holds: JSON with key. Raises ConfigurationError."""
    key = _object(text, name, _KEY).get("key")
    if not key or not isinstance(key, str):
        raise _malformed(name, "key is no text" if key else "key is missing", _KEY)
    try:
        return HmacKey(key.strip())
    except ValueError as error:
        raise _malformed(name, str(error), _KEY) from None


def _object(text: str, name: str, purpose: _Purpose) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except ValueError:
        raise _malformed(name, "it is not JSON", purpose) from None
    if not isinstance(fields, dict):
        raise _malformed(name, "it is not a JSON object", purpose)
    return fields


def _malformed(name: str, reason: str, purpose: _Purpose) -> ConfigurationError:
    return ConfigurationError(
        f"the secret {name} is no {purpose.what}: {reason}",
        f"put {purpose.fields} into secret.json, then: aws secretsmanager put-secret-value "
        f"--secret-id {shlex.quote(name)} --secret-string file://secret.json",
    )


def _refused(name: str, error: Exception) -> StarliftError:
    response = getattr(error, "response", {})
    message = f"the secret {name} cannot be fetched: {_line(error)}"
    if response.get("Error", {}).get("Code") == "ResourceNotFoundException":
        return ConfigurationError(
            message, "correct STARLIFT_*_SECRET to one of those in: aws secretsmanager list-secrets"
        )
    return UnavailableError(
        message,
        "check the AWS_* variables and this identity's right to secretsmanager:GetSecretValue, then: "
        f"aws secretsmanager describe-secret --secret-id {shlex.quote(name)}",
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
