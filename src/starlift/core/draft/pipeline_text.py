"""The first `pipeline.toml` of a source. Lines that begin with `#` and a letter are settings to be decided
on: the mark is taken away, or the line. What is written runs as it is: it takes what can safely be taken.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

from starlift.core.config import RESERVED_COLUMNS
from starlift.core.draft.catalogue import KINDS, Catalogue, Relation, obstacle
from starlift.core.draft.names import plain, remark, toml
from starlift.core.types import refusal

_HEAD = """\
# Which tables of the source are taken, and how, as `starlift init --source` found them. Lines that say
# DECIDE ask for a choice; a setting behind a # without a space counts once you take the # away.
# Column types come from the source's catalogue; a column that is neither taken nor dropped is reported.

[source]
name = {name}
schema = {schema}

[warehouse]
schema = "public"
calendar = [1900, 2100]   # a date outside these years quarantines its row

[limits]
margin = "10s"            # the time watermark stays this far behind the oldest open transaction
heartbeat = "10min"       # a poll that finds nothing writes a manifest only when the last is older
xid_every = "1h"          # a table read by cursor is also read by transaction id this often
scan_budget = "1GB"       # mode "auto" reads tables up to this size by transaction id
stale_after = "30min"     # `starlift status` exits 4 when the warehouse is older
lock_wait = "30s"         # how long a load waits for another one
"""


def pipeline_text(catalogue: Catalogue, names: Mapping[tuple[str, str], str]) -> str:
    """Return the text. names: the pipeline's name of each relation by schema and name."""
    home = catalogue.schemas[0]
    head = _HEAD.format(name=toml(plain(catalogue.database)), schema=toml(home))
    blocks = ["\n".join(_block(catalogue, relation, names)) for relation in catalogue.relations]
    return "\n".join([head, *(f"{block}\n" for block in blocks)])


def _block(catalogue: Catalogue, relation: Relation, known: Mapping[tuple[str, str], str]) -> Iterator[str]:
    name, home = known[relation.schema, relation.name], catalogue.schemas[0]
    kind = KINDS[relation.found.kind]
    size = f", {_size(relation.found.bytes)}" if relation.found.has_xids else ""
    yield remark(f"# {relation.schema}.{relation.name}: {kind}{size}")
    hindrance = obstacle(relation)
    if (parent := catalogue.bringing(relation)) is not None:
        yield from _child(relation, parent, name, home, can_be_taken=hindrance is None)
    elif hindrance is not None:
        yield from _prose(f"Not taken: {hindrance[0]}. Remedy: {hindrance[1]}")
    elif relation.found.has_xids:
        yield from _settings(relation, name, home)
    else:
        yield from _view(relation, name, home)
    # PostgreSQL notes a key to a partitioned table once more for each partition
    for foreign in (foreign for foreign in relation.foreign_keys if (foreign.schema, foreign.table) in known):
        here, there = ", ".join(foreign.columns), ", ".join(foreign.referred)
        yield remark(f"# ({here}) refers to {foreign.schema}.{foreign.table} ({there})")


def _child(
    relation: Relation, parent: Relation, name: str, home: str, *, can_be_taken: bool
) -> Iterator[str]:
    choice = " DECIDE should it be a table of its own too? Its rows are then in both." if can_be_taken else ""
    yield from _prose(
        f"Not taken by itself: it inherits from {parent.schema}.{parent.name}, which is read with its "
        f"children's rows, in the columns it has.{choice}"
    )
    if not can_be_taken:
        return
    yield f"#[tables.{name}]"
    yield from (f"#{line}" for line in _place(relation, name, home))
    yield f"#key = {toml(relation.key)}"
    yield '#mode = "auto"'
    yield from _columns(relation, "#")


def _settings(relation: Relation, name: str, home: str) -> Iterator[str]:
    yield f"[tables.{name}]"
    yield from _place(relation, name, home)
    yield f"key = {toml(relation.key)}"
    yield from _cursor(relation)
    yield 'mode = "auto"'
    yield from _columns(relation, "")


def _place(relation: Relation, name: str, home: str) -> Iterator[str]:
    if relation.schema != home:
        yield f"schema = {toml(relation.schema)}"
    if relation.name != name:
        yield f"relation = {toml(relation.name)}"


def _cursor(relation: Relation) -> Iterator[str]:
    """A cursor in the rows' own words is safe only where its zone is known: else it waits for a person."""
    cursor = relation.cursor
    if cursor is not None and relation.is_zoned(cursor):
        yield f"cursor = {toml(cursor)}"
    elif cursor is not None:
        yield from _prose(
            f"DECIDE {cursor} has no time zone. Which fixed offset is it written in? Until you say, the "
            "table is read by transaction id, which needs no cursor."
        )
        yield f"#cursor = {toml(cursor)}"
        yield '#cursor_zone = "UTC"'
    elif relation.moments:
        yield from _prose(
            "DECIDE is one of these the time of a row's last change? Only a table above scan_budget needs it."
        )
        yield from (f"#cursor = {toml(moment)}" for moment in relation.moments)


def _columns(relation: Relation, mark: str) -> Iterator[str]:
    if relation.maybe_personal:
        yield from _prose(
            f"DECIDE personal data? Then move it to drop or hmac: {', '.join(relation.maybe_personal)}"
        )
    if relation.confusable:
        yield from _prose(
            "Not taken, as models do not tell upper from lower case, and "
            f"{', '.join(RESERVED_COLUMNS)} are starlift's: {', '.join(relation.confusable)}"
        )
    for name in relation.refused:
        kind = relation.type_of(name)
        yield from _prose(
            f"Not taken: {name} is {kind}: {refusal(kind)}. Remedy: a view that casts it to text"
        )
    line = f"columns = {toml(relation.taken)}"
    if mark:
        yield mark + line
    elif any(" " in name for name in relation.taken):
        yield from ("columns = [", *(f"    {toml(name)}," for name in relation.taken), "]")
    else:  # between names only, as there is no other space
        yield from textwrap.wrap(
            line, 100, subsequent_indent=" " * 11, break_long_words=False, break_on_hyphens=False
        )
    if relation.personal:
        yield from _prose(
            "DECIDE this looks like personal data, and is not taken until you do: drop (it never leaves the "
            "source), hmac (a keyed hash of it does), or put it into columns. Runs report it until then."
        )
        yield f"#drop = {toml(relation.personal)}"
        yield f"#hmac = {toml(relation.personal)}"


def _view(relation: Relation, name: str, home: str) -> Iterator[str]:
    yield from _prose(
        "DECIDE it has no key and no transaction ids of its own. Name the columns that tell its rows apart, "
        "and a cursor that moves with every change: what it misses is missed."
    )
    cursor = relation.cursor or relation.moments[0]
    yield f"#[tables.{name}]"
    yield from (f"#{line}" for line in _place(relation, name, home))
    yield f"#key = {toml([_identifying(relation)])}"
    yield f"#cursor = {toml(cursor)}"
    if not relation.is_zoned(cursor):
        yield '#cursor_zone = "UTC"'
    yield '#mode = "timestamp"'
    yield from _columns(relation, "#")


def _identifying(relation: Relation) -> str:
    """A first guess: what is called like an identifier, else the first column."""
    known = [name for name in relation.taken if plain(name) == "id" or plain(name).endswith(("_id", "_no"))]
    return (known or [*relation.taken, *relation.columns])[0]


def _prose(text: str) -> list[str]:
    return textwrap.wrap(remark(text), 108, initial_indent="# ", subsequent_indent="#   ")


def _size(count: int) -> str:
    size, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.3g} {unit}"
