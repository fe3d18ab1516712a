"""A history with something of everything: changes, silent ones too, rows in quarantine that are healed and
one that stays, members that were inferred and have arrived, and one that has not."""

from __future__ import annotations

import random
from datetime import datetime

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


def live_eventfully(project: Project) -> None:
    """Run a cycle after each event, the first load among them, and one after a week of ordinary changes."""
    for number, event in enumerate(EVENTS):
        with project.application() as application:
            application.run(event)
            if number == 1:
                happen(application, random.Random(3), NOON)  # noqa: S311
        project.cycle()
