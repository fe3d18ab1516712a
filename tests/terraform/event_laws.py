"""What must hold of events: a commit nudges the next stage, and what fails is kept for a person."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from starlift.core import paths
from tests.terraform.policies import allows, statements
from tests.terraform.state import Resource, State

NUDGES = {
    "transform": [paths.manifest(1), paths.manifest(10**18)],
    "load": [paths.manifest(1), paths.generation(7) + paths.manifest(1), paths.committed(7)],
}
"""Keys whose creation is something to do for a stage."""

SILENT = [paths.HEAD, paths.PROBE, paths.data("staff", 1, "run", 0), paths.star("dim_staff", 1, "0" * 64)]
"""Keys whose creation is not."""

TRIGGERS = ("schedule", "sweep")


def queues_take_events_of_their_rule_alone(state: State) -> Iterator[str]:
    """EventBridge may send to a queue what the rule that targets it matches, and nobody else may."""
    for queue in state.of("sqs_queue"):
        policy = state.about("sqs_queue_policy", "queue_url", queue["id"])
        targets = [t for t in state.of("cloudwatch_event_target") if t["arn"] == queue["arn"]]
        rules = [state.about("cloudwatch_event_rule", "name", target["rule"]) for target in targets]
        let_in = (
            [s for s in statements(policy.document("policy")) if s["Effect"] == "Allow"] if policy else []
        )
        expected = [_may_send(queue, rule) for rule in rules if rule]
        if [{**s, "Sid": ""} for s in let_in] != expected:
            yield f"{queue.address} lets in others than its rule"


def _may_send(queue: Resource, rule: Resource) -> dict[str, Any]:
    return {
        "Sid": "",
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue["arn"],
        "Condition": {"ArnEquals": {"aws:SourceArn": rule["arn"]}},
    }


def queues_are_encrypted(state: State) -> Iterator[str]:
    """Keys of objects name tables."""
    for queue in state.of("sqs_queue"):
        if not (queue["sqs_managed_sse_enabled"] or queue["kms_master_key_id"]):
            yield f"{queue.address} is not encrypted"


def messages_that_fail_are_kept(state: State) -> Iterator[str]:
    """A queue that a function reads has a dead-letter queue of its kind, and time enough for the function."""
    queues = {queue["arn"]: queue for queue in state.of("sqs_queue")}
    functions = {function["arn"]: function for function in state.of("lambda_function")}
    for mapping in state.of("lambda_event_source_mapping"):
        queue = queues[mapping["event_source_arn"]]
        redrive = queue.document("redrive_policy")
        dead = queues.get(redrive.get("deadLetterTargetArn"))
        if dead is None or dead["fifo_queue"] != queue["fifo_queue"] or dead is queue:
            yield f"{queue.address} has no dead-letter queue"
        elif dead["message_retention_seconds"] <= queue["message_retention_seconds"]:
            yield f"{dead.address} forgets sooner than its queue"
        if queue["visibility_timeout_seconds"] <= functions[mapping["function_name"]]["timeout"]:
            yield f"{queue.address} shows a message again while its function works on it"
        if mapping["function_response_types"] != ["ReportBatchItemFailures"]:
            yield f"{mapping.address} takes no partial answers"


def every_commit_nudges_the_next_stage(state: State) -> Iterator[str]:
    """In order, through one message group; and other objects nudge nobody."""
    queues = {queue["arn"]: queue for queue in state.of("sqs_queue")}
    for target in state.of("cloudwatch_event_target"):
        queue, rule = queues[target["arn"]], state.about("cloudwatch_event_rule", "name", target["rule"])
        assert rule is not None
        stage = queue["name"].removesuffix(".fifo").rpartition("-")[2]
        wanted, unwanted = NUDGES[stage], [key for key in SILENT if key not in NUDGES[stage]]
        pattern = rule.document("event_pattern")
        bucket = pattern["detail"]["bucket"]["name"][0]
        if not all(matches(pattern, _event(bucket, key)) for key in wanted):
            yield f"{rule.address} misses a batch"
        if any(matches(pattern, _event(bucket, key)) for key in unwanted):
            yield f"{rule.address} nudges {stage} for nothing"
        told = state.about("s3_bucket_notification", "bucket", bucket)
        if told is None or not told["eventbridge"]:
            yield f"{rule.address} hears nothing of the bucket {bucket}"
        groups = [sqs["message_group_id"] for sqs in target["sqs_target"]]
        if not (queue["fifo_queue"] and queue["content_based_deduplication"] and groups):
            yield f"{target.address} does not send in order"


def _event(bucket: str, key: str) -> dict[str, Any]:
    detail = {"bucket": {"name": bucket}, "object": {"key": key}}
    return {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}


def matches(pattern: dict[str, Any], event: dict[str, Any]) -> bool:
    """Return whether an event fits a pattern of EventBridge. Raises ValueError for an unknown filter."""
    for name, wanted in pattern.items():
        if name not in event:
            return False
        fits = matches(wanted, event[name]) if isinstance(wanted, dict) else _any(wanted, event[name])
        if not fits:
            return False
    return True


def _any(filters: list[Any], value: str) -> bool:
    return any(_fits(wanted, value) for wanted in filters)


def _fits(wanted: Any, value: str) -> bool:
    if isinstance(wanted, str):
        return value == wanted
    match wanted:
        case {"prefix": str(start)}:
            return value.startswith(start)
        case {"suffix": str(end)}:
            return value.endswith(end)
    raise ValueError(f"the filter {wanted} is not known here")


def schedules_reach_what_they_invoke(state: State) -> Iterator[str]:
    """Their role may do it, their payload is understood, and what cannot be delivered is kept."""
    queues = {queue["arn"]: queue for queue in state.of("sqs_queue")}
    functions = {function["arn"] for function in state.of("lambda_function")}
    policies = {policy["role"]: policy.document("policy") for policy in state.of("iam_role_policy")}
    for schedule in state.of("scheduler_schedule"):
        target = schedule["target"][0]
        action = "lambda:InvokeFunction" if target["arn"] in functions else "sqs:SendMessage"
        dead = [queues.get(config["arn"]) for config in target["dead_letter_config"]]
        role = target["role_arn"].rpartition("/")[2]
        if not allows(policies.get(role, {}), action, target["arn"]):
            yield f"{schedule.address} may not invoke its target"
        if json.loads(target["input"]).get("trigger") not in TRIGGERS:
            yield f"{schedule.address} says what no handler understands"
        if not any(queue is not None and not queue["fifo_queue"] for queue in dead):
            yield f"{schedule.address} has no dead-letter queue that it can write to"
        elif not all(
            queue and allows(policies.get(role, {}), "sqs:SendMessage", queue["arn"]) for queue in dead
        ):
            yield f"{schedule.address} may not write to its dead-letter queue"
        if target["arn"] in queues and not target["sqs_parameters"]:
            yield f"{schedule.address} sends to no message group"


def every_stage_is_invoked(state: State) -> Iterator[str]:
    """By a schedule, or by a queue that is swept."""
    schedules = {schedule["target"][0]["arn"] for schedule in state.of("scheduler_schedule")}
    mapped = {m["function_name"]: m["event_source_arn"] for m in state.of("lambda_event_source_mapping")}
    for function in state.of("lambda_function"):
        if mapped.get(function["arn"], function["arn"]) not in schedules:
            yield f"{function.address} is invoked by no schedule and no sweep"


EVENTS = (
    queues_take_events_of_their_rule_alone,
    queues_are_encrypted,
    messages_that_fail_are_kept,
    every_commit_nudges_the_next_stage,
    schedules_reach_what_they_invoke,
    every_stage_is_invoked,
)
