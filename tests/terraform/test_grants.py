"""Each function may do what it was seen to do while it moved a Totesys from end to end, and no more."""

from __future__ import annotations

import pytest

from tests.lambdas.recorded import ACCOUNT, SUFFIX, Call, record
from tests.postgres import PostgresForTests
from tests.s3_door import S3Door
from tests.terraform.conftest import IN_A_NETWORK, Applied
from tests.terraform.function_laws import STAGES, stage_of
from tests.terraform.policies import allows, covers, grants, statements
from tests.terraform.state import State

REGION = IN_A_NETWORK["region"]
THROUGH_SECRETS_MANAGER = {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}

SAME_CODE = {"extract": ("extract", "reconcile"), "reconcile": ("extract", "reconcile")}
"""A grant is used where one of these uses it: the two are one stage, on two schedules."""

UNUSED = {
    "WriteLog": "Lambda uses it, in the function's name",
    "JoinNetwork": "Lambda uses it, in the function's name",
    "TakeMessages": "Lambda uses it, in the function's name",
    "AbortUploads": "used where an upload of more than 16 MiB fails",
    "ReadIngestion s3:GetObject data": "extract reads back what it wrote where S3's answer was lost",
    "ReadIngestion s3:GetObject inventory": "the same",
}
"""Grants that no call has used, by statement, or by statement, action and first part of the key."""


@pytest.fixture(scope="module")
def calls(postgres: PostgresForTests, s3_server: S3Door) -> dict[str, set[Call]]:
    """What each function asks of AWS, by the names that the tests give to buckets and secrets."""
    return record(postgres, s3_server)


def policy_of(state: State, stage: str) -> dict[str, object]:
    """Return the policy of a stage's role."""
    function = next(function for function in state.of("lambda_function") if stage_of(function) == stage)
    role = function["role"].rpartition("/")[2]
    found: dict[str, object] = next(p for p in state.of("iam_role_policy") if p["role"] == role).document(
        "policy"
    )
    return found


def as_deployed(state: State, found: set[Call]) -> set[Call]:
    """Return calls with the ARNs of the state, and with what Secrets Manager asks of KMS for the caller."""
    lakes = {
        lake: next(b["arn"] for b in state.of("s3_bucket") if f"-{lake}-" in b["bucket"])
        for lake in ("ingestion", "processed")
    }
    secrets = {
        ACCOUNT + name + SUFFIX: next(
            s["arn"] for s in state.of("secretsmanager_secret") if s["name"].endswith(f"/{name}")
        )
        for name in ("source", "warehouse", "hmac")
    }
    (key,) = state.of("kms_key")
    calls: set[Call] = set()
    for action, arn in found:
        if action.startswith("s3:"):
            bucket, slash, rest = arn.removeprefix("arn:aws:s3:::").partition("/")
            calls.add((action, lakes[bucket] + slash + rest))
        else:
            calls |= {(action, secrets[arn]), ("kms:Decrypt", key["arn"])}
    return calls


@pytest.mark.parametrize("stage", STAGES)
def test_every_call_of_a_function_is_granted_by_its_role(
    in_a_network: Applied, calls: dict[str, set[Call]], stage: str
) -> None:
    policy = policy_of(in_a_network.state, stage)
    asked = as_deployed(in_a_network.state, calls[stage])
    assert len(asked) > 5
    assert [call for call in asked if not allows(policy, *call, THROUGH_SECRETS_MANAGER)] == []


@pytest.mark.parametrize("stage", STAGES)
def test_no_call_of_a_function_is_granted_to_a_stage_that_does_not_make_it(
    in_a_network: Applied, calls: dict[str, set[Call]], stage: str
) -> None:
    # what load puts into the ingestion lake and extract reads: nobody else's role covers it by accident
    state = in_a_network.state
    others = [other for other in STAGES if other not in SAME_CODE.get(stage, (stage,))]
    writes = {call for call in as_deployed(state, calls[stage]) if call[0] == "s3:PutObject"}
    may = {(other, call) for other in others for call in writes if allows(policy_of(state, other), *call)}
    assert may == set()


def unused(state: State, calls: dict[str, set[Call]], stage: str) -> set[str]:
    """Return the grants of a stage that none of its calls has used, named as in UNUSED."""
    policy = policy_of(state, stage)
    made = set().union(*(as_deployed(state, calls[one]) for one in SAME_CODE.get(stage, (stage,))))
    found = set()
    for sid, action, resource in grants(policy):
        (statement,) = [s for s in statements(policy) if s["Sid"] == sid]
        alone = {**statement, "Action": action, "Resource": resource}
        if not any(covers(alone, *call, THROUGH_SECRETS_MANAGER) for call in made):
            kind = resource.removesuffix("/*").rpartition("/")[2]
            found.add(sid if sid in UNUSED else f"{sid} {action} {kind}")
    return found


def test_nothing_that_is_granted_goes_unused_without_a_reason(
    in_a_network: Applied, calls: dict[str, set[Call]]
) -> None:
    of = {stage: unused(in_a_network.state, calls, stage) for stage in STAGES}
    assert {stage: found - UNUSED.keys() for stage, found in of.items() if found - UNUSED.keys()} == {}
    assert UNUSED.keys() - set().union(*of.values()) == set(), "these are used now"


def test_each_statement_that_is_taken_away_is_missed(
    in_a_network: Applied, calls: dict[str, set[Call]]
) -> None:
    for stage in STAGES:
        made = set().union(
            *(as_deployed(in_a_network.state, calls[one]) for one in SAME_CODE.get(stage, (stage,)))
        )
        policy = policy_of(in_a_network.state, stage)
        for statement in statements(policy):
            if statement["Sid"] not in UNUSED:
                rest = {"Statement": [other for other in statements(policy) if other is not statement]}
                refused = [call for call in made if not allows(rest, *call, THROUGH_SECRETS_MANAGER)]
                assert refused, f"{stage} does not miss {statement['Sid']}"
