"""docs/types.md, written from the table of types and from what became of the odd values.

`python -m tests.types.document` writes it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from starlift.adapters.duckdb_engine import DuckDBEngine
from starlift.core.types import RULES, Rule
from tests.postgres import PostgresForTests, server_of_this_process
from tests.types.corpus import CASES, NEWER, ODD, Case
from tests.types.journey import Journey, Outcome, travel

FILE = Path(__file__).parents[2] / "docs" / "types.md"
MADE_ON = 18
"""Major version whose values the document tells: older ones know fewer (an infinite interval: from 17 on)."""

OPTIONAL = "xml"
"""The type that servers without libxml lack: of its values, which travel too, the document does not tell."""

SHOWN = 6
"""Values of a type that the document shows."""

_HEAD = """\
# Types

Made by `python -m tests.types.document` from `src/starlift/core/types.py` and from what became of every odd
value on PostgreSQL {version}; a test holds it to both.

A value arrives in a warehouse column of its own type exactly as it was, or its row stands in quarantine with
column and value named, or its type is refused when the table is first read, with the remedy. Nothing else.

- **Typed**: models see the Arrow type. A value that does not print back to the text PostgreSQL printed (a
  date BC, `infinity`, `24:00:00`, NaN in a numeric) has no place in it, and its row is quarantined. Where
  such values are wanted, take the column through a view that casts it to text.
- **Text**: models see the text PostgreSQL prints, under `TimeZone` UTC, `DateStyle` ISO and `IntervalStyle`
  postgres, in UTF-8 whatever the database's encoding; the warehouse reads it under the same settings.
- A domain moves as the type under it.
- A warehouse column may also be `text`, for any type that moves as text.

## The table

| PostgreSQL | models see | warehouse column | |
|---|---|---|---|
"""

_OLDER = """
## Older servers

The values below also travel on PostgreSQL 13 to {before}, where all of this holds too, and between those and
{made_on}: what an older warehouse cannot read is quarantined, by the star's column. What came later:

| type or value | from PostgreSQL |
|---|---|
{newer}| "char" above ASCII | 15; before, its byte is no text: the batch is held, by table |
"""

_OUTCOMES = """
## What became of the odd values

{tried} values in {types} types went from a source table to a dimension and to a fact: {arrived} arrived
unchanged (floats to the bit), {quarantined} are quarantined by name. Read and loaded a second time, every row
was found unchanged. Shown are each type's own values, as PostgreSQL prints them. Beside them every type was
given {odd} values that are odd for any: empty, blank, `NaN`, `Infinity`, BC, `24:00:00`, quotes, backslashes,
tabs, line ends, `\\N`, `\\.`, emoji, NULL and more. It took those that its input takes.

| type | values | of these | quarantined |
|---|---|---|---|
"""


def document(journey: Journey) -> str:
    """Return the text of docs/types.md."""
    told = [each for each in journey.dimension if each.case.type != OPTIONAL or each.value is None]
    parts = [_HEAD.format(version=MADE_ON), *_rules(), _older(), _count(told)]
    by_case = {case: [outcome for outcome in told if outcome.case == case] for case in CASES}
    parts += [_line(case, outcomes) for case, outcomes in by_case.items()]
    return "".join(parts)


def _rules() -> Iterator[str]:
    for same, rules in groupby(RULES, key=_is_plain):
        if same:
            names = ", ".join(rule.name for rule in rules)
            yield f"| {names} | text | the same type | |\n"
        else:
            yield from (_rule(rule) for rule in rules)


def _is_plain(rule: Rule) -> bool:
    return rule.arrow == "string" and rule.warehouse == rule.name and not rule.note


def _rule(rule: Rule) -> str:
    seen = {"string": "text", None: "refused"}.get(rule.arrow, rule.arrow)
    return f"| {rule.name} | {seen} | {rule.warehouse} | {rule.note} |\n"


def _older() -> str:
    found = [(case.since, case.name) for case in CASES if case.since > 13]
    found += [(since, f"{kind} {_shown(value)}") for since, kind, value in NEWER]
    return _OLDER.format(
        before=MADE_ON - 1,
        made_on=MADE_ON,
        newer="".join(f"| {what} | {since} |\n" for since, what in sorted(found)),
    )


def _count(told: list[Outcome]) -> str:
    arrived = sum(outcome.unchanged for outcome in told)
    return _OUTCOMES.format(
        tried=len(told),
        types=len(CASES),
        arrived=arrived,
        quarantined=len(told) - arrived,
        odd=len(ODD) + 1,
    )


def _line(case: Case, outcomes: list[Outcome]) -> str:
    own = (outcome.value for outcome in outcomes[1:] if outcome.unchanged)
    refused = (outcome.value for outcome in outcomes if not outcome.unchanged)
    note = _listed(own, SHOWN) or "(where the server has libxml)"
    return f"| {case.name} | {len(outcomes)} | {note} | {_listed(refused, 20)} |\n"


def _listed(values: Iterable[str | None], most: int) -> str:
    texts = list(dict.fromkeys(_shown(value) for value in values if value is not None))
    return " ".join(texts[:most]) + (" …" if len(texts) > most else "")


def _shown(value: str) -> str:
    cut = value if len(value) <= 40 else f"{value[:24]}… ({len(value):,} characters)"
    text = cut if cut.isprintable() else json.dumps(cut)
    return f"`{text.replace('|', chr(92) + '|')}`" if text.strip() else f"`'{text}'`"


def main() -> None:
    """Write the document."""
    with server_of_this_process() as server, tempfile.TemporaryDirectory() as folder:
        postgres = PostgresForTests(server)
        engine = DuckDBEngine()
        FILE.write_text(document(travel(postgres, Path(folder), engine)), encoding="utf-8")
        engine.close()
        postgres.close()


if __name__ == "__main__":
    main()
