"""Which driving rows a batch makes again."""

from __future__ import annotations

from starlift.core.emission import scopes, snapshot_tables
from starlift.core.models import Model


def model(name: str, driving: str, *joins: str) -> Model:
    return Model(name, "dimension", "One.", ("id",), driving, joins, "")


STAR = (
    model("dim_staff", "staff", "department"),
    model("dim_badge", "staff"),
    model("fact_sale", "sale"),
    model("dim_shop", "shop", "address"),
)


def test_snapshots_are_kept_of_all_tables_of_models_with_joins_and_of_no_others() -> None:
    assert snapshot_tables(STAR) == {"staff", "department", "shop", "address"}


def test_rows_that_arrive_make_their_own_star_rows() -> None:
    assert scopes(STAR, arrived={"sale", "staff"}, changed={"staff"}) == {"sale": "batch", "staff": "batch"}


def test_a_changed_joined_table_makes_all_rows_of_the_tables_that_join_it() -> None:
    assert scopes(STAR, arrived={"department", "sale"}, changed={"department"}) == {
        "sale": "batch",
        "staff": "all",
    }


def test_a_joined_table_that_arrived_unchanged_makes_nothing_again() -> None:
    assert scopes(STAR, arrived={"department"}, changed=set()) == {}
