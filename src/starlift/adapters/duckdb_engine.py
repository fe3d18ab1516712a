"""Runs models in DuckDB, in a sandbox: no file, no network, no clock, no chance, no settings.

One connection serves many models and batches (a fresh sandbox costs 36 ms, a reused one 10 ms for the
whole star). It is opened at the first model, so a run that finds nothing pending does not pay for it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from starlift.adapters.sql_files import load_macros
from starlift.core.models import Model
from starlift.errors import ConfigurationError, UnavailableError
from starlift.ports import RowError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_PREFIX = re.compile(r"\A[A-Z][\w ]*Error: ")
_ADVICE = re.compile(r"\s+Use (TRY\(|\"SET ).*", re.DOTALL)
_SHAPE = "starlift_shape"


class DuckDBEngine:
    """Keeps the promises of `starlift.ports.Engine`. For one thread at a time.

    references: reference data, CSV with a header line, by name; every value is text, an empty one NULL.
    memory: most bytes DuckDB may use, None for its own choice. It works in one thread: so the order of
    rows inside a query, and with it every byte of the output, is the same each time.
    """

    def __init__(self, references: Mapping[str, bytes] | None = None, memory: int | None = None) -> None:
        self._reference_data = dict(references or {})
        self._memory = memory
        self._opened: duckdb.DuckDBPyConnection | None = None
        self._references: dict[str, pa.Table] = {}
        self._approved: dict[tuple[Model, str], str] = {}

    def run(self, model: Model, inputs: Mapping[str, pa.Table]) -> pa.Table:
        """Return the model's rows over the given source tables, ordered by the model's key.

        Only the tables its header names are visible to it. Raises RowError where a row makes an
        expression fail; ConfigurationError, naming file and line, where the model breaks a rule of
        docs/models.md or does not fit the tables; UnavailableError where memory runs out.
        """
        connection = self._connection()
        tables = self._visible(model, inputs)
        query = self._approve(model, tables)
        with _registered(connection, tables), _explained(model):
            return connection.sql(query).order(_columns(model.key)).to_arrow_table()

    def close(self) -> None:
        """Close the connection; the next `run` opens another."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None
            self._approved.clear()

    def _connection(self) -> duckdb.DuckDBPyConnection:
        if self._opened is None:
            self._opened = _sandbox(self._memory)
            self._references = {name: _csv_table(data) for name, data in self._reference_data.items()}
        return self._opened

    def _visible(self, model: Model, inputs: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
        known = {**self._references, **inputs}
        for name in (*model.tables, *model.references):
            if name not in known:
                raise ConfigurationError(
                    f"model {model.name} reads {name}, which is neither a source table nor reference data",
                    f"add [tables.{name}] to pipeline.toml or sql/reference/{name}.csv, then: starlift run",
                )
        return {name: known[name] for name in (*model.tables, *model.references)}

    def _approve(self, model: Model, tables: Mapping[str, pa.Table]) -> str:
        """Hold the model against the rules, over empty tables of the given types, once each.

        Return its SELECT."""
        key = (model, repr([(name, table.schema) for name, table in tables.items()]))
        if key in self._approved:
            return self._approved[key]
        _check_case(model, tables)
        from starlift.adapters.duckdb_driving import aggregate_functions, check_driving
        from starlift.adapters.duckdb_rules import check_plan, check_text, statement, volatile_functions

        connection, volatile = self._connection(), volatile_functions()
        check_driving(check_text(connection, model, volatile), model, aggregate_functions())
        connection.execute("BEGIN")
        try:
            with _explained(model, has_rows=False):
                for name, table in tables.items():
                    _create_empty(connection, name, table)
                check_plan(connection, model, volatile)
                query = statement(model)
                output = connection.sql(query)
                _check_columns(model, output.columns)
                output.order(_columns(model.key)).to_arrow_table()
        finally:
            connection.execute("ROLLBACK")
        self._approved[key] = query
        return query


def _sandbox(memory: int | None) -> duckdb.DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect(":memory:")
    for statement in load_macros().values():
        connection.execute(statement)
    if memory is not None:
        connection.execute(f"SET memory_limit = '{memory}B'")
    for setting in (
        "TimeZone = 'UTC'",
        "threads = 1",
        "temp_directory = ''",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "python_enable_replacements = false",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")
    return connection


def _csv_table(data: bytes) -> pa.Table:
    import pyarrow as pa

    header, *rows = csv.reader(io.StringIO(data.decode("utf-8-sig")))
    columns = [[row[index] or None for row in rows] for index in range(len(header))]
    return pa.table([pa.array(column, pa.string()) for column in columns], names=header)


@contextmanager
def _registered(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table]) -> Iterator[None]:
    try:
        for name, table in tables.items():
            connection.register(name, table)
        yield
    finally:
        for name in tables:
            connection.unregister(name)


def _create_empty(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    with _registered(connection, {_SHAPE: table.schema.empty_table()}):
        connection.execute(f"CREATE TABLE {_columns((name,))} AS FROM {_SHAPE}")


def _check_case(model: Model, tables: Mapping[str, pa.Table]) -> None:
    """Raise ConfigurationError where DuckDB would take two names for one: it folds the case of A to Z."""
    for names, what, of in (
        (tuple(tables), "tables", ""),
        *((table.column_names, "columns", f" of {name}") for name, table in tables.items()),
    ):
        seen: dict[str, str] = {}
        for name in names:
            other = seen.setdefault(_folded(name), name)
            if other != name:
                raise ConfigurationError(
                    f"model {model.name}: {what} {other} and {name}{of} differ only in case, and in a model "
                    "they would be one",
                    "drop one in sql/pipeline.toml, or rename it in a view and take that, then: starlift run",
                )


def _folded(name: str) -> str:
    return name.encode().lower().decode()


def _check_columns(model: Model, columns: list[str]) -> None:
    from starlift.adapters.duckdb_rules import SYNTAX_HINT, wrong

    for name in model.key:
        if name not in columns:
            raise wrong(model, f"the key column {name} is not among its columns", SYNTAX_HINT)
    folded = [_folded(name) for name in columns]
    for name in columns:
        if folded.count(_folded(name)) > 1 or name.startswith("_"):
            raise wrong(model, f"the column name {name} is there twice or begins with _", SYNTAX_HINT)


@contextmanager
def _explained(model: Model, *, has_rows: bool = True) -> Iterator[None]:
    """Turn DuckDB's errors into ours. Without rows no row can be at fault."""
    import duckdb

    from starlift.adapters.duckdb_rules import SYNTAX_HINT, wrong

    of_a_row = (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.OutOfRangeException)
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise UnavailableError(
            f"model {model.name} needs more memory than it has: {_reason(error)}",
            "give it more memory, then: starlift run",
        ) from error
    except duckdb.Error as error:
        if has_rows and isinstance(error, of_a_row):
            raise RowError(_reason(error)) from error
        raise wrong(model, _reason(error), SYNTAX_HINT) from error


def _reason(error: Exception) -> str:
    """Return DuckDB's message as one line, without its class, its advice and its drawing of the query."""
    text = _ADVICE.sub("", _PREFIX.sub("", str(error)).partition("\n\nLINE ")[0])
    return " ".join(text.split("\n"))


def _columns(names: tuple[str, ...]) -> str:
    return ", ".join('"' + name.replace('"', '""') + '"' for name in names)
