"""Finds the rows that the star refuses: by trying them one by one, where it has refused them together.

What a database may refuse is more than can be foretold: a domain's or a table's CHECK, a generated column
that divides by zero, text that is no uuid, a value too long for an index. A row that fails here goes into
quarantine, and the batch loads without it. Each trial is a subtransaction, which costs several times what
loading the row does, so it is done only for a batch that failed.
"""

from __future__ import annotations

from collections.abc import Mapping

import pg8000.native
import pyarrow as pa

from starlift.adapters.postgres.connection import identifier
from starlift.adapters.postgres.dimensions import Parent, placeholder
from starlift.adapters.postgres.fitting import KEY_COLUMN
from starlift.adapters.postgres.staging import Staged, copy
from starlift.errors import HeldError

MOST_REFUSED = 100_000
"""Rows of one star table that may be refused in one batch: more are no odd rows, but a wrong DDL."""

_TRY = r"""
DECLARE
    tried record;
    step text;
    why text;
    refused bigint := 0;
    number integer := 0;
BEGIN
    FOR tried IN SELECT * FROM {rows} LOOP
        number := number + 1;
        step := {subject};
        BEGIN
            {steps}
        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded
                       OR plpgsql_error THEN
            why := step || SQLERRM;
            {closer}
            why := regexp_replace(why, '_trial_(\d+_)?', '', 'g');
            INSERT INTO pg_temp._rejected VALUES ({driving}, tried.{key}, why, to_jsonb(tried) - {key_name});
            refused := refused + 1;
            IF refused > {most} THEN RETURN; END IF;
        END;
    END LOOP;
END
"""


def put_readable(connection: pg8000.native.Connection, staged: Staged, file: pa.Table) -> int:
    """Stage the rows of a file that the star's columns can read, as text; reject the others by column."""
    loose = f"pg_temp.{identifier('_trial_text')}"
    names = [identifier(name) for name in (*staged.columns, KEY_COLUMN)]
    connection.run(f"CREATE TEMPORARY TABLE _trial_text ({', '.join(f'{name} text' for name in names)})")
    rows = copy(connection, loose, file)
    types = {identifier(name): staged.table.columns[name].staged for name in staged.columns}
    read = {name: f"CAST(tried.{name} AS {kind})" for name, kind in types.items()}
    values = ", ".join([*read.values(), f"tried.{names[-1]}"])
    closer = "".join(
        f"BEGIN PERFORM {value}; EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN "
        f"why := {_literal(connection, f'{staged.table.name}.{column}: ')} || SQLERRM; END;\n"
        for column, value in zip(staged.columns, read.values(), strict=True)
    )
    steps = f"INSERT INTO {staged.stage} ({', '.join(names)}) VALUES ({values});"  # noqa: S608 identifiers
    _try(connection, staged, loose, steps, closer)
    connection.run("DROP TABLE pg_temp._trial_text")
    return rows


def try_rows(connection: pg8000.native.Connection, rows: Staged, parents: Mapping[str, Parent]) -> None:
    """Reject the staged rows that the star's table would refuse, or that refer to a row which is not loaded
    and for which none can stand in. parents: dimensions by name."""
    own = _like(connection, rows.schema, rows.table.name)
    columns = [identifier(name) for name in rows.columns]
    values = [f"tried.{name}" for name in columns]
    if rows.model.kind == "fact":
        columns, values = [rows.surrogate, *columns], ["number", *values]
    steps = [
        f"INSERT INTO {own} ({', '.join(columns)}) OVERRIDING SYSTEM VALUE "  # noqa: S608 identifiers only
        f"VALUES ({', '.join(values)});"
    ]
    tables = [own]
    for reference in rows.table.references:
        if reference.parent in parents:
            parent = parents[reference.parent]
            stand_in = _like(connection, rows.schema, reference.parent, f"{len(tables)}_")
            tables.append(stand_in)
            missing = f"{rows.table.name} refers to a row of {reference.parent} that is not loaded"
            said = _literal(connection, f"{missing}, and none can stand in for it: ")
            steps.append(f"step := {said};")
            steps.append(placeholder(stand_in, rows, reference, parent))
    _try(connection, rows, rows.stage, "\n".join(steps), "")
    connection.run(f"DROP TABLE {', '.join(tables)}")


def _like(connection: pg8000.native.Connection, schema: str, table: str, number: str = "") -> str:
    """Make an empty table that refuses what the star's does; return its name, quoted."""
    made = f"pg_temp.{identifier(f'_trial_{number}{table}')}"
    star = f"{identifier(schema)}.{identifier(table)}"
    connection.run(f"CREATE TEMPORARY TABLE {made} (LIKE {star} INCLUDING ALL)")
    return made


def _try(connection: pg8000.native.Connection, staged: Staged, rows: str, steps: str, closer: str) -> None:
    body = _TRY.format(
        subject=_literal(connection, f"{staged.table.name}: "),
        rows=rows,
        steps=steps,
        closer=closer,
        driving=_literal(connection, staged.model.driving),
        key=identifier(KEY_COLUMN),
        key_name=_literal(connection, KEY_COLUMN),
        most=MOST_REFUSED,
    )
    connection.run(f"DO {_literal(connection, body)}")
    count, reason = connection.run(
        "SELECT count(*), min(reason) FROM pg_temp._rejected WHERE source_table = :driving",
        driving=staged.model.driving,
    )[0]
    if count > MOST_REFUSED:
        said = f"star table {staged.table.name} refuses more than {MOST_REFUSED} rows of a batch"
        raise HeldError(
            f"{said}: {reason}",
            "put what is to change into a new file of sql/warehouse, then: starlift migrate && starlift load",
            said,
        )


def _literal(connection: pg8000.native.Connection, text: str) -> str:
    """Return a text as an SQL literal: DO takes no parameters."""
    return str(connection.run("SELECT quote_literal(:text)", text=text)[0][0])
