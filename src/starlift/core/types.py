"""The one table of types: PostgreSQL type, the Arrow type its values move in, the warehouse's type.

A type is typed only where its Arrow form holds every ordinary value exactly and prints it back; a value
outside that form (infinity, BC, 24:00, NaN in numeric) goes into quarantine by name. All other types, also
those nobody has met yet, move as the text PostgreSQL prints, and a warehouse column of the same type reads
that text back. A type whose text means something on the source's server alone is refused by name.

A domain moves as the type under it: the catalogue queries resolve it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

ArrowForm = Literal[
    "bool",
    "int16",
    "int32",
    "int64",
    "float32",
    "float64",
    "decimal128",
    "date32",
    "time64",
    "timestamp",
    "timestamptz",
    "string",
]
"""Arrow types by name; times and timestamps count microseconds, timestamptz is a timestamp in UTC."""

MAX_DIGITS = 38
"""Digits that decimal128 holds."""

SAME = "the same type"
"""Warehouse type of a user's type: one of the same name there, or text."""


@dataclass(frozen=True)
class ColumnType:
    """How a source column moves. arrow: its Arrow form. warehouse: the type of a warehouse column that
    takes it as it is. precision, scale: of decimal128 alone."""

    arrow: ArrowForm
    warehouse: str
    precision: int = 0
    scale: int = 0


@dataclass(frozen=True)
class Rule:
    """One line of the table. name: the type for readers. pattern: what `format_type` prints for it.
    arrow: None where the type is refused. note: what its text does not carry, or why it is refused.
    read_as: the type to which the source casts it before it prints it, where its own text would mislead."""

    name: str
    pattern: str
    arrow: ArrowForm | None
    warehouse: str
    note: str = ""
    read_as: str = ""


_SERVERS_OWN = "it names an object of the source's own server by its name or number there"
_STATISTICS = "PostgreSQL keeps it for itself and reads it from no text"
_BLANKS = "blanks at the end, which have no meaning in this type, are not carried"
_NUMBER = "moves as the number it is under the source database's lc_monetary; its currency is in no value"
_INSIDE = (
    "what it prints for money depends on its server's lc_monetary, and another reads that as something else"
)

HOLDING_MONEY = " holding money"
"""What the source's catalogue query writes after the name of a type with money inside."""

RULES: tuple[Rule, ...] = (
    Rule("boolean", r"boolean", "bool", "boolean"),
    Rule("smallint", r"smallint", "int16", "smallint"),
    Rule("integer", r"integer", "int32", "integer"),
    Rule("bigint", r"bigint", "int64", "bigint"),
    Rule("real", r"real", "float32", "real", "NaN and infinities too"),
    Rule("double precision", r"double precision", "float64", "double precision", "NaN and infinities too"),
    Rule(
        "numeric(p,s), 0 ≤ s ≤ p ≤ 38",
        r"numeric\((\d+),(\d+)\)",
        "decimal128",
        "numeric(p,s)",
        "NaN is quarantined",
    ),
    Rule("numeric, any other", r"numeric(\(\d+,-?\d+\))?", "string", "numeric"),
    Rule("date", r"date", "date32", "date", "years 1 to 9999; BC, later years and infinity are quarantined"),
    Rule(
        "time",
        r"time(\(\d\))? without time zone",
        "time64",
        "time without time zone",
        "24:00:00 is quarantined",
    ),
    Rule("time with time zone", r"time(\(\d\))? with time zone", "string", "time with time zone"),
    Rule(
        "timestamp",
        r"timestamp(\(\d\))? without time zone",
        "timestamp",
        "timestamp without time zone",
        "as date",
    ),
    Rule(
        "timestamp with time zone",
        r"timestamp(\(\d\))? with time zone",
        "timestamptz",
        "timestamp with time zone",
        "as date; always printed in UTC",
    ),
    Rule("interval", r"interval( [a-z ]+)?(\(\d\))?", "string", "interval"),
    Rule("text, varchar", r"text|character varying(\(\d+\))?", "string", "character varying"),
    Rule("character(n)", r"character(\(\d+\))?|bpchar", "string", "character varying", _BLANKS),
    Rule('"char"', r'"char"', "string", '"char"', "before PostgreSQL 15 ASCII only"),
    Rule("name", r"name", "string", "name"),
    Rule("bytea", r"bytea", "string", "bytea"),
    Rule("bit, bit varying", r"(bit|bit varying)(\(\d+\))?|\"bit\"", "string", "bit varying"),
    Rule("uuid", r"uuid", "string", "uuid"),
    Rule("json", r"json", "string", "json", "the text as it was written"),
    Rule("jsonb", r"jsonb", "string", "jsonb"),
    Rule("jsonpath", r"jsonpath", "string", "jsonpath"),
    Rule("xml", r"xml", "string", "xml"),
    Rule("money", r"money", "string", "numeric", _NUMBER, "numeric"),
    Rule("types with money inside", rf".*{HOLDING_MONEY}", None, "", _INSIDE),
    *(
        Rule(name, name, "string", name)
        for name in ("inet", "cidr", "macaddr", "macaddr8", "tsvector", "tsquery")
    ),
    *(
        Rule(name, name, "string", name)
        for name in ("point", "line", "lseg", "box", "path", "polygon", "circle")
    ),
    *(
        Rule(name, name, "string", name)
        for base in ("int4", "int8", "num", "ts", "tstz", "date")
        for name in (f"{base}range", f"{base}multirange")
    ),
    *(
        Rule(name, name, "string", name)
        for name in ("oid", "xid", "xid8", "cid", "tid", "pg_lsn", "pg_snapshot", "txid_snapshot")
    ),
    Rule("refcursor, int2vector, oidvector", r"refcursor|int2vector|oidvector", "string", SAME),
    Rule("regclass, regtype and their like", r"reg[a-z]+(\[\])?", None, "", _SERVERS_OWN),
    Rule("aclitem", r"aclitem(\[\])?", None, "", _SERVERS_OWN),
    Rule(
        "pg_node_tree, statistics",
        r"pg_(node_tree|[a-z_]*summary|ndistinct|dependencies|mcv_list)|gtsvector",
        None,
        "",
        _STATISTICS,
    ),
    Rule("arrays", r".+\[\]", "string", SAME),
    Rule("enums, composite types, ranges of one's own, types of extensions", r".*", "string", SAME),
)

_PLAIN = re.compile(
    r"boolean|smallint|integer|bigint|oid|real|double precision|numeric|date"
    r"|(time|timestamp) with(out)? time zone|interval|uuid"
)
"""Types of which every text is made of letters, digits, blanks and + - . : alone, under the settings of a
reading transaction: ISO dates, intervals as PostgreSQL prints them, zones as offsets."""

_PATTERNS = tuple((re.compile(rule.pattern, re.DOTALL), rule) for rule in RULES)


def rule_of(pg_type: str) -> Rule:
    """Return the line of the table that holds for a type, written as `format_type` prints it."""
    for pattern, rule in _PATTERNS:
        if (match := pattern.fullmatch(pg_type)) and (rule.arrow != "decimal128" or _fits(match)):
            return rule
    raise AssertionError("the last line holds for every type")  # pragma: no cover


def column_type(pg_type: str) -> ColumnType:
    """Return how values of a PostgreSQL type, written as `format_type` prints it, move.

    A refused type counts as text here; `refusal` tells it.

    >>> column_type("numeric(10,2)").arrow, column_type('"PaymentTypeName"').warehouse
    ('decimal128', 'character varying')
    """
    rule = rule_of(pg_type)
    if rule.arrow == "decimal128":
        precision, scale = map(int, re.findall(r"\d+", pg_type))
        return ColumnType("decimal128", pg_type, precision, scale)
    if rule.warehouse != SAME:
        return ColumnType(rule.arrow or "string", rule.warehouse or "character varying")
    if element := re.fullmatch(r"(.+)\[\]", pg_type, re.DOTALL):
        return ColumnType("string", _array_of(element[1]))
    return ColumnType("string", "character varying")


def refusal(pg_type: str) -> str:
    """Return why a type is refused, '' where it is not.

    >>> refusal("integer")
    ''
    """
    rule = rule_of(pg_type)
    return rule.note if rule.arrow is None else ""


def read_as(pg_type: str) -> str:
    """Return the type to which the source casts a column of this one before it prints it, '' for none.

    >>> read_as("money[]")
    'numeric[]'
    """
    if form := rule_of(pg_type).read_as:
        return form
    element = pg_type.removesuffix("[]")
    return f"{form}[]" if element != pg_type and (form := rule_of(element).read_as) else ""


def plain_type(pg_type: str) -> str:
    """Return the type without its modifier where no text of it needs an escape in JSON, '' for any other.

    >>> plain_type("timestamp(3) without time zone"), plain_type("text")
    ('timestamp without time zone', '')
    """
    bare = re.sub(r"\([\d,-]+\)", "", pg_type)
    return bare if _PLAIN.fullmatch(bare) else ""


def _fits(match: re.Match[str]) -> bool:
    return int(match[2]) <= int(match[1]) <= MAX_DIGITS


def _array_of(element: str) -> str:
    rule = rule_of(element)
    return "character varying" if rule is RULES[-1] else f"{column_type(element).warehouse}[]"
