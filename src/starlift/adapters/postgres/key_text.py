"""Key text as an SQL expression: what `starlift.core.identity.key_text` is in Python."""

from __future__ import annotations

from collections.abc import Iterable

from starlift.core.identity import KEPT_CHARACTERS, LONGEST_KEY


def key_text(columns: Iterable[str]) -> str:
    """Return the expression for key columns, given as SQL in the order of the key.

    Bytes are counted in UTF-8, whatever the database's encoding."""
    whole = f"CAST(ROW({', '.join(f'CAST({column} AS text)' for column in columns)}) AS text)"
    data = f"convert_to({whole}, 'UTF8')"
    return (
        f"CASE WHEN length({data}) <= {LONGEST_KEY} THEN {whole} "
        f"ELSE left({whole}, {KEPT_CHARACTERS}) || '…' || encode(sha256({data}), 'hex') END"
    )
