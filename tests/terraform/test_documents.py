"""What the documents about AWS say is so: roles, a paragraph for every alarm, commands that there are."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import botocore.session
import pytest

from tests.terraform import iam_table
from tests.terraform.alarm_laws import paragraph
from tests.terraform.commands import ROOT
from tests.terraform.conftest import Applied
from tests.terraform.mistakes import BREAK_A_LAW, IN_THE_EXAMPLE, REFUSED, UNKNOWN

RUNBOOK = ROOT / "docs" / "runbook.md"
ABOUT_AWS = [RUNBOOK, ROOT / "docs" / "deploying.md", ROOT / "docs" / "iam.md"]

OF_THE_COMMAND_LINE = {("logs", "tail"): {"since", "filter-pattern", "follow"}}
"""Commands of aws that are no operation of a service, with the options that are shown."""
EVERYWHERE = {"region", "query", "output", "profile"}


def test_the_table_of_permissions_is_that_of_the_roles(in_a_network: Applied) -> None:
    text = iam_table.DOCUMENT.read_text()
    new = iam_table.written(text, iam_table.table(in_a_network.state))
    assert text == new, "write it anew: python -m tests.terraform.iam_table"


def test_the_table_leaves_out_no_role(in_a_network: Applied) -> None:
    permissions = in_a_network.state.outputs["permissions"]
    told = {role: {sid: {**g, "resources": sorted(g["resources"])} for sid, g in found.items()}
            for role, found in permissions.items()}  # fmt: skip
    assert told.keys() == {*iam_table.ROLES, "reconcile"}
    own_log = told["reconcile"].pop("WriteLog"), told["extract"].pop("WriteLog")
    assert told["reconcile"] == told["extract"]
    assert {log["reason"] for log in own_log} == {own_log[0]["reason"]}


def test_what_is_said_of_permissions_is_what_the_policies_grant(in_a_network: Applied) -> None:
    state = in_a_network.state
    for role, told in state.outputs["permissions"].items():
        name = f"-{role}" if role == "scheduler" else f"-{role}-stage"
        (policy,) = [p for p in state.of("iam_role_policy") if p["role"].endswith(name)]
        granted = {s["Sid"]: (s["Action"], s["Resource"]) for s in policy.document("policy")["Statement"]}
        assert granted == {sid: (said["actions"], said["resources"]) for sid, said in told.items()}


def test_the_environment_for_the_command_line_names_what_was_made(in_a_network: Applied) -> None:
    state = in_a_network.state
    told = dict(line.split("=", 1) for line in state.outputs["environment"].splitlines())
    assert told.pop("AWS_DEFAULT_REGION") == in_a_network.variables["region"]
    known = set(re.findall(r"^#?(STARLIFT_\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert told.keys() == known - {"STARLIFT_SOURCE_URL", "STARLIFT_WAREHOUSE_URL"} - {
        "STARLIFT_HMAC_KEY",
        "STARLIFT_CONFIG",
    }
    secrets = {secret["name"] for secret in state.of("secretsmanager_secret")}
    buckets = {f"s3://{bucket['bucket']}" for bucket in state.of("s3_bucket")}
    assert set(told.values()) <= secrets | buckets


def paragraphs() -> dict[str, str]:
    """Return the runbook's paragraphs by the last part of their addresses."""
    _, *found = re.split(r"^## ", RUNBOOK.read_text(), flags=re.MULTILINE)
    return {text.partition("\n")[0]: text for text in found}


def test_every_alarm_has_a_paragraph_and_every_paragraph_an_alarm(usual: Applied) -> None:
    assert paragraphs().keys() == {paragraph(a) for a in usual.state.of("cloudwatch_metric_alarm")}


def test_as_many_alarms_are_told_of_as_there_are(usual: Applied) -> None:
    number = len(usual.state.of("cloudwatch_metric_alarm"))
    for document in ("README.md", "docs/deploying.md"):
        assert re.findall(r"(\d+) alarms", (ROOT / document).read_text()) == [str(number)]


def test_as_many_mistakes_are_told_of_as_are_planted() -> None:
    number = len((*BREAK_A_LAW, *REFUSED, *UNKNOWN, *IN_THE_EXAMPLE))
    assert re.findall(r"(\d+) mistakes", (ROOT / "README.md").read_text()) == [str(number)]


@pytest.mark.parametrize("name", paragraphs())
def test_a_paragraph_ends_in_the_command_to_type(name: str) -> None:
    assert re.search(r"\n```sh\n(aws|starlift) [^\n]+\n```\n*$", paragraphs()[name])


def test_every_resource_in_a_command_of_the_runbook_is_there(usual: Applied) -> None:
    named = set(re.findall(r"\bstarlift-[a-z.-]+[a-z]\b", RUNBOOK.read_text()))
    names = {f["function_name"] for f in usual.state.of("lambda_function")}
    names |= {queue["name"] for queue in usual.state.of("sqs_queue")}
    assert named <= names
    assert len(named) > 3


def aws_commands(text: str) -> list[tuple[str, str, set[str]]]:
    """Return each command of aws that a text shows: service, operation, options."""
    shown = re.findall(r"\baws ([a-z0-9]+) ([a-z-]+)((?: +(?!\|)[^\n`]*)?)", text)
    return [
        (service, operation, set(re.findall(r"(?<!\S)--([a-z-]+)", rest.split('"$(')[0])))
        for service, operation, rest in shown
    ]


@cache
def options(service: str, operation: str) -> set[str]:
    """Return the options of a command of aws, empty where there is no such command."""
    if known := OF_THE_COMMAND_LINE.get((service, operation)):
        return known
    name = operation.title().replace("-", "")
    try:
        model = botocore.session.get_session().get_service_model(service)
        shape = model.operation_model(name).input_shape
    except (botocore.exceptions.UnknownServiceError, botocore.model.OperationNotFoundError):
        return set()
    members = (
        {re.sub(r"(?<!^)(?=[A-Z])", "-", member).lower() for member in shape.members} if shape else set()
    )
    return {*members, "any"}


@pytest.mark.parametrize("document", ABOUT_AWS, ids=lambda path: path.stem)
def test_every_command_of_aws_that_is_shown_exists(document: Path) -> None:
    shown = aws_commands(document.read_text())
    wrong = [
        (service, operation, sorted(given - options(service, operation) - EVERYWHERE))
        for service, operation, given in shown
        if not options(service, operation) or given - options(service, operation) - EVERYWHERE
    ]
    assert wrong == []


def test_a_command_of_aws_that_does_not_exist_is_found() -> None:
    shown = aws_commands("`aws sqs purge-queue --queue-url x`\naws sqs purge-queues --queue-url x\n")
    assert [bool(options(*command[:2])) for command in shown] == [True, False]
    assert shown[0][2] <= options("sqs", "purge-queue")
    assert not {"queue"} <= options("sqs", "purge-queue")
