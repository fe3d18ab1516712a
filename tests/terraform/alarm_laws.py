"""What must hold of alarms: whatever may go wrong rings, silence too, and each says where to read on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.terraform.state import Resource, State

OF_FUNCTIONS = ("Errors", "Throttles", "Duration")
ABOUT_DATA = {
    ("FreshnessSeconds", "load"),
    ("QuarantinedRows", "load"),
    ("DifferingRows", "load"),
    ("HeldBatches", "load"),
    ("HeldBatches", "transform"),
    ("HeldTables", "extract"),
    ("DriftedTables", "extract"),
}
STALE = 1800
_NEAR = (0.8, 1.0)


def every_trouble_has_an_alarm(state: State) -> Iterator[str]:
    """Functions, queues, dead-letter queues, and what the stages say of the data."""
    there = {(a["metric_name"], value) for a in state.of("cloudwatch_metric_alarm") for value in _values(a)}
    wanted = {(m, f["function_name"]) for f in state.of("lambda_function") for m in OF_FUNCTIONS}
    queues = {queue["arn"]: queue for queue in state.of("sqs_queue")}
    read = {mapping["event_source_arn"] for mapping in state.of("lambda_event_source_mapping")}
    for arn, queue in queues.items():
        wanted.add(
            (
                "ApproximateAgeOfOldestMessage" if arn in read else "ApproximateNumberOfMessagesVisible",
                queue["name"],
            )
        )
    if state.of("lambda_function"):
        wanted |= ABOUT_DATA
    yield from (f"nobody is told of {metric} of {what}" for metric, what in sorted(wanted - there))


def _values(alarm: Resource) -> list[str]:
    return list((alarm["dimensions"] or {}).values())


def alarms_reach_a_person(state: State) -> Iterator[str]:
    """Through a topic that somebody is subscribed to."""
    heard = {subscription["topic_arn"] for subscription in state.of("sns_topic_subscription")}
    for alarm in state.of("cloudwatch_metric_alarm"):
        for actions in ("alarm_actions", "ok_actions"):
            if not heard & set(alarm[actions] or ()):
                yield f"{alarm.address} tells nobody ({actions})"


def alarms_say_where_to_read_on(state: State) -> Iterator[str]:
    """Their description ends in a paragraph of the runbook."""
    for alarm in state.of("cloudwatch_metric_alarm"):
        if not paragraph(alarm):
            yield f"{alarm.address} names no paragraph of the runbook"


def paragraph(alarm: Resource) -> str:
    """Return the anchor in the runbook that an alarm's description ends in."""
    return str(alarm["alarm_description"]).split()[-1].partition("runbook.md#")[2]


def silence_of_the_star_is_an_alarm(state: State) -> Iterator[str]:
    """Half an hour behind, or half an hour of silence."""
    for alarm in state.of("cloudwatch_metric_alarm"):
        if alarm["metric_name"] != "FreshnessSeconds":
            continue
        if alarm["treat_missing_data"] != "breaching":
            yield f"{alarm.address} takes silence for freshness"
        if alarm["threshold"] != STALE or alarm["period"] * alarm["evaluation_periods"] > STALE:
            yield f"{alarm.address} does not go off after half an hour"


def durations_are_near_the_limit(state: State) -> Iterator[str]:
    """The alarm's threshold is of the function's own timeout."""
    limits = {function["function_name"]: function["timeout"] for function in state.of("lambda_function")}
    for alarm in state.of("cloudwatch_metric_alarm"):
        if alarm["metric_name"] == "Duration":
            share = alarm["threshold"] / 1000 / limits[alarm["dimensions"]["FunctionName"]]
            if not _NEAR[0] <= share < _NEAR[1]:
                yield f"{alarm.address} goes off at {share:.0%} of the limit"


def the_dashboard_shows_what_there_is(state: State) -> Iterator[str]:
    """Every alarm, and metrics of functions, queues and stages that exist."""
    alarms = {alarm["arn"] for alarm in state.of("cloudwatch_metric_alarm")}
    own = {alarm["namespace"] for alarm in state.of("cloudwatch_metric_alarm")}
    for dashboard in state.of("cloudwatch_dashboard"):
        widgets = dashboard.document("dashboard_body")["widgets"]
        shown = {arn for widget in widgets for arn in widget["properties"].get("alarms", ())}
        if shown != alarms:
            yield f"{dashboard.address} shows {len(shown & alarms)} of {len(alarms)} alarms"
        for metric in (m for widget in widgets for m in widget["properties"].get("metrics", ())):
            if metric[0] not in own or not _exists(state, metric):
                yield f"{dashboard.address} shows {' '.join(metric[:4])}, which there is not"


def _exists(state: State, metric: list[Any]) -> bool:
    _, _, dimension, value = metric[:4]
    names = {
        "FunctionName": {function["function_name"] for function in state.of("lambda_function")},
        "QueueName": {queue["name"] for queue in state.of("sqs_queue")},
        "service": {
            function["environment"][0]["variables"]["POWERTOOLS_SERVICE_NAME"]
            for function in state.of("lambda_function")
        },
    }
    return value in names.get(dimension, ())


ALARMS = (
    every_trouble_has_an_alarm,
    alarms_reach_a_person,
    alarms_say_where_to_read_on,
    silence_of_the_star_is_an_alarm,
    durations_are_near_the_limit,
    the_dashboard_shows_what_there_is,
)
