"""The odd-value corpus: for each type the values at its edges, and those that are odd for any type."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from starlift.core.types import read_as

MEGABYTE = "x" * 1_000_000
DEEP = "[" * 1000 + "]" * 1000
FAMILY = "👩\u200d👩\u200d👧"

ODD = (
    "", " ", "  ", "a", "a ", " a", "0", "-0", "1", "-1", "0.1", "1e-7", "NaN", "nan", "Infinity",
    "-Infinity", "24:00:00", "23:59:60", "0044-03-15 BC", "0044-03-15 12:00:00 BC", "10000-01-01",
    "2024-02-29",
    "1969-12-31 23:59:59.999999", "true", "false", "NULL", "null", "\\N", "\\.", "\\", "\\\\", "'", "''", '"',
    '""', "'\"'", "\t", "\n", "\r", "\r\n", "\v", "\f", "a\nb", "a\n\\.\nb", "a\tb", ",", ";", "{}", "()",
    "[]", "(,)", "{NULL}", '{""}', "{{1,2},{3,4}}", "empty", "é", "e\u0301", "😀", FAMILY, "\u2028", "\u0085",
    "\u00a0", "\ufeff", "\x01\x02", "\x7f", "%s", ":name", "$1", "$$", "--", "/*", "O'Keefe",
    "; DROP TABLE odd", "<a/>", "null ", "Null",
)  # fmt: skip
"""Values that are tried on every type; those that its input refuses are left out."""

JSON = (
    '{"a":1,  "a":2}', '{"b": [1.10, 1e400], "é": "\\u00e9\\ud83d\\ude00"}', '"\\\\n\\"\'"',
    " [ ]", "123456789012345678901234567890.50",
    DEEP, json.dumps(MEGABYTE), '{"": {"": [null, true, ""]}}',
)  # fmt: skip
TEXTS = (MEGABYTE, "".join(map(chr, range(1, 0x250))), "\U0010ffff", '","', "a" * 3 + "\u0301")
DAYS = ("0001-01-01", "0001-12-31 BC", "4713-01-01 BC", "9999-12-31", "5874897-12-31", "1582-10-10")
MOMENTS = ("0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "4713-01-01 00:00:00 BC",
           "294276-12-31 23:59:59.999999", "2000-01-01 00:00:00.000001", "1900-02-28 00:00:00.5")  # fmt: skip
FLOATS = ("1.7976931348623157e308", "5e-324", "2.2250738585072014e-308", "0.30000000000000004",
          "3.4028235e38", "1e-45", "1.17549435e-38", "16777217", "123456789", "1e15", "1e16",
          "9007199254740993")  # fmt: skip
HUGE = "9" * 130_000 + "." + "1" * 16_000


@dataclass(frozen=True)
class Case:
    """A type as DDL names it, and values beside those that are tried on every type.

    shown: the name in the document, where it is not the type's own. since: the major version of PostgreSQL
    that brought the type.
    """

    type: str
    values: tuple[str, ...] = ()
    shown: str = ""
    since: int = 13

    @property
    def name(self) -> str:
        """The type's name in the document."""
        return self.shown or self.type

    @property
    def star(self) -> str:
        """The type of the star's column."""
        return read_as(self.type) or self.type

    def text(self, column: str) -> str:
        """Return the expression of what arrives of a column of the source."""
        form = read_as(self.type)
        return f"{column}::{form}::text" if form else f"{column}::text"


TYPES_DDL = """
CREATE TYPE mood AS ENUM ('sad', '', 'very "happy"', 'it''s, so', 'back\\slash', '😀', 'x y');
CREATE TYPE pair AS (a text, "B b" numeric, c timestamptz);
CREATE TYPE span AS RANGE (subtype = text, collation = "C");
CREATE DOMAIN positive AS integer CHECK (value > 0);
CREATE DOMAIN cents AS numeric(12,2);
CREATE DOMAIN nested AS cents;
CREATE DOMAIN tags AS text[];
"""
"""The types of one's own, made in source and warehouse alike."""

_INTERVALS = ("178000000 years", "-178000000 years", "1 mon -1 day +02:00:00.000001", "-1 mon 1 day -02:00",
              "2147483647 days", "-0.000001 s", "infinity", "-infinity", "P1Y2M3DT4H5M6.7S")  # fmt: skip
_TEXT_ARRAY = (
    '{a,"b,c",NULL,"NULL","","\\"","\\\\","{x}"," "}',
    "[5:6]={a,b}",
    '{"😀","\t\n"}',
    "{" + MEGABYTE + "}",
)

CASES: tuple[Case, ...] = (
    Case("boolean", ("t", "f")),
    Case("smallint", ("-32768", "32767")),
    Case("integer", ("-2147483648", "2147483647")),
    Case("bigint", (str(-(2**63)), str(2**63 - 1))),
    Case("real", FLOATS),
    Case("double precision", (*FLOATS, str(math.pi))),
    Case("numeric(10,2)", ("99999999.99", "-99999999.99", "1.005", "-0.001")),
    Case("numeric(38,38)", ("0." + "9" * 38, "-1e-38", "1e-7")),
    Case("numeric(38,0)", ("9" * 38, "-" + "9" * 38)),
    Case("numeric(20,8)", ("0.0000001", "1e-8", "-0.00000010")),
    Case("numeric", (HUGE, "-" + HUGE, "1.10", "1.1", "1e-1000", "1e1000")),
    Case("numeric(39,2)", ("9" * 37 + ".99", "1.005")),
    Case("numeric(5,-2)", ("1234567", "49", "-9999949"), since=15),
    Case("numeric(2,5)", ("0.00099", "0.000001"), since=15),
    Case("date", DAYS),
    Case("time", ("00:00:00", "23:59:59.999999", "24:00:00", "10:00:00.5")),
    Case("time(0)", ("23:59:59.4", "23:59:59.9")),
    Case("time with time zone", ("00:00:00+15:59:59", "24:00:00-15:59:59", "10:00:00.123456+05:30")),
    Case("timestamp", MOMENTS),
    Case("timestamp(3)", MOMENTS),
    Case("timestamp with time zone", tuple(f"{moment}+00" for moment in MOMENTS if "BC" not in moment)),
    Case("interval", _INTERVALS),
    Case("interval(0)", ("1.5 s", "1 mon 1.4 s")),
    Case("interval year to month", ("1 year 2 mons 3 days",)),
    Case("text", TEXTS),
    Case("character varying", TEXTS),
    Case("character varying(3)", ("abc", "😀😀😀", "e\u0301x")),
    Case("character(3)", ("abc", "a  ", "😀 ")),
    Case("bpchar", ("abc  ", MEGABYTE)),
    Case('"char"', ("\\000", "\\200", "\\377")),
    Case("name", ("n" * 63,)),
    Case("bytea", ("\\x", "\\x00ff5c27", "\\x" + "00ff" * 500_000, "\\x0a0d09")),
    Case("bit(3)", ("101", "000")),
    Case("bit varying", ("", "1", "01" * 5000)),
    Case("uuid", ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff")),
    Case("json", (*JSON, '"\\u0000"', '"\\ud83d"')),
    Case("jsonb", JSON),
    Case("jsonpath", ("$.a[*] ? (@ > 1)", '$."b c"', "strict $")),
    Case("xml", ('<?xml version="1.0"?><a>é&amp;<![CDATA[\n]]></a>', "<a/><b/>", "x &lt; y",
                 f"<a>{MEGABYTE}</a>", "<!DOCTYPE a><a/>")),
    Case("money", ("92233720368547758.07", "-92233720368547758.08", "0.005", "1234567.89")),
    Case("money[]", ("{92233720368547758.07,NULL}", "{{1.5},{-2}}")),
    Case("inet", ("::", "::1/128", "192.168.1.5/24", "0.0.0.0/0", "::ffff:1.2.3.4")),
    Case("cidr", ("10.0.0.0/8", "2001:db8::/32")),
    Case("macaddr", ("08:00:2b:01:02:03", "ff-ff-ff-ff-ff-ff")),
    Case("macaddr8", ("08:00:2b:01:02:03:04:05",)),
    Case("tsvector", ("'it''s':1A 'back\\\\slash':2 '😀'", "a:16383", "b a b")),
    Case("tsquery", ("'a''b' & !c | d:*A", "a <-> b")),
    Case("point", ("(1e308,-1e-308)", "(NaN,Infinity)", "(0.1,-0)")),
    Case("line", ("{1,2,3}", "[(0,0),(1,1)]")),
    Case("lseg", ("[(0,0),(1,1e-300)]",)),
    Case("box", ("(1,1),(0,0)",)),
    Case("path", ("[(0,0),(1,1)]", "((0,0),(1,1))")),
    Case("polygon", ("((0,0),(1,1),(2,0))",)),
    Case("circle", ("<(0,0),Infinity>", "<(1,2),3>")),
    Case("int4range", ("[1,5)", "(,)", "[1,2147483647)", "[1,1]")),
    Case("int8range", (f"[{-(2**63)},{2**63 - 1})",)),
    Case("numrange", ("[NaN,NaN]", "[1.10,2.000]", "(,Infinity)")),
    Case("tsrange", ("[-infinity,infinity]", '["0044-03-15 12:00:00 BC",)')),
    Case("tstzrange", ('[2024-03-31 01:00+01,"2024-03-31 03:00+02")', "[-infinity,infinity]")),
    Case("daterange", ("[0044-03-15 BC,5874897-12-31)", "[,infinity]")),
    Case("int4multirange", ("{[1,3),[5,7)}", "{(,)}"), since=14),
    Case("tstzmultirange", ("{[2024-01-01 00:00+00,infinity)}",), since=14),
    Case("oid", ("4294967295",)),
    Case("xid8", ("18446744073709551615",)),
    Case("tid", ("(4294967295,65535)",)),
    Case("pg_lsn", ("FFFFFFFF/FFFFFFFF", "0/0")),
    Case("pg_snapshot", ("10:20:10,14,15",)),
    Case("integer[]", ("{1,NULL,-2147483648}", "[0:1]={1,2}", "{{1},{2}}")),
    Case("text[]", _TEXT_ARRAY),
    Case("numeric(10,2)[]", ("{1.005,NaN}",)),
    Case("timestamp with time zone[]", ('{infinity,"0044-03-15 12:00:00 BC"}',)),
    Case("double precision[]", ("{NaN,-0,Infinity,5e-324}",)),
    Case("jsonb[]", ('{"{\\"a\\": \\"\\\\\\"\\"}"}',)),
    Case("mood", ("sad", "", 'very "happy"', "it's, so", "back\\slash", "😀", "x y"), "enum"),
    Case("mood[]", ('{sad,"","it\'s, so","back\\\\slash"}',), "array of an enum"),
    Case("pair", ('("a ""b"", \\\\ (c)",1.10,infinity)', '(,,)', '("",NaN,"0044-03-15 12:00:00+00 BC")',
                  f"({MEGABYTE},,)"),
         "composite"),
    Case("pair[]", ('{"(\\"a \\"\\"b\\"\\"\\",1,)",NULL}',), "array of a composite"),
    Case("span", ('["a,b","c""d")', '["",)'), "range of one's own"),
    Case("positive", ("1", "2147483647"), "domain over integer"),
    Case("nested", ("9999999999.99", "1.005"), "domain over a domain over numeric(12,2)"),
    Case("tags", _TEXT_ARRAY[:2], "domain over text[]"),
    Case("public.hstore", ('a=>NULL, "b c"=>"\\"d\\\\"', '""=>""', "😀=>é"), "hstore (extension)"),
)  # fmt: skip

NEWER = ((17, "interval", "infinity"), (14, "numeric", "Infinity"))
"""Values that a type takes only from a major version of PostgreSQL on."""
