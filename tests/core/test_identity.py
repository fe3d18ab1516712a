"""Key text and bucket. That PostgreSQL prints the same is held in tests/extract/test_source.py."""

from __future__ import annotations

import pytest

from starlift.core.identity import BUCKETS, LONGEST_KEY, bucket, key_text


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


def test_a_key_that_no_index_holds_is_known_by_its_beginning_and_its_digest() -> None:
    whole = "é" * (LONGEST_KEY // 2 - 1)
    assert key_text([whole]) == f"({whole})"
    one, other = key_text([whole, "1"]), key_text([whole, "2"])
    assert one != other
    assert one[:100] == other[:100] == "(" + whole[:99]
    assert len(one) == 100 + 1 + 64
    assert not one.endswith(")")


def test_buckets_are_evenly_filled_and_in_range() -> None:
    filled = {bucket(f"({number})") for number in range(40_000)}
    assert filled == set(range(BUCKETS))
