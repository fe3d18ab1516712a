"""Puts the parts together: the one place that knows which adapter stands behind which port."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlift import __version__
from starlift.core.config import PipelineConfig
from starlift.core.config_file import parse
from starlift.errors import ConfigurationError
from starlift.settings import Settings

if TYPE_CHECKING:
    from starlift.adapters.duckdb_engine import DuckDBEngine
    from starlift.adapters.postgres.connection import Dsn, Role
    from starlift.adapters.postgres.source import PostgresSource
    from starlift.adapters.postgres.warehouse import PostgresWarehouse
    from starlift.core.models import Model
    from starlift.ports import Lake


@dataclass(frozen=True)
class Pipeline:
    """Everything the stages need, built from the settings when it is first asked for.

    A stage imports only what it uses: a poll that finds nothing is mostly imports.
    """

    settings: Settings

    @cached_property
    def config(self) -> PipelineConfig:
        """The declared pipeline. Raises ConfigurationError with file and line."""
        file = self.settings.config
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ConfigurationError(
                f"the configuration {file} cannot be read: {reason}",
                "set STARLIFT_CONFIG or write a configuration with: starlift init",
            ) from error
        return parse(text, str(file))

    @cached_property
    def models(self) -> tuple[Model, ...]:
        """The star's models, from `models/` beside the configuration."""
        from starlift.adapters.sql_files import load_models

        return tuple(load_models(self.settings.config.parent))

    @cached_property
    def engine(self) -> DuckDBEngine:
        """The sandbox that runs the models, made once and reused."""
        from starlift.adapters.duckdb_engine import DuckDBEngine
        from starlift.adapters.sql_files import load_references

        return DuckDBEngine(load_references(self.settings.config.parent))

    @property
    def source(self) -> PostgresSource:
        """A connection to the source, to be used as a context manager."""
        from starlift.adapters.postgres.source import PostgresSource

        return PostgresSource(self.dsn("source"), self.config.source_schema)

    @property
    def warehouse(self) -> PostgresWarehouse:
        """A connection to the warehouse, to be used as a context manager."""
        from starlift.adapters.postgres.warehouse import PostgresWarehouse

        return PostgresWarehouse(self.dsn("warehouse"), self.config, self.settings.config.parent)

    @cached_property
    def ingestion(self) -> Lake:
        """The lake of source rows."""
        return self._lake("STARLIFT_INGESTION")

    @cached_property
    def processed(self) -> Lake:
        """The lake of star rows."""
        return self._lake("STARLIFT_PROCESSED")

    def _lake(self, variable: str) -> Lake:
        from starlift.adapters.addresses import refuse_overlap
        from starlift.adapters.lakes import open_lake

        address = self.settings.need(variable)
        both = [self.settings.values.get(name) for name in ("STARLIFT_INGESTION", "STARLIFT_PROCESSED")]
        if both[0] and both[1]:
            refuse_overlap(both[0], both[1])
        return open_lake(address, variable)

    def dsn(self, role: Role) -> Dsn:
        """Return a database's address, from its URL or from its secret."""
        from starlift.adapters.postgres.connection import Dsn, variable

        secret = self.settings.secret(role)
        if secret is not None:
            return Dsn.parse(secret_url(_fetch_secret(secret), secret), f"the secret {secret}")
        return Dsn.parse(self.settings.need(variable(role)), variable(role))

    @property
    def code_version(self) -> str:
        """The version written into manifests."""
        return __version__


def secret_url(text: str, name: str) -> str:
    """Return the URL for a secret: JSON with host, port, dbname, username, password and, if need be,
    sslrootcert. Raises ConfigurationError, which never repeats the secret."""
    try:
        fields: dict[str, Any] = json.loads(text)
        user, password, database = (quote(str(fields[k]), "") for k in ("username", "password", "dbname"))
        host, port = fields["host"], int(fields.get("port", 5432))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        missing = f"{error} is missing" if isinstance(error, KeyError) else "it is not such JSON"
        raise ConfigurationError(
            f"the secret {name} needs host, port, dbname, username and password as JSON: {missing}",
            f"aws secretsmanager put-secret-value --secret-id {name} --secret-string file://secret.json",
        ) from None
    root = f"?sslrootcert={quote(fields['sslrootcert'], '')}" if fields.get("sslrootcert") else ""
    return f"postgresql://{user}:{password}@{host}:{port}/{database}{root}"


def _fetch_secret(name: str) -> str:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    from starlift.errors import UnavailableError

    try:
        answer = boto3.client("secretsmanager").get_secret_value(SecretId=name)
    except (BotoCoreError, ClientError) as error:
        raise UnavailableError(
            f"the secret {name} cannot be fetched: {error}",
            f"aws secretsmanager describe-secret --secret-id {name}",
        ) from error
    return str(answer.get("SecretString", ""))
