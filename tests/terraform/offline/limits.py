"""What AWS refuses though the schema allows it: enumerations, ranges and patterns of its API models."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session

Place = list[str | int]
Fault = tuple[Place, str]

_CREATED_BY = {
    "aws_lambda_function": ("lambda", "CreateFunction"),
    "aws_lambda_event_source_mapping": ("lambda", "CreateEventSourceMapping"),
    "aws_cloudwatch_metric_alarm": ("cloudwatch", "PutMetricAlarm"),
    "aws_cloudwatch_event_rule": ("events", "PutRule"),
    "aws_scheduler_schedule": ("scheduler", "CreateSchedule"),
    "aws_scheduler_schedule_group": ("scheduler", "CreateScheduleGroup"),
    "aws_iam_role": ("iam", "CreateRole"),
    "aws_iam_role_policy": ("iam", "PutRolePolicy"),
    "aws_secretsmanager_secret": ("secretsmanager", "CreateSecret"),
    "aws_db_instance": ("rds", "CreateDBInstance"),
    "aws_cloudwatch_log_group": ("logs", "CreateLogGroup"),
    "aws_sns_topic_subscription": ("sns", "Subscribe"),
    "aws_kms_key": ("kms", "CreateKey"),
}

_RENAMED: dict[str, str] = {"assume_role_policy": "AssumeRolePolicyDocument", "policy": "PolicyDocument"}
_RETENTION = {
    *(0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
}
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)(s?)\)")
_JSON = ("policy", "dashboard_body", "event_pattern", "input")
_LONG_PATTERN = 400
_NO_END = 1 << 60


def faults(kind: str, block: dict[str, Any], resource: dict[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with a resource as it is configured, and where. Unknown values are let through."""
    yield from _decided_by_provider(block, resource, [])
    for name, value in resource.items():
        if isinstance(value, str) and name.endswith(_JSON) and value[:1] in "{[":
            yield from _unreadable(name, value)
    if kind in _CREATED_BY:
        yield from _against(_shape(kind), resource, [])
    days = resource.get("retention_in_days")
    if isinstance(days, int | float) and days not in _RETENTION and kind == "aws_cloudwatch_log_group":
        yield ["retention_in_days"], f"{days} is not one of {sorted(_RETENTION)}"
    if isinstance(when := resource.get("schedule_expression"), str) and not _is_schedule(when):
        yield ["schedule_expression"], f"{when!r} is no rate(), cron() or at() expression"


def _unreadable(name: str, value: str) -> Iterator[Fault]:
    try:
        json.loads(value)
    except ValueError as error:
        yield [name], f"{name} is not JSON: {error}"


def _is_schedule(text: str) -> bool:
    if rate := _RATE.fullmatch(text):
        return (int(rate[1]) == 1) == (rate[3] == "")
    return bool(re.fullmatch(r"cron\((\S+ ){5}\S+\)|at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\)", text))


def _decided_by_provider(block: dict[str, Any], resource: dict[str, Any], place: Place) -> Iterator[Fault]:
    for name, attribute in block["attributes"].items():
        if attribute.get("computed") and not attribute.get("optional") and resource.get(name) is not None:
            yield [*place, name], f"the provider decides the value of {name}; it cannot be set"
    for name, kind in block["block_types"].items():
        for number, item in enumerate(resource.get(name) or []):
            if isinstance(item, dict):
                yield from _decided_by_provider(kind["block"], item, [*place, name, number])


@cache
def _shape(kind: str) -> Any:
    service, operation = _CREATED_BY[kind]
    return botocore.session.get_session().get_service_model(service).operation_model(operation).input_shape


def _against(shape: Any, value: Any, place: Place) -> Iterator[Fault]:
    if shape.type_name == "string" and isinstance(value, str):
        yield from _text(shape, value, place)
    elif shape.type_name in {"integer", "long", "float", "double"} and isinstance(value, int | float):
        least, most = shape.metadata.get("min", -_NO_END), shape.metadata.get("max", _NO_END)
        if not least <= value <= most and not isinstance(value, bool):
            yield place, f"{value} is outside {least}..{most}"
    elif shape.type_name == "list" and isinstance(value, list):
        for number, item in enumerate(value):
            yield from _against(shape.member, item, [*place, number])
    elif shape.type_name == "structure":
        yield from _members(shape, value, place)


def _text(shape: Any, value: str, place: Place) -> Iterator[Fault]:
    allowed, pattern = getattr(shape, "enum", None), shape.metadata.get("pattern", "")
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", _NO_END)
    if allowed and value not in allowed:
        yield place, f"{value!r} is not one of {', '.join(allowed)}"
    elif pattern and len(pattern) < _LONG_PATTERN and not _matches(pattern, value):
        yield place, f"{value!r} does not match {pattern}"
    if not least <= len(value) <= most:
        yield place, f"its length, {len(value)}, is outside {least}..{most}"


def _matches(pattern: str, value: str) -> bool:
    try:
        return bool(re.fullmatch(pattern.replace(r"\p{L}\p{M}\p{Z}\p{S}\p{N}\p{P}", r"\w\W"), value))
    except re.error:  # a class that Python does not know
        return True


def _members(shape: Any, value: Any, place: Place) -> Iterator[Fault]:
    if isinstance(value, list) and len(value) == 1:
        value, place = value[0], [*place, 0]
    if not isinstance(value, dict):
        return
    members = {_plain(name): member for name, member in shape.members.items()}
    for name, item in value.items():
        member = members.get(_plain(_RENAMED.get(str(name), str(name))))
        if member is not None and item is not None:
            yield from _against(member, item, [*place, name])


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
