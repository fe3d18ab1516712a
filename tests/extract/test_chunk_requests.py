"""What is asked of a table that is read in chunks, or in several batches, is answered, and once."""

from __future__ import annotations

from starlift.adapters.memory import MemoryLake
from starlift.core.requests import Request
from starlift.errors import UnavailableError
from starlift.stages import requests
from tests.extract.conftest import MakeExtractor, Shop
from tests.extract.test_chunks import STOP, Between, in_chunks, manifests, stock


def test_a_table_asked_for_whole_is_read_once_however_many_chunks_it_takes(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    extractor = in_chunks(extractor_of)
    extractor.poll()
    stock(shop, 10)
    name = requests.ask(
        extractor.lake, Request("repair", "item", "a test"), manifests(extractor)[0].clock, "test"
    )
    done = extractor.poll(watch=Between(*[lambda: None] * 9, lambda: STOP))
    assert not done.partial
    assert [each.served for each in manifests(extractor)[1:]] == [(name,), (), (), ()]
    assert extractor.poll().kind is None


def test_a_request_that_is_answered_stays_so_in_a_snapshot_of_several_batches(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    class Stubborn(MemoryLake):
        def delete(self, key: str) -> None:
            raise UnavailableError(f"{key} stays", "wait")

    extractor = in_chunks(extractor_of, 1000, limits={"memory": 1})
    extractor.lake = Stubborn()
    extractor.poll()
    name = requests.ask(
        extractor.lake, Request("inventory", "item", "a test"), manifests(extractor)[0].clock, "test"
    )
    extractor.poll()
    shop.run("UPDATE item SET name = repeat('x', 700000)")
    extractor.poll()
    assert [(each.partial, each.served) for each in manifests(extractor)[1:]] == [
        (False, (name,)),
        (True, (name,)),
        (False, (name,)),
    ]
