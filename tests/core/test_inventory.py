"""What is asked of a poll about a table's keys, and what sums tell."""

from __future__ import annotations

from starlift.core.identity import bucket
from starlift.core.inventory import MOST_KEYS, Wanted, differing, outline, wanted
from starlift.core.manifest import Inventory
from starlift.core.requests import Request

SUMS = [(7, 2, "-12"), (9, 1, "4")]


def test_a_table_that_nobody_asks_about_wants_nothing() -> None:
    want = wanted("item", [Request("inventory", "other", ""), Request("drop", "item", "", ("(1)",))], {"x"})
    assert want == Wanted()
    assert not want.anything


def test_requests_and_a_person_come_to_one_wish() -> None:
    asked = [
        Request("inventory", "item", "", buckets=(1, 2)),
        Request("inventory", "item", "", buckets=(2, 3)),
        Request("repair", "item", "", ("(2)", "(1)")),
        Request("repair", "item", "", ("(2)",)),
    ]
    want = wanted("item", asked, set())
    assert want == Wanted(buckets=frozenset({1, 2, 3}), keys=("(1)", "(2)"))
    assert want.inventory
    assert wanted("item", asked, {"item"}).summed
    assert wanted("item", [Request("inventory", "item", "")], set()) == Wanted(summed=True)


def test_a_repair_of_no_key_or_of_too_many_reads_the_table_whole() -> None:
    many = tuple(map(str, range(MOST_KEYS + 1)))
    assert wanted("item", [Request("repair", "item", "", many)], set()).whole
    assert not wanted("item", [Request("repair", "item", "", many[1:])], set()).whole
    assert wanted("item", [Request("repair", "item", "")], set()) == Wanted(whole=True)


def test_a_small_table_lists_its_keys_and_a_large_one_has_sums() -> None:
    want = Wanted(summed=True)
    assert outline(want, SUMS, 3) == Inventory("all")
    assert outline(want, SUMS, 2) == Inventory("none", tuple(SUMS))
    assert outline(Wanted(listed=True), (), 0) == Inventory("all")


def test_keys_that_are_asked_for_are_known_by_themselves_or_by_their_bucket() -> None:
    assert outline(Wanted(keys=("(1)",)), (), 0) == Inventory("keys", asked=("(1)",))
    both = outline(Wanted(buckets=frozenset({5}), keys=("(1)",)), (), 0)
    assert both == Inventory("buckets", (), tuple(sorted({5, bucket("(1)")})), ("(1)",))


def test_the_buckets_that_differ_are_those_with_other_sums_and_no_list() -> None:
    sums = ((1, 1, "5"), (2, 1, "5"), (3, 2, "5"), (5, 1, "5"))
    ledger = [(1, 1, "5"), (2, 1, "6"), (3, 1, "5"), (4, 1, "5")]
    assert differing(Inventory("none", sums), ledger) == (2, 3, 4, 5)
    assert differing(Inventory("buckets", sums, buckets=(3, 4)), ledger) == (2, 5)
    assert differing(Inventory("all"), ledger) == ()
