"""However the events come, the star is the source: they are nudges, and the lakes say what there is to do."""

from __future__ import annotations

import random
from typing import Any

import pytest

from starlift.entrypoints.lambda_events import read
from starlift.errors import ConfigurationError
from tests.lambdas import events
from tests.lambdas.events import SCHEDULE, SWEEP, messages
from tests.lambdas.place import Place
from tests.s3_door import Request, S3Door

CHANGE = "UPDATE design SET design_name = 'Change {}' WHERE design_id = 1"


def live(place: Place, batches: int = 3) -> None:
    """Land some batches of which nobody behind is told."""
    for number in range(batches):
        place.change(CHANGE.format(number))
        place.invoke("extract", SCHEDULE)


def test_the_chain_makes_the_star_the_source(place: Place) -> None:
    landed = place.invoke("extract", SCHEDULE)
    assert (landed["outcome"], landed["seq"], landed["kind"]) == ("extracted", 1, "bootstrap")
    assert "batchItemFailures" not in landed

    nudged = messages(*place.nudges("ingestion"))
    made = place.invoke("transform", nudged)
    assert (made["outcome"], made["seq"], made["batchItemFailures"]) == ("transformed", 1, [])

    put = place.invoke("load", messages(*place.nudges("processed")))
    assert (put["outcome"], put["seq"], put["batchItemFailures"]) == ("applied", 1, [])
    assert put["star"]["dim_staff"]["inserted"] == 20
    assert place.differences() == {}


def test_events_that_come_twice_and_in_any_order_change_nothing_but_what_they_must(place: Place) -> None:
    live(place)
    nudges = place.nudges("ingestion") * 2
    random.Random(7).shuffle(nudges)  # noqa: S311 - any order
    for nudge in nudges[:4]:
        place.invoke("transform", messages(nudge))
        place.invoke("load", messages(nudge))
    held = place.keys("processed")
    assert place.invoke("transform", messages(*nudges))["outcome"] == "nothing"
    assert place.invoke("load", messages(*nudges[:2]))["outcome"] == "nothing"
    assert place.keys("processed") == held
    assert place.applied() == 3
    assert place.differences() == {}


def test_events_that_are_lost_are_made_up_for_by_a_later_one_or_by_the_sweep(place: Place) -> None:
    live(place)
    last = place.nudges("ingestion")[-2]
    assert place.invoke("transform", messages(last))["batches"]["transformed"] == 3
    assert place.invoke("load", messages('{"trigger": "sweep"}'))["batches"]["applied"] == 3
    assert place.differences() == {}
    live(place, 1)
    assert place.invoke("transform", SWEEP)["outcome"] == "transformed"
    assert place.invoke("load", SWEEP)["outcome"] == "applied"
    assert place.differences() == {}


POISON = (
    "",
    "no json",
    "[]",
    "null",
    '"manifests/1.json"',
    "{}",
    '{"trigger": "coffee"}',
    '{"source": "aws.s3", "detail-type": "Object Deleted", "detail": {"object": {"key": "a"}}}',
    '{"source": "aws.s3", "detail-type": "Object Created", "detail": []}',
    "[" * 100_000,
    '{"trigger": ["schedule"]}',
)


def test_a_message_that_nobody_understands_is_a_nudge_and_is_told(place: Place) -> None:
    live(place, 1)
    event = messages(POISON[1], *place.nudges("ingestion"), POISON[2])
    answer = place.invoke("transform", event)
    assert (answer["outcome"], answer["batchItemFailures"]) == ("transformed", [])
    assert place.metrics()["UnreadableEvents"] == [2.0]
    (told,) = [line for line in place.log() if line["level"] == "ERROR"]
    assert told["message"].startswith("2 of the events cannot be understood")
    assert place.invoke("load", messages(POISON[0]))["outcome"] == "applied"
    assert place.differences() == {}


@pytest.mark.parametrize("body", POISON, ids=range(len(POISON)))
def test_no_message_stops_a_function(body: str) -> None:
    nudges = read(messages(body))
    assert (nudges.told, nudges.unreadable, len(nudges.messages or ())) == ((), 1, 1)


@pytest.mark.parametrize(
    "event",
    [None, [], "x", {}, {"Records": None}, {"Records": {}}, {"Records": [None, {"messageId": 1}, {}]}],
)
def test_no_event_stops_a_function(event: Any) -> None:
    nudges = read(event)
    assert nudges.told == ()
    assert nudges.unreadable >= 1
    assert not nudges.messages


def test_what_was_understood_is_told() -> None:
    nudges = read(
        messages(events.created("b", "manifests/00000000000000000007.json"), '{"trigger": "sweep"}')
    )
    assert nudges.told == ("manifests/00000000000000000007.json", "sweep")
    assert (read(SCHEDULE).told, read(SCHEDULE).messages) == (("schedule",), None)


def test_a_reconcile_that_loses_to_an_extract_takes_its_inventory_all_the_same(
    place: Place, s3_server: S3Door
) -> None:
    place.invoke("extract", SCHEDULE)
    place.change(CHANGE.format(1))
    place.invoke("extract", SCHEDULE)
    bucket, key = place.bucket("ingestion"), "manifests/00000000000000000002.json"
    landed = place.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    place.s3.delete_object(Bucket=bucket, Key=key)
    host, port = s3_server.backend
    behind = place.client("s3", f"http://{host}:{port}")

    def overtaken(request: Request) -> None:
        """Let the extract come first when the reconcile is about to commit."""
        if str(request) == f"PUT /{bucket}/{key}":
            behind.put_object(Bucket=bucket, Key=key, Body=landed)

    s3_server.rule(overtaken)
    answer = place.invoke("reconcile", SCHEDULE)
    s3_server.plan([])
    assert (answer["outcome"], answer["seq"]) == ("extracted", 3)
    assert place.manifest(3)["inventory"].keys() == answer["tables"].keys()
    place.chain()
    assert place.differences() == {}


def test_a_table_that_a_model_reads_and_nobody_takes_is_told_before_anything_is_landed(place: Place) -> None:
    place.own_limits()
    file = place.sql / "pipeline.toml"
    before, _, rest = file.read_text().partition("[tables.department]")
    file.write_text(before + "[tables." + rest.partition("[tables.")[2])
    with pytest.raises(ConfigurationError, match="model dim_staff reads table department"):
        place.invoke("extract", SCHEDULE)
    assert place.keys("ingestion") == []


def test_a_reconcile_takes_an_inventory_of_every_table(place: Place) -> None:
    place.invoke("extract", SCHEDULE)
    place.chain()
    place.change("DELETE FROM payment WHERE payment_id = 3")
    taken = place.invoke("reconcile", SCHEDULE)
    assert (taken["outcome"], taken["seq"]) == ("extracted", 2)
    assert place.manifest(2)["inventory"].keys() == taken["tables"].keys()
    place.chain()
    for _ in range(3):
        place.invoke("extract", SCHEDULE)
        place.chain()
    assert place.differences() == {}
