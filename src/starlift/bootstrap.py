"""Puts the parts together: the one place that knows which adapter stands behind which port."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from starlift import __version__
from starlift.core.config import PipelineConfig
from starlift.core.config_file import parse
from starlift.core.hmac_key import HmacKey
from starlift.errors import ConfigurationError
from starlift.settings import HMAC_KEY, Settings

if TYPE_CHECKING:
    from starlift.adapters.duckdb_engine import DuckDBEngine
    from starlift.adapters.postgres.connection import Dsn, Role
    from starlift.adapters.postgres.source import PostgresSource
    from starlift.adapters.postgres.warehouse import PostgresWarehouse
    from starlift.core.models import Model
    from starlift.ports import ListedLake
    from starlift.stages.generations import Current


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
            text = file.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise ConfigurationError(
                f"the configuration {file} cannot be read: {error.strerror}",
                "set STARLIFT_CONFIG to another, or write Totesys' with: starlift init",
            ) from error
        except UnicodeDecodeError as error:
            raise ConfigurationError(
                f"the configuration {file} is not UTF-8 text: {error.reason} at byte {error.start}",
                "save it as UTF-8, then: starlift run",
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

        return PostgresSource(self.dsn("source"), self.hmac_key)

    @property
    def hmac_key(self) -> HmacKey | None:
        """The key under which columns are hashed, from its secret or, where none is named, from its variable.
        None where no column is to be hashed, so that it goes nowhere, and where there is none."""
        if not any(spec.hmac for spec in self.config.tables.values()):
            return None
        secret = self.settings.secret("hmac")
        if secret is not None:
            from starlift.adapters.secrets import fetch_hmac_key

            return fetch_hmac_key(secret)
        key = self.settings.values.get(HMAC_KEY, "").strip()
        try:
            return HmacKey(key) if key else None
        except ValueError as error:
            fault = ConfigurationError(
                f"{HMAC_KEY} is no key to hash with: {error}",
                "set it to the output of `openssl rand -hex 32`, keep it, then: starlift run",
            )
            raise self.settings.located(HMAC_KEY, fault) from None

    @property
    def warehouse(self) -> PostgresWarehouse:
        """A connection to the warehouse, to be used as a context manager."""
        from starlift.adapters.postgres.warehouse import PostgresWarehouse

        return PostgresWarehouse(self.dsn("warehouse"), self.config, self.settings.config.parent)

    @cached_property
    def ingestion(self) -> ListedLake:
        """The lake of source rows."""
        return self._lake("STARLIFT_INGESTION")

    @cached_property
    def processed(self) -> Current:
        """The lake of star rows: its current generation."""
        from starlift.stages.generations import Current

        return Current(self.processed_root)

    @cached_property
    def processed_root(self) -> ListedLake:
        """The lake of star rows as a whole, with all its generations."""
        return self._lake("STARLIFT_PROCESSED")

    def _lake(self, variable: str) -> ListedLake:
        from starlift.adapters.addresses import refuse_overlap
        from starlift.adapters.lakes import open_lake

        address = self.settings.need(variable)
        try:
            lake = open_lake(address, variable)
        except ConfigurationError as error:
            raise self.settings.located(variable, error) from error
        both = [self.settings.values.get(name) for name in ("STARLIFT_INGESTION", "STARLIFT_PROCESSED")]
        if both[0] and both[1]:
            refuse_overlap(both[0], both[1])
        return lake

    def dsn(self, role: Role) -> Dsn:
        """Return a database's address, from its secret or, where none is named, from its URL."""
        from starlift.adapters.postgres.connection import Dsn, variable

        secret = self.settings.secret(role)
        if secret is not None:
            from starlift.adapters.secrets import fetch_dsn

            return fetch_dsn(secret)
        name = variable(role)
        url = self.settings.need(name)
        try:
            return Dsn.parse(url, name)
        except ConfigurationError as error:
            raise self.settings.located(name, error) from error

    @property
    def code_version(self) -> str:
        """The version written into manifests."""
        return __version__
