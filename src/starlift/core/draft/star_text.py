"""The texts of a drafted star: models, DDL and laws."""

from __future__ import annotations

from collections.abc import Iterator

from starlift.core.draft.names import plain, quoted, remark
from starlift.core.draft.star_table import CITEXT, StarColumn, StarTable


def star_texts(tables: tuple[StarTable, ...]) -> dict[str, str]:
    """Return models, DDL and laws by file name, relative to `sql/`; none without tables."""
    texts: dict[str, str] = {}
    for table in tables:
        number = "030" if table.kind == "fact" else "020"
        texts[f"models/{table.name}.sql"] = "\n".join(_model(table)) + "\n"
        texts[f"warehouse/{number}_{table.name}.sql"] = "\n".join(_ddl(table)) + "\n"
        texts[f"checks/live_rows_are_in_{table.name}.sql"] = _law(table)
    return texts


def _model(table: StarTable) -> Iterator[str]:
    version = "version of a " if table.kind == "fact" else ""
    yield f"-- One row per {version}row of {table.driving}."
    yield f"-- kind: {table.kind}"
    yield f"-- key: {', '.join(table.key)}"
    yield f"-- from: {table.driving}"
    yield "SELECT"
    yield "    -- DECIDE which columns the star needs: take away the others, here and in its DDL."
    if table.kind == "dimension":
        yield "    -- DECIDE which other tables belong in it: name them under joins:, and LEFT JOIN them."
    if left := table.relation.personal:
        yield remark(f"    -- Not here, as they are not taken yet: {', '.join(left)}.")
    last = len(table.columns) - 1
    for index, column in enumerate(table.columns):
        yield from _hints(column)
        yield f"    {_selected(column)}{'' if index == last else ','}"
    yield f"FROM {quoted(table.driving)}"


def _hints(column: StarColumn) -> Iterator[str]:
    if column.name != plain(column.source):
        yield f"    -- {plain(column.source)} is the name of another here, or of the history's own"
    if column.hint == "text":
        yield "    -- DECIDE text in the source; if it holds dates: strict_date() reads or refuses them"
    elif column.hint == "moment":
        yield "    -- DECIDE as it is, or by date_of() and time_of() as a date, of dim_date, and a time"


def _selected(column: StarColumn) -> str:
    if column.source == column.name:
        return quoted(column.source)
    return f"{quoted(column.source)} AS {quoted(column.name)}"


def _ddl(table: StarTable) -> Iterator[str]:
    yield "-- schema: star"
    if table.kind == "fact":
        yield "-- One row per version of a source row: the load numbers them. Sum current_" + table.name + "."
    else:
        yield "-- The latest version of each row. Only the key and text may be NOT NULL."
    yield ""
    if any(column.type == CITEXT for column in table.columns):
        yield "-- so that a reference finds its row here as it does in the source, whatever the case"
        yield "CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;"
    yield f"CREATE TABLE {table.name} ("
    yield ",\n".join(f"    {line}" for line in _lines(table))
    yield ");"
    if table.kind == "fact":
        yield f"CREATE INDEX {table.name}_key ON {table.name} ({_listed(table.key)});"


def _lines(table: StarTable) -> Iterator[str]:
    if table.kind == "fact":
        yield f"{quoted(table.surrogate)} serial PRIMARY KEY"
    for column in table.columns:
        dated = table.kind == "fact" and column.hint == "date"
        yield (
            f"{quoted(column.name)} {column.type}"
            + (" NOT NULL" if _not_null(table, column) else "")
            + (" REFERENCES dim_date" if dated else "")
        )
    if table.kind == "dimension":
        yield f"PRIMARY KEY ({_listed(table.key)})"
    for own, parent, others in table.references:
        yield f"FOREIGN KEY ({_listed(own)}) REFERENCES {parent} ({_listed(others)})"


def _not_null(table: StarTable, column: StarColumn) -> bool:
    """In a dimension only key and text: of a row that has not arrived nothing else can be said."""
    if table.kind == "fact" or column.name in table.key:
        return column.required or column.name in table.key
    return column.required and column.type in ("character varying", CITEXT)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(map(quoted, names))


def _law(table: StarTable) -> str:
    if table.kind == "fact":
        found = (
            f"SELECT FROM fact_version AS v\n    WHERE v.fact = '{table.name}' AND v.key = ledger.key "
            "AND v.current AND v.op <> 'delete'"
        )
    else:
        key = ", ".join(f"CAST({quoted(name)} AS text)" for name in table.key)
        found = f"SELECT FROM {table.name} WHERE CAST(ROW({key}) AS text) = ledger.key"
    driving = table.driving.replace("'", "''")
    # of a key that no index holds the ledger has the beginning and a digest
    known = "" if table.kind == "fact" else " AND right(key, 1) = ')'"
    return (
        f"-- Every row of {table.driving} that a batch brings is in {table.name}, or held back.\n"
        "SELECT source_table, key FROM ledger\n"
        "WHERE seq BETWEEN current_setting('starlift.first_seq')::bigint "
        "AND current_setting('starlift.seq')::bigint\n"
        f"  AND source_table = '{driving}' AND state = 'live'{known} AND NOT EXISTS (\n    {found})\n"
    )
