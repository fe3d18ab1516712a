"""What must hold of all that is made in AWS. Each law yields what breaks it; `broken` asks all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from starlift.core import paths
from tests.terraform import alarm_laws, event_laws
from tests.terraform.function_laws import FUNCTIONS, stage_of
from tests.terraform.network_laws import NETWORK
from tests.terraform.policies import allows, several, statements
from tests.terraform.state import Resource, State

Law = Callable[[State], Iterator[str]]

ANY_RESOURCE = {
    "module.extract.aws_iam_role_policy.this JoinNetwork": "interfaces have no names before they are there",
    "module.reconcile.aws_iam_role_policy.this JoinNetwork": "the same",
    "module.transform.aws_iam_role_policy.this JoinNetwork": "the same",
    "module.load.aws_iam_role_policy.this JoinNetwork": "the same",
}
"""Statements that may be about any resource, and why; there only where functions are in a network."""

LAKES = ("STARLIFT_INGESTION", "STARLIFT_PROCESSED")
_CHANGES = ("s3:PutObject", "s3:DeleteObject")
_PUT, _REMOVE, _POLLS = {"s3:PutObject"}, {"s3:DeleteObject"}, ("extract", "reconcile")
WRITERS: tuple[tuple[int, str, dict[str, set[str]]], ...] = (
    (0, paths.manifest(1), dict.fromkeys(_POLLS, _PUT)),
    (0, paths.HEAD, dict.fromkeys(_POLLS, _PUT)),
    (0, paths.data("staff", 1, "run", 0), dict.fromkeys(_POLLS, _PUT)),
    (0, paths.inventory("staff", 1, "run", 0), dict.fromkeys(_POLLS, _PUT)),
    (0, paths.request("0"), {**dict.fromkeys(_POLLS, _REMOVE), "load": _PUT}),
    (1, paths.manifest(1), {"transform": _PUT}),
    (1, paths.star("dim_staff", 1, "0"), {"transform": _PUT}),
    (1, paths.generation(3) + paths.manifest(1), {"transform": _PUT}),
)
"""Which stage may do what to a key of the ingestion lake (0) or the processed one (1); no other may."""

TRUSTED = {"lambda.amazonaws.com", "scheduler.amazonaws.com"}


def buckets_are_private(state: State) -> Iterator[str]:
    """No access from outside, encrypted, no access lists."""
    switches = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
    for bucket in state.of("s3_bucket"):
        block = state.about("s3_bucket_public_access_block", "bucket", bucket["bucket"])
        if block is None or not all(block[switch] for switch in switches):
            yield f"{bucket.address} may be made public"
        if state.about("s3_bucket_server_side_encryption_configuration", "bucket", bucket["bucket"]) is None:
            yield f"{bucket.address} is not encrypted"
        owner = state.about("s3_bucket_ownership_controls", "bucket", bucket["bucket"])
        if owner is None or owner["rule"][0]["object_ownership"] != "BucketOwnerEnforced":
            yield f"{bucket.address} has access lists"


def buckets_keep_what_was_removed_for_a_while(state: State) -> Iterator[str]:
    """Versions are on, old ones expire and parts of broken uploads too, current ones never."""
    for bucket in state.of("s3_bucket"):
        versions = state.about("s3_bucket_versioning", "bucket", bucket["bucket"])
        if versions is None or versions["versioning_configuration"][0]["status"] != "Enabled":
            yield f"{bucket.address} has no versions"
        cycle = state.about("s3_bucket_lifecycle_configuration", "bucket", bucket["bucket"])
        rules = [rule for rule in (cycle["rule"] if cycle else []) if rule["status"] == "Enabled"]
        for kept in ("noncurrent_version_expiration", "abort_incomplete_multipart_upload"):
            if not any(rule[kept] for rule in rules):
                yield f"{bucket.address} has no rule {kept}"
        if any(expired.get("days") for rule in rules for expired in rule["expiration"]):
            yield f"{bucket.address} expires current versions"


def all_is_reached_over_tls(state: State) -> Iterator[str]:
    """Buckets, queues and topics refuse whoever comes without TLS."""
    holders = [
        *(
            (bucket, state.about("s3_bucket_policy", "bucket", bucket["bucket"]))
            for bucket in state.of("s3_bucket")
        ),
        *(
            (queue, state.about("sqs_queue_policy", "queue_url", queue["id"]))
            for queue in state.of("sqs_queue")
        ),
        *((topic, state.about("sns_topic_policy", "arn", topic["arn"])) for topic in state.of("sns_topic")),
    ]
    for holder, policy in holders:
        found = statements(policy.document("policy")) if policy else []
        if not any(_denies_without_tls(statement, holder) for statement in found):
            yield f"{holder.address} is reached without TLS"


def _denies_without_tls(statement: Mapping[str, Any], holder: Resource) -> bool:
    wanted = {holder["arn"], f"{holder['arn']}/*"} if holder.type == "aws_s3_bucket" else {holder["arn"]}
    return (
        statement["Effect"] == "Deny"
        and statement["Principal"] == "*"
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        and wanted == set(several(statement["Resource"]))
        and any(action in {"s3:*", "sqs:*", "sns:Publish"} for action in several(statement["Action"]))
    )


def policies_name_what_they_grant(state: State) -> Iterator[str]:
    """No action and no resource of a role is a wildcard; what stands for any key has a prefix or a bucket."""
    for policy in state.of("iam_role_policy", "iam_policy"):
        for statement in statements(policy.document("policy")):
            where = f"{policy.address} {statement.get('Sid')}"
            for action in several(statement["Action"]):
                if "*" in action:
                    yield f"{where} grants the wildcard action {action}"
            if "*" in several(statement["Resource"]) and where not in ANY_RESOURCE:
                yield f"{where} is about any resource"


def stages_keep_to_their_part_of_the_lakes(state: State) -> Iterator[str]:
    """Rows and manifests of the ingestion lake are extract's alone, the processed lake is transform's."""
    stages = {stage_of(function): function for function in state.of("lambda_function")}
    for stage, function in stages.items():
        told = function["environment"][0]["variables"]
        lakes = [told[name].replace("s3://", "arn:aws:s3:::") for name in LAKES]
        role = function["role"].rpartition("/")[2]
        policy = next(p.document("policy") for p in state.of("iam_role_policy") if p["role"] == role)
        for lake, key, writers in WRITERS:
            may = {action for action in _CHANGES if allows(policy, action, f"{lakes[lake]}/{key}")}
            if may != (writers.get(stage) or set()):
                yield f"{stage} may {', '.join(sorted(may)) or 'not write'} {key} of {LAKES[lake]}"


def nobody_else_is_let_in(state: State) -> Iterator[str]:
    """Roles are for services of AWS; policies of resources allow a service alone, on conditions."""
    for role in state.of("iam_role"):
        for statement in statements(role.document("assume_role_policy")):
            if statement["Principal"].get("Service") not in TRUSTED:
                yield f"{role.address} may be assumed by {statement['Principal']}"
    for policy in state.of("s3_bucket_policy", "sqs_queue_policy", "sns_topic_policy"):
        for statement in statements(policy.document("policy")):
            allowed = statement["Effect"] == "Allow"
            if allowed and (statement["Principal"] == "*" or not statement.get("Condition")):
                yield f"{policy.address} lets in {statement['Principal']}"


def secrets_are_encrypted_under_our_key(state: State) -> Iterator[str]:
    """Under a key of this pipeline that rotates; and Terraform, whose state many can read, knows no value."""
    keys = {key["arn"]: key for key in state.of("kms_key")}
    for secret in state.of("secretsmanager_secret"):
        key = keys.get(secret["kms_key_id"])
        if key is None or not key["enable_key_rotation"]:
            yield f"{secret.address} is not encrypted under a key of ours that rotates"
    for version in state.of("secretsmanager_secret_version"):
        yield f"{version.address} puts a secret into the state"


def all_has_the_tags_of_the_pipeline(state: State) -> Iterator[str]:
    """Whoever sees a resource, or a bill, can tell what it belongs to."""
    for resource in state.resources:
        tags = resource.values.get("tags_all")
        if tags is not None and tags.get("project") != "starlift":
            yield f"{resource.address} has no tag project"


LAWS: tuple[Law, ...] = (
    buckets_are_private,
    buckets_keep_what_was_removed_for_a_while,
    all_is_reached_over_tls,
    policies_name_what_they_grant,
    stages_keep_to_their_part_of_the_lakes,
    nobody_else_is_let_in,
    secrets_are_encrypted_under_our_key,
    all_has_the_tags_of_the_pipeline,
    *FUNCTIONS,
    *event_laws.EVENTS,
    *alarm_laws.ALARMS,
    *NETWORK,
)


def broken(state: State) -> list[str]:
    """Return all that breaks a law, in the laws' order."""
    return [found for law in LAWS for found in law(state)]
