"""What must hold of the functions: they are the stages, with what these need and nothing that is secret."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.terraform.state import Resource, State

HANDLERS = "starlift.entrypoints.lambdas"
STAGES = ("extract", "transform", "load", "reconcile")
PACKAGE = {"extract": "extract", "reconcile": "extract", "transform": "transform", "load": "load"}

_BOTH = {"STARLIFT_INGESTION", "STARLIFT_PROCESSED", "STARLIFT_CONFIG", "POWERTOOLS_SERVICE_NAME"}
_OWN = {
    "extract": {"STARLIFT_SOURCE_SECRET"},
    "reconcile": {"STARLIFT_SOURCE_SECRET"},
    "transform": set[str](),
    "load": {"STARLIFT_WAREHOUSE_SECRET"},
}
_TELLING = {"POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL"}
_HASHING = {"STARLIFT_HMAC_SECRET"}


def stage_of(function: Resource) -> str:
    """Return the stage that a function is by its name."""
    return str(function["function_name"]).rpartition("-")[2]


def every_stage_is_a_function(state: State) -> Iterator[str]:
    """With the handler, the package and the service name of its own."""
    functions = {stage_of(function): function for function in state.of("lambda_function")}
    if functions and functions.keys() != set(STAGES):
        yield f"the functions are {', '.join(sorted(functions))}"
    for stage, function in functions.items():
        if function["handler"] != f"{HANDLERS}.{stage}":
            yield f"{function.address} has the handler {function['handler']}"
        if not re.fullmatch(rf"{PACKAGE.get(stage)}/[0-9a-f]{{64}}\.zip", function["s3_key"]):
            yield f"{function.address} has the package {function['s3_key']}"
        if function["runtime"] != "python3.13":
            yield f"{function.address} runs on {function['runtime']}"


def functions_are_told_what_they_need(state: State) -> Iterator[str]:
    """Addresses of lakes and names of secrets: never a secret itself."""
    secrets = {secret["arn"] for secret in state.of("secretsmanager_secret")}
    for function in state.of("lambda_function"):
        told, stage = function["environment"][0]["variables"], stage_of(function)
        needed = _BOTH | _TELLING | _OWN.get(stage, set())
        if lacking := needed - told.keys():
            yield f"{function.address} is not told {', '.join(sorted(lacking))}"
        if more := told.keys() - needed - (_HASHING if stage in {"extract", "reconcile"} else set()):
            yield f"{function.address} is told {', '.join(sorted(more))}"
        if told.get("POWERTOOLS_SERVICE_NAME") != stage:
            yield f"{function.address} tells of itself as {told.get('POWERTOOLS_SERVICE_NAME')}"
        for name, value in told.items():
            if name.endswith("_SECRET") and value not in secrets:
                yield f"{function.address} is told a {name} that is no secret of the pipeline"


def every_function_has_a_role_of_its_own(state: State) -> Iterator[str]:
    """What one stage may do is no other's business."""
    users: dict[str, list[str]] = {}
    for function in state.of("lambda_function"):
        users.setdefault(function["role"], []).append(stage_of(function))
    yield from (
        f"{role} is the role of {', '.join(stages)}" for role, stages in users.items() if len(stages) > 1
    )


def logs_are_not_kept_for_ever(state: State) -> Iterator[str]:
    """Each function writes into a group of ours, with an end."""
    groups = {group["name"]: group for group in state.of("cloudwatch_log_group")}
    for function in state.of("lambda_function"):
        if f"/aws/lambda/{function['function_name']}" not in groups:
            yield f"{function.address} makes its log group itself"
    for group in groups.values():
        if not group["retention_in_days"]:
            yield f"{group.address} keeps logs for ever"


FUNCTIONS = (
    every_stage_is_a_function,
    functions_are_told_what_they_need,
    every_function_has_a_role_of_its_own,
    logs_are_not_kept_for_ever,
)
