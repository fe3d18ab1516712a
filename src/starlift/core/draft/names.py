"""Names for what `init` writes: plain ones for the pipeline and the star, quoted ones of the source."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from starlift.core.draft.catalogue import Relation

_LENGTH = 45
"""Bytes of a plain name: with `fact_` before and `_record_id` after it PostgreSQL still takes it whole."""

_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    all analyse analyze and anti any array as asc asof asymmetric at authorization between bigint
    binary bit boolean both by case cast char character check coalesce collate collation column
    concurrently constraint create cross current_catalog current_date current_role current_schema
    current_time current_timestamp current_user day dec decimal default deferrable desc describe
    distinct do else end except exists extract false fetch float for foreign freeze from full
    generated glob grant group grouping having hour ilike in initially inner inout int integer
    intersect interval into is isnull join key lambda lateral leading left like limit localtime
    localtimestamp map minute month national natural nchar none normalize not notnull null nullif
    numeric offset on only or order out outer overlaps overlay pivot placing position positional
    precision primary qualify real references returning right row rows second select semi
    session_user setof show similar smallint some struct substring summarize symmetric system_user
    table tablesample then time timestamp to trailing treat trim true try_cast union unique unpivot
    user using values varchar variadic verbose when where window with year
""",
    )
)
"""Words that PostgreSQL or DuckDB may not take for a name."""


def plain(name: str) -> str:
    """Return a name of small ASCII letters, digits and underscores for any name.

    >>> plain("Order Line"), plain("changedOn"), plain("2024 Größe"), plain("?")
    ('order_line', 'changed_on', 'n_2024_grosse', 'unnamed')
    """
    text = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode()
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    text = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:_LENGTH].rstrip("_")
    if not text:
        return "unnamed"
    return f"n_{text}" if text[0].isdigit() else text


def distinct(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Return the names, those that came before with a number after them."""
    used = set(taken)
    found = []
    for name in names:
        new, number = name, 1
        while new in used:
            number += 1
            new = f"{name}_{number}"
        used.add(new)
        found.append(new)
    return found


def table_names(relations: Sequence[Relation]) -> dict[tuple[str, str], str]:
    """Return the pipeline's name of each relation, by schema and name: what was decided; else one that
    occurs in several schemas is preceded by the schema's."""
    given = {(found.schema, found.name): found.decided.name for found in relations if found.decided}
    count = Counter(plain(relation.name) for relation in relations)
    wanted = {
        (relation.schema, relation.name): plain(relation.name)
        if count[plain(relation.name)] == 1
        else plain(f"{plain(relation.schema)}_{relation.name}")
        for relation in relations
        if relation.decided is None
    }
    return given | dict(zip(wanted, distinct(wanted.values(), given.values()), strict=True))


def quoted(name: str) -> str:
    """Return an SQL identifier, in quotation marks where it needs them in PostgreSQL or DuckDB."""
    if re.fullmatch(r"[a-z_][a-z0-9_]*", name) and name not in _WORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def toml(value: str | Sequence[str]) -> str:
    """Return a string or a list of strings as TOML."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return "[" + ", ".join(map(toml, value)) + "]"


def remark(text: str) -> str:
    """Return a text as it may stand in a comment: on one line, whatever a name holds."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
