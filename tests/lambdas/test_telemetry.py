"""What a function tells: metrics in the form and with the values that alarms rest on, and lines of log."""

from __future__ import annotations

import json
import traceback
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from starlift.entrypoints.lambda_telemetry import UNITS, Journal
from starlift.errors import HeldError, StarliftError, UnavailableError
from tests.lambdas.events import SCHEDULE, SWEEP, messages
from tests.lambdas.place import Context, Place, fresh_loggers
from tests.postgres import connected

ALWAYS = {"Rows", "StageSeconds", "StageBytes"}
POLLED = {*ALWAYS, "DriftedTables", "HeldTables"}
MADE = {*ALWAYS, "HeldBatches"}
STANDS = {*MADE, "FreshnessSeconds", "QuarantinedRows", "DifferingRows"}


def units(line: dict[str, Any]) -> dict[str, str]:
    """Return the units that a line of metrics declares, having held it to the embedded format."""
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "totesys"
    assert directive["Dimensions"] == [["service"]]
    moment = datetime.fromtimestamp(line["_aws"]["Timestamp"] / 1000, UTC)
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=5)
    declared = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert all(isinstance(value, float) for name in declared for value in line[name])
    assert set(line) == {"_aws", "service", "run_id", *declared}
    return declared


def value(place: Place, name: str) -> float:
    (found,) = place.metrics()[name]
    return float(found)


def test_every_invocation_tells_its_metrics(place: Place) -> None:
    landed = place.invoke("extract", SCHEDULE)
    assert units(place.metrics()) == {name: UNITS[name] for name in POLLED}
    assert place.metrics()["service"] == "extract"
    assert value(place, "Rows") == sum(counts["shipped"] for counts in landed["tables"].values()) > 100
    stored = sum(entry["Size"] for entry in place.stored("ingestion") if entry["Key"].startswith("data/"))
    assert stored < value(place, "StageBytes") < stored + 50_000

    made = place.invoke("transform", messages(*place.nudges("ingestion")))
    assert units(place.metrics()) == {name: UNITS[name] for name in {*MADE, "BatchAgeSeconds"}}
    assert value(place, "Rows") == sum(counts["read"] for counts in made["tables"].values())
    assert value(place, "StageBytes") > stored, "it reads what was landed, and writes"

    put = place.invoke("load", messages(*place.nudges("processed")))
    assert units(place.metrics()) == {name: UNITS[name] for name in {*STANDS, "BatchAgeSeconds"}}
    assert value(place, "Rows") == sum(counts["inserted"] for counts in put["star"].values())
    assert (value(place, "HeldBatches"), value(place, "QuarantinedRows")) == (0, 0)
    assert place.log()[-1]["batch"] == 1


def test_an_idle_load_tells_how_fresh_the_star_is(place: Place) -> None:
    place.invoke("extract", SCHEDULE)
    place.chain()
    with connected(place.warehouse.owner) as owner:
        owner.run("UPDATE starlift.applied SET complete_to = now() - interval '2 hours'")
    assert place.invoke("load", SWEEP)["outcome"] == "nothing"
    assert set(units(place.metrics())) == STANDS
    assert 7200 <= value(place, "FreshnessSeconds") < 10_000
    assert set(units_of_idle(place, "transform")) == MADE
    assert set(units_of_idle(place, "extract")) == POLLED


def units_of_idle(place: Place, stage: str) -> dict[str, str]:
    assert place.invoke(stage, SWEEP)["outcome"] == "nothing"
    assert value(place, "Rows") == 0
    return units(place.metrics())


def test_batches_that_wait_tell_their_age(place: Place) -> None:
    place.invoke("extract", SCHEDULE)
    landed = datetime.now(UTC)
    place.invoke("transform", SWEEP)
    assert 0 < value(place, "BatchAgeSeconds") < (datetime.now(UTC) - landed).total_seconds() + 60


def test_a_table_that_is_held_is_told_and_is_no_failure(place: Place) -> None:
    place.invoke("extract", SCHEDULE)
    place.change("ALTER TABLE design DROP COLUMN file_name")
    place.change("ALTER TABLE staff ADD COLUMN badge text")
    answer = place.invoke("extract", SCHEDULE)
    assert list(answer["held"]) == ["design"]
    assert (value(place, "HeldTables"), value(place, "DriftedTables")) == (1, 2)
    warnings = [line["message"] for line in place.log() if line["level"] == "WARNING"]
    assert any("columns badge of table staff" in text for text in warnings), "what a stage warns of"
    assert any(text.startswith("table design is held, the others go on") for text in warnings)


def test_rows_in_quarantine_are_counted_until_they_are_dealt_with(place: Place) -> None:
    place.change("UPDATE sales_order SET agreed_payment_date = 'never' WHERE sales_order_id < 4")
    place.invoke("extract", SCHEDULE)
    place.chain()
    assert value(place, "QuarantinedRows") == 3
    place.invoke("load", SWEEP)
    assert value(place, "QuarantinedRows") == 3
    with connected(place.warehouse.owner) as owner:
        owner.run("UPDATE starlift.quarantine SET dropped = 'given up' WHERE key = '(1)'")
    place.invoke("load", SWEEP)
    assert value(place, "QuarantinedRows") == 2


def test_batches_behind_one_that_is_held_are_counted(small_place: Place) -> None:
    place = small_place
    place.change("UPDATE sales_order SET agreed_payment_date = 'Anna Canary'")
    place.invoke("extract", SCHEDULE)
    place.change("UPDATE design SET design_name = 'Changed' WHERE design_id = 1")
    place.invoke("extract", SCHEDULE)
    with pytest.raises(HeldError, match="batch 1 is held") as raised:
        place.invoke("transform", messages(*place.nudges("ingestion")))
    assert value(place, "HeldBatches") == 2
    assert value(place, "BatchAgeSeconds") > 0
    assert place.log()[-1]["code"] == "too_many_rejected"
    assert "starlift quarantine release 1" in place.log()[-1]["hint"]
    assert "Canary" not in str(raised.value) + place.said[-1][1], "a row is quoted"


def test_a_load_that_the_star_refuses_tells_how_things_stand_and_quotes_no_row(place: Place) -> None:
    place.invoke("extract", SCHEDULE)
    place.chain()
    with connected(place.warehouse.owner) as owner:
        owner.run(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'not %', NEW.design_name; END $$;"
        )
        owner.run(
            "CREATE TRIGGER refuse AFTER INSERT OR UPDATE ON dim_design FOR EACH STATEMENT "
            "EXECUTE FUNCTION refuse()"
        )
    place.change("UPDATE design SET design_name = 'Canary' WHERE design_id = 1")
    place.invoke("extract", SCHEDULE)
    place.invoke("transform", SWEEP)
    with pytest.raises(StarliftError) as raised:
        place.invoke("load", SWEEP)
    assert value(place, "FreshnessSeconds") > 0
    assert value(place, "HeldBatches") == isinstance(raised.value, HeldError)
    assert "Canary" not in str(raised.value) + place.said[-1][1]


def test_a_load_without_a_warehouse_tells_what_it_knows(place: Place) -> None:
    place.invoke("extract", SCHEDULE)
    place.invoke("transform", SWEEP)
    place.put_secret("warehouse", port="1")
    with pytest.raises(UnavailableError, match="cannot be reached"):
        place.invoke("load", SWEEP)
    assert set(units(place.metrics())) == ALWAYS
    assert place.log()[-1]["code"] == "unavailable"


def test_a_lost_race_is_an_answer(place: Place) -> None:
    place.own_limits(lock_wait="1s")
    place.invoke("extract", SCHEDULE)
    place.invoke("transform", SWEEP)
    with connected(place.warehouse.owner) as other:
        other.run("BEGIN")
        place.take_lock(other)
        event = messages(*place.nudges("processed"))
        assert place.invoke("load", event) == {"outcome": "lost", "batchItemFailures": []}
        assert place.invoke("load", SWEEP) == {"outcome": "lost"}
    assert "StageSeconds" in place.metrics()
    assert place.invoke("load", SWEEP)["outcome"] == "applied"


def test_every_line_has_the_run(place: Place) -> None:
    answer = place.invoke("extract", SCHEDULE)
    assert {line["run_id"] for line in place.log()} == {answer["run_id"]} == {place.metrics()["run_id"]}
    assert {line["service"] for line in place.log()} == {"extract"}
    assert {line["request_id"] for line in place.log()} == {Context.aws_request_id}
    first, last = place.log()[0], place.log()[-1]
    assert (first["message"], first["nudges"]) == ("extract was nudged", ["schedule"])
    assert (last["message"], last["batch"], last["kind"]) == ("extract: extracted", 1, "bootstrap")


class Broken(Context):
    """What Lambda would never give a function."""

    def get_remaining_time_in_millis(self) -> int:
        """Fail, with the text of a row."""
        return int("Anna Canary")


def test_a_fault_in_a_stage_is_raised_without_its_cause(place: Place) -> None:
    place.own_limits(max_rows="60")
    with pytest.raises(StarliftError, match="this is a fault of starlift: ValueError at ") as raised:
        place.invoke("extract", SCHEDULE, Broken())
    assert "Canary" not in "".join(traceback.format_exception(raised.value)) + place.said[-1][1]
    assert set(units(place.metrics())) == ALWAYS
    assert place.invoke("extract", SCHEDULE)["outcome"] == "extracted"


def test_a_fault_of_starlift_is_told_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    with fresh_loggers():
        journal = Journal("load", "a run")
        try:
            int("Anna Canary")
        except ValueError as error:
            fault = journal.unforeseen(error)
    line = json.loads(capsys.readouterr().out)
    assert "Canary" not in json.dumps(line) + fault.message + fault.hint
    assert "ValueError at " in fault.message
    assert line["places"][-1].endswith(f"in {test_a_fault_of_starlift_is_told_without_its_text.__name__}")
