"""What AWS invokes a function with: payloads of schedules, and messages of a queue with events of S3.

An event is a nudge and nothing more: a stage looks for whatever is pending. So what an event says is needed
for the log alone, and one that is not understood is as good a nudge as any other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

TRIGGERS = ("schedule", "sweep")
"""What a schedule may say it is."""


@dataclass(frozen=True)
class Nudges:
    """An event. told: what each nudge says, such as `manifests/….json` or `schedule`. unreadable: how many
    say nothing that is understood. messages: ids of the queue's messages, in its order; None where no queue
    invokes."""

    told: tuple[str, ...]
    unreadable: int
    messages: tuple[str, ...] | None

    def answer(self, document: Mapping[str, Any], *, again: bool) -> dict[str, Any]:
        """Return what the function answers. again: whether there is more to do than was done.

        Then the queue is told that its last message failed, so that it comes once more and the work goes on;
        the others are done with."""
        if self.messages is None:
            return dict(document)
        failed = self.messages[-1:] if again else ()
        return {**document, "batchItemFailures": [{"itemIdentifier": message} for message in failed]}


def read(event: object) -> Nudges:
    """Read an event, whatever it is. Raises nothing."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list):
        return _nudges([_said(event)], None)
    messages = tuple(record["messageId"] for record in records if _is_message(record))
    return _nudges([_said(_body(record)) for record in records], messages)


def _nudges(said: list[str | None], messages: tuple[str, ...] | None) -> Nudges:
    told = tuple(text for text in said if text is not None)
    return Nudges(told, len(said) - len(told), messages)


def _is_message(record: object) -> bool:
    return isinstance(record, Mapping) and isinstance(record.get("messageId"), str)


def _body(record: object) -> object:
    """What a queue's message holds, None where that is no JSON."""
    try:
        return json.loads(record["body"]) if isinstance(record, Mapping) else None
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def _said(nudge: object) -> str | None:
    """What a nudge says, None where it is not understood."""
    if not isinstance(nudge, Mapping):
        return None
    if nudge.get("trigger") in TRIGGERS:
        return str(nudge["trigger"])
    created = nudge.get("source") == "aws.s3" and nudge.get("detail-type") == "Object Created"
    key = next(_keys(nudge.get("detail")), None)
    return key if created else None


def _keys(detail: object) -> Iterator[str]:
    created = detail.get("object") if isinstance(detail, Mapping) else None
    if isinstance(created, Mapping) and isinstance(created.get("key"), str):
        yield created["key"]
