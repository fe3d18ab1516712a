"""What AWS would answer: ids, ARNs and addresses that other resources refer to, predicted from names."""

from __future__ import annotations

import hashlib
import json
from typing import Any

ACCOUNT = "123456789012"

_ARN = {
    "aws_s3_bucket": "arn:aws:s3:::{bucket}",
    "aws_iam_role": "arn:aws:iam::{account}:role/{name}",
    "aws_iam_policy": "arn:aws:iam::{account}:policy/{name}",
    "aws_iam_openid_connect_provider": "arn:aws:iam::{account}:oidc-provider/{name}",
    "aws_lambda_function": "arn:aws:lambda:{region}:{account}:function:{function_name}",
    "aws_sqs_queue": "arn:aws:sqs:{region}:{account}:{name}",
    "aws_sns_topic": "arn:aws:sns:{region}:{account}:{name}",
    "aws_cloudwatch_event_rule": "arn:aws:events:{region}:{account}:rule/{name}",
    "aws_cloudwatch_log_group": "arn:aws:logs:{region}:{account}:log-group:{name}",
    "aws_cloudwatch_metric_alarm": "arn:aws:cloudwatch:{region}:{account}:alarm:{alarm_name}",
    "aws_scheduler_schedule_group": "arn:aws:scheduler:{region}:{account}:schedule-group/{name}",
    "aws_secretsmanager_secret": "arn:aws:secretsmanager:{region}:{account}:secret:{name}-AbCdEf",
    "aws_kms_key": "arn:aws:kms:{region}:{account}:key/{name}",
    "aws_db_instance": "arn:aws:rds:{region}:{account}:db:{identifier}",
}

_ID = {
    "aws_sqs_queue": "https://sqs.{region}.amazonaws.com/{account}/{name}",
    "aws_sns_topic": _ARN["aws_sns_topic"],
    "aws_secretsmanager_secret": _ARN["aws_secretsmanager_secret"],
    "aws_iam_policy": _ARN["aws_iam_policy"],
    "aws_iam_openid_connect_provider": _ARN["aws_iam_openid_connect_provider"],
}

_NAMES = ("name", "bucket", "function_name", "alarm_name", "identifier", "dashboard_name")


def is_named(resource: dict[str, Any]) -> bool:
    """Whether a resource has a name already, of which its ids can be predicted."""
    return any(isinstance(resource.get(key), str) for key in _NAMES)


def predicted(kind: str, resource: dict[str, Any], region: str) -> dict[str, str]:
    """Return the computed values of a resource that AWS would make of its name, or of its content."""
    name = next((resource[key] for key in _NAMES if isinstance(resource.get(key), str)), None)
    if name is None:
        content = json.dumps(resource, default=str, sort_keys=True)
        digest = hashlib.sha256(content.encode()).hexdigest()
        name = f"{kind.removeprefix('aws_').replace('_', '-')}-{digest[:17]}"
    texts = {key: value for key, value in resource.items() if isinstance(value, str)}
    known = {**dict.fromkeys(_NAMES, name), **texts, "name": name, "region": region, "account": ACCOUNT}
    values = {"id": _ID.get(kind, "{name}").format_map(known)}
    values["arn"] = _ARN.get(kind, _any_arn(kind)).format_map(known)
    values["key_id"] = values["url"] = values["id"]
    return {key: value for key, value in values.items() if key in resource}


def _any_arn(kind: str) -> str:
    service, _, thing = kind.removeprefix("aws_").partition("_")
    return f"arn:aws:{service}:{{region}}:{{account}}:{thing}/{{name}}"


def of_data(kind: str, region: str) -> dict[str, Any]:
    """Return what a data source says of the account and the region."""
    known: dict[str, dict[str, Any]] = {
        "aws_caller_identity": {"account_id": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:user/offline"},
        "aws_availability_zones": {"names": [region + zone for zone in "abc"]},
    }
    return {"id": region, **known.get(kind, {})}
