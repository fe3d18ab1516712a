"""What a policy allows is told as IAM tells it, as far as this project's policies go."""

from __future__ import annotations

from typing import Any

import pytest

from tests.terraform.policies import allows, grants

LAKE = "arn:aws:s3:::lake"


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    """Return a document."""
    usual = {"Sid": "A", "Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{LAKE}/manifests/*"}
    return {"Version": "2012-10-17", "Statement": [{**usual, **statement} for statement in statements]}


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        ("s3:GetObject", f"{LAKE}/manifests/head", True),
        ("S3:getobject", f"{LAKE}/manifests/generations/x", True),
        ("s3:GetObject", f"{LAKE}/Manifests/head", False),
        ("s3:GetObject", f"{LAKE}/data/x", False),
        ("s3:GetObjectVersion", f"{LAKE}/manifests/head", False),
        ("s3:PutObject", f"{LAKE}/manifests/head", False),
    ],
)
def test_only_what_a_statement_names_is_allowed(action: str, resource: str, allowed: bool) -> None:
    assert allows(policy({}), action, resource) is allowed


def test_nothing_is_allowed_where_nothing_is_said() -> None:
    assert not allows({}, "s3:GetObject", LAKE)


def test_a_denial_wins() -> None:
    denied = policy({}, {"Sid": "B", "Effect": "Deny", "Action": "s3:*", "Resource": "*"})
    assert not allows(denied, "s3:GetObject", f"{LAKE}/manifests/head")


def test_stars_and_question_marks_are_the_only_wildcards() -> None:
    document = policy({"Action": "s3:Get?bject", "Resource": f"{LAKE}/a.b/*"})
    assert allows(document, "s3:GetObject", f"{LAKE}/a.b/c/d")
    assert not allows(document, "s3:GetObject", f"{LAKE}/axb/c")


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ({"StringEquals": {"kms:ViaService": "s3.amazonaws.com"}}, True),
        ({"StringEquals": {"kms:ViaService": ["x", "s3.amazonaws.com"]}}, True),
        ({"StringEquals": {"kms:ViaService": "s3.*"}}, False),
        ({"StringLike": {"kms:ViaService": "s3.*"}}, True),
        ({"StringLike": {"aws:SourceArn": "*"}}, False),
        ({"Bool": {"aws:SecureTransport": "true"}}, False),
    ],
)
def test_a_condition_has_to_hold(condition: dict[str, Any], allowed: bool) -> None:
    document = policy({"Condition": condition})
    told = {"kms:ViaService": "s3.amazonaws.com"}
    assert allows(document, "s3:GetObject", f"{LAKE}/manifests/head", told) is allowed


@pytest.mark.parametrize("part", [{"NotAction": "s3:*"}, {"Condition": {"NumericLessThan": {"x": "1"}}}])
def test_what_is_not_known_here_is_refused(part: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"NotAction|NumericLessThan"):
        allows(policy(part), "s3:GetObject", f"{LAKE}/manifests/head")


def test_grants_are_told_pair_by_pair() -> None:
    document = policy({"Action": ["s3:GetObject", "s3:PutObject"], "Resource": LAKE}, {"Effect": "Deny"})
    assert list(grants(document)) == [("A", "s3:GetObject", LAKE), ("A", "s3:PutObject", LAKE)]
