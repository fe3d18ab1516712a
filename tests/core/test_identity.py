"""Key text and bucket. That PostgreSQL prints the same is held in tests/extract/test_source.py."""

from __future__ import annotations

import pytest

from starlift.core.identity import BUCKETS, bucket, key_text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (["7"], "(7)"),
        (["7", "x"], "(7,x)"),
        ([""], '("")'),
        (["a b"], '("a b")'),
        (['say "x"'], '("say ""x""")'),
        (["back\\slash"], '("back\\\\slash")'),
        (["a,b", "(c)"], '("a,b","(c)")'),
    ],
)
def test_key_text_quotes_as_a_row_does(values: list[str], text: str) -> None:
    assert key_text(values) == text


def test_buckets_are_evenly_filled_and_in_range() -> None:
    filled = {bucket(f"({number})") for number in range(40_000)}
    assert filled == set(range(BUCKETS))
