"""What nothing that copies tables can do without: two psql and a pipe.

The first prints, as a script, what the second is to do, rows included.
"""

from __future__ import annotations

from pathlib import Path

from tests.postgres import connected

from bench.peers.tools import Tool
from starlift.adapters.embedded.binaries import programs
from starlift.adapters.postgres.connection import identifier
from starlift.totesys.loading import TABLES, key

_COLUMNS = """
SELECT a.attname,
       CASE t.typtype WHEN 'e' THEN 'text' ELSE format_type(a.atttypid, a.atttypmod) END
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = CAST(:name AS regclass) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""


class Pipe(Tool):
    """COPY out of every table, piped to COPY into one with the same columns and the primary key."""

    words = 'psql "$SOURCE" -Xqf copy.sql | psql "$TARGET" -Xq -v ON_ERROR_STOP=1'

    def set_up(self) -> None:
        """Make the tables, and write the scripts."""
        with connected(self.source) as there:
            columns = {table: there.run(_COLUMNS, name=table) or [] for table in TABLES}
        with connected(self.target) as here:
            here.run("CREATE SCHEMA copy")
            for table, found in columns.items():
                parts = [f"{identifier(name)} {kind}" for name, kind in found]
                here.run(f"CREATE TABLE copy.{table} ({', '.join(parts)}, PRIMARY KEY ({key(table)}))")
        self.write({table: [name for name, _ in found] for table, found in columns.items()})

    def write(self, columns: dict[str, list[str]]) -> None:
        """Write `copy.sql`."""
        parts = (
            f"\\echo 'COPY copy.{table} FROM STDIN;'\nCOPY public.{table} TO STDOUT;\n\\echo '\\\\.'\n"
            for table in columns
        )
        _write(self.folder / "copy.sql", "".join(parts))

    def command(self) -> list[str]:
        return ["bash", "-o", "pipefail", "-c", self.words]

    def shown(self) -> str:
        return self.words

    def relation(self, table: str) -> str:
        return f"copy.{table}"

    @property
    def version(self) -> str:
        return "psql"

    def variables(self) -> dict[str, str]:
        found = programs(None, Path())
        return {"SOURCE": self.source, "TARGET": self.target, "PATH": f"{found}:/usr/bin:/bin"}


class Floor(Pipe):
    """COPY of what is newer than the newest row, into a temporary table, and INSERT ... ON CONFLICT."""

    words = (
        '(psql "$TARGET" -XqAtf newest.sql && cat copy.sql) | psql "$SOURCE" -Xq | '
        'psql "$TARGET" -Xq -v ON_ERROR_STOP=1'
    )

    def write(self, columns: dict[str, list[str]]) -> None:
        """Write `newest.sql`, which prints psql variables, and `copy.sql`, which uses them."""
        newest = (
            f"SELECT format('\\set {table} %L', coalesce(max(last_updated), '-infinity')) "
            f"FROM copy.{table};\n"
            for table in columns
        )
        (self.folder / "newest.sql").write_text("".join(newest))
        merges = (_merge(table, names) for table, names in columns.items())
        _write(self.folder / "copy.sql", "".join(merges))


def _write(file: Path, script: str) -> None:
    file.write_text(f"\\echo 'BEGIN;'\n{script}\\echo 'COMMIT;'\n")


def _merge(table: str, names: list[str]) -> str:
    columns = ", ".join(names)
    new = ", ".join(f"excluded.{name}" for name in names)
    return (
        f"\\echo 'CREATE TEMP TABLE new (LIKE copy.{table});'\n"
        f"\\echo 'COPY new FROM STDIN;'\n"
        f"COPY (SELECT * FROM public.{table} WHERE last_updated > :'{table}') TO STDOUT;\n"
        f"\\echo '\\\\.'\n"
        f"\\echo 'INSERT INTO copy.{table} SELECT * FROM new ON CONFLICT ({key(table)}) "
        f"DO UPDATE SET ({columns}) = ROW({new});'\n"
        f"\\echo 'DROP TABLE new;'\n"
    )
