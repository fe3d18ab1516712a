"""Key text as an SQL expression: what `starlift.core.identity.key_text` is in Python."""

from __future__ import annotations

from collections.abc import Iterable

from starlift.core.identity import KEPT_CHARACTERS, LONGEST_KEY

_MARK = "…"


def whole_text(columns: Iterable[str]) -> str:
    """Return the expression for key columns, given as SQL in the order of the key, however long it is."""
    return f"CAST(ROW({', '.join(f'CAST({column} AS text)' for column in columns)}) AS text)"


def key_text(columns: Iterable[str]) -> str:
    """Return the expression of the key text.

    Bytes are counted in UTF-8, whatever the database's encoding."""
    whole = whole_text(columns)
    data = f"convert_to({whole}, 'UTF8')"
    return (
        f"CASE WHEN length({data}) <= {LONGEST_KEY} THEN {whole} "
        f"ELSE left({whole}, {KEPT_CHARACTERS}) || '{_MARK}' || encode(sha256({data}), 'hex') END"
    )


def key_bytes(columns: Iterable[str]) -> str:
    """Return the expression of the key text's bytes in UTF-8, for a database whose own encoding may not have
    the character that marks a shortened one."""
    whole = whole_text(columns)
    data = f"convert_to({whole}, 'UTF8')"
    kept, digest = f"left({whole}, {KEPT_CHARACTERS})", f"encode(sha256({data}), 'hex')"
    return (
        f"CASE WHEN length({data}) <= {LONGEST_KEY} THEN {data} ELSE convert_to({kept}, 'UTF8') "
        f"|| decode('{_MARK.encode().hex()}', 'hex') || convert_to({digest}, 'UTF8') END"
    )
