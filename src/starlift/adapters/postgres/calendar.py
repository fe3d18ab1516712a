"""The date dimension, made by the load: whole years over every date used, never shrinking."""

from __future__ import annotations

from collections.abc import Sequence

import pg8000.native

from starlift.adapters.postgres.connection import identifier
from starlift.adapters.postgres.row_hash import keeping
from starlift.adapters.postgres.staging import Staged
from starlift.adapters.postgres.star_catalogue import DATE_DIMENSION, DATE_KEY, StarTable

# to_char without TM speaks English whatever the server's locale is.
_EXTEND = """
INSERT INTO {dim_date} AS d (date_id, year, month, day, day_of_week, day_name, month_name, quarter)
SELECT made, extract(year FROM made), extract(month FROM made), extract(day FROM made),
       extract(isodow FROM made), to_char(made, 'FMDay'), to_char(made, 'FMMonth'), extract(quarter FROM made)
FROM (SELECT make_date(:first, 1, 1) + n AS made
      FROM generate_series(0, make_date(:last, 12, 31) - make_date(:first, 1, 1)) AS n) AS days
WHERE NOT EXISTS (SELECT FROM {dim_date} held WHERE held.date_id = made)
ORDER BY made
"""


def extend_calendar(
    connection: pg8000.native.Connection,
    schema: str,
    table: StarTable | None,
    staged: Sequence[Staged],
    seq: int,
) -> int | None:
    """Give the date dimension every day of the years from the first to the last date that the star and
    the staged rows use. table: the dimension's, None where the star has none. Return the number of days
    added, None where no staged row has such a date."""
    used = [years for rows in staged if (years := _years(connection, rows))]
    if not used or table is None:
        return None
    dim_date = f"{identifier(schema)}.{identifier(DATE_DIMENSION)}"
    held = _bounds(connection, f"min(date_id) AS low, max(date_id) AS high FROM {dim_date}")
    first, last = min(low for low, _ in used), max(high for _, high in used)
    if held and held[0] <= first and last <= held[1]:
        return 0
    if held:
        first, last = min(first, held[0]), max(last, held[1])
    statement = keeping(_EXTEND.format(dim_date=dim_date), table, "d", DATE_KEY)
    connection.run(statement, first=first, last=last, dimension=DATE_DIMENSION, seq=seq)
    return int(connection.row_count)


def _years(connection: pg8000.native.Connection, rows: Staged) -> tuple[int, int] | None:
    if not rows.table.dates:
        return None
    dates = ", ".join(identifier(name) for name in rows.table.dates)
    return _bounds(
        connection, f"min(least({dates})) AS low, max(greatest({dates})) AS high FROM {rows.stage}"
    )


def _bounds(connection: pg8000.native.Connection, selection: str) -> tuple[int, int] | None:
    """Run a selection of a low and a high date; return their years, None where there are none."""
    low, high = connection.run(
        "SELECT CAST(extract(year FROM low) AS integer), CAST(extract(year FROM high) AS integer) "  # noqa: S608
        f"FROM (SELECT {selection}) AS bounds"
    )[0]
    return None if low is None else (low, high)
