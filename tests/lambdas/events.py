"""The events that AWS invokes the functions with, in its own form."""

from __future__ import annotations

import hashlib
import json
from itertools import count
from typing import Any

SCHEDULE = {"trigger": "schedule"}
SWEEP = {"trigger": "sweep"}

_NUMBERS = count(1)


def created(bucket: str, key: str) -> str:
    """Return the event that S3 sends through EventBridge for an object, as a queue's message has it."""
    number = next(_NUMBERS)
    return json.dumps(
        {
            "version": "0",
            "id": f"17793124-05d4-b198-2fde-{number:012d}",
            "detail-type": "Object Created",
            "source": "aws.s3",
            "account": "123456789012",
            "time": "2024-11-03T14:20:49Z",
            "region": "eu-west-2",
            "resources": [f"arn:aws:s3:::{bucket}"],
            "detail": {
                "version": "0",
                "bucket": {"name": bucket},
                "object": {"key": key, "size": 5412, "etag": "b1946ac9", "sequencer": f"{number:018X}"},
                "request-id": "N4N7GDK58NMKJ12R",
                "requester": "123456789012",
                "source-ip-address": "10.0.0.7",
                "reason": "PutObject",
            },
        }
    )


def messages(*bodies: str) -> dict[str, Any]:
    """Return the event with which a FIFO queue invokes a function."""
    return {"Records": [_message(body) for body in bodies]}


def _message(body: str) -> dict[str, Any]:
    number = next(_NUMBERS)
    return {
        "messageId": f"059f36b4-87a3-44ab-83d2-{number:012d}",
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1730643649000",
            "SequenceNumber": f"{number:020d}",
            "MessageGroupId": "starlift",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "MessageDeduplicationId": hashlib.sha256(body.encode()).hexdigest(),
            "ApproximateFirstReceiveTimestamp": "1730643649010",
        },
        "messageAttributes": {},
        "md5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-2:123456789012:starlift-transform.fifo",
        "awsRegion": "eu-west-2",
    }


def ids(event: dict[str, Any]) -> list[str]:
    """Return the ids of an event's messages."""
    return [record["messageId"] for record in event["Records"]]


def failed(answer: dict[str, Any]) -> list[str]:
    """Return the ids of the messages that an answer calls failed."""
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
