"""A history with something of everything: changes, silent ones too, rows in quarantine that are healed, one
that stays and one that is given up, members that were inferred and have arrived, and one that has not, rows
that are deleted, and one that comes back."""

from __future__ import annotations

import random
from datetime import datetime

from starlift.core.requests import Request
from starlift.stages import requests
from starlift.stages.extract import Reconciliation
from tests.e2e.happenings import happen
from tests.e2e.project import Project

NOON = datetime(2024, 11, 20, 12)

EVENTS = (
    # a currency without a name, which its orders refer to, and an order without a date
    "UPDATE currency SET currency_code = 'QQQ' WHERE currency_id IN (2, 3);"
    "UPDATE sales_order SET agreed_delivery_date = 'soon' WHERE sales_order_id = 2;"
    # designs that nobody has entered, which only a source without that foreign key may have
    "ALTER TABLE sales_order DROP CONSTRAINT sales_order_design_id_fkey;"
    "UPDATE sales_order SET design_id = 9000 + sales_order_id WHERE sales_order_id IN (4, 5)",
    "UPDATE currency SET currency_code = 'USD' WHERE currency_id = 2;"
    "UPDATE sales_order SET agreed_delivery_date = '2026-02-28', units_sold = 7 WHERE sales_order_id = 2",
    "UPDATE sales_order SET agreed_payment_date = '2024-02-30' WHERE sales_order_id = 3;"
    "INSERT INTO design (design_id, design_name, file_location, file_name, last_updated) "
    "VALUES (9004, 'Late', '/usr', 'late-20241120-abcd.json', now())",
)


GO = (
    "CREATE SCHEMA aside; CREATE TABLE aside.payment AS SELECT * FROM payment WHERE payment_id IN (6, 7);"
    "DELETE FROM payment WHERE payment_id IN (6, 7); DELETE FROM design WHERE design_id = 8"
)
COME_BACK = (
    "INSERT INTO payment SELECT * FROM aside.payment WHERE payment_id = 6;"
    "UPDATE payment SET payment_amount = payment_amount + 1 WHERE payment_id = 6;"
    "DELETE FROM payment WHERE payment_id = 5"
)
ASKED = (
    # of a row that is gone, and of one that is no better than before
    Request("repair", "payment", "a person asked to read it again", ("(5)",)),
    Request("repair", "sales_order", "a person asked to read it again", ("(3)",)),
    Request("drop", "currency", "there is no such money", ("(3)",)),
)


def live_eventfully(project: Project) -> None:
    """Run a cycle after each event: the first load, a week of ordinary changes and rows that go, rows that
    come back and what people decide about others."""
    _change(project, EVENTS[0])
    project.cycle()
    _change(project, EVENTS[1])
    with project.application() as application:
        happen(application, random.Random(3), NOON)  # noqa: S311
    _change(project, GO)
    project.cycle(Reconciliation(tables=frozenset({"payment", "design"})))
    _change(project, EVENTS[2])
    _change(project, COME_BACK)
    for request in ASKED:
        requests.ask(project.pipeline().ingestion, request, "2024-11-22T12:00:00+00:00", "a person")
    project.cycle()


def _change(project: Project, statements: str) -> None:
    with project.application() as application:
        application.run(statements)
