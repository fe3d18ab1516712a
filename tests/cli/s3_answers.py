"""What S3 answers when something is wrong, and when it does so.

The answers are S3's own: code, message and elements as the Amazon S3 API reference and logs have them.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.s3_door import Fault, Refusal, Request

INGESTION, PROCESSED = "totesys-ingestion", "totesys-processed"
"""The buckets of the lakes."""

Rule = Callable[[Request], Fault | None]
"""What becomes of each request."""


def always(fault: Fault) -> Callable[[int], Rule]:
    """Every request meets a fault."""
    return lambda _: lambda _: fault


def at(bucket: str, fault: Fault, methods: str = "GET PUT", below: str = "") -> Callable[[int], Rule]:
    """Requests of some methods meet it that are for a bucket, or for its keys that start with `below`;
    `{newest}` is the newest manifest's name."""

    def begin(newest: int) -> Rule:
        path = f"/{bucket}/{below.format(newest=f'{newest:020d}.json')}".rstrip("/")
        return lambda asked: fault if asked.method in methods and asked.path.startswith(path) else None

    return begin


def once_rows_are_written(fault: Fault) -> Callable[[int], Rule]:
    """Every request meets it after the first one that stores rows."""

    def begin(_: int) -> Rule:
        written = False

        def rule(request: Request) -> Fault | None:
            nonlocal written
            if written:
                return fault
            written = str(request).startswith(f"PUT /{INGESTION}/data/")
            return None

        return rule

    return begin


DENIED = Refusal(403, "AccessDenied", "Access Denied")
MISSING = Refusal(404, "NoSuchBucket", "The specified bucket does not exist")
EXPIRED = Refusal(400, "ExpiredToken", "The provided token has expired.", "<Token-0>FwoG</Token-0>")
ELSEWHERE = Refusal(
    301,
    "PermanentRedirect",
    "The bucket you are attempting to access must be addressed using the specified endpoint. "
    "Please send all future requests to this endpoint.",
    "<Endpoint>totesys-ingestion.s3.eu-central-1.amazonaws.com</Endpoint>",
    "eu-central-1",
)
SIGNED_FOR_ELSEWHERE = Refusal(
    400,
    "AuthorizationHeaderMalformed",
    "The authorization header is malformed; the region 'eu-west-2' is wrong; expecting 'eu-central-1'",
    "<Region>eu-central-1</Region>",
    "eu-central-1",
)
UNKNOWN_KEY = Refusal(
    403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
)
WRONG_SECRET = Refusal(
    403,
    "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you provided. "
    "Check your key and signing method.",
)
WRONG_TOKEN = Refusal(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
SKEWED = Refusal(
    403,
    "RequestTimeTooSkewed",
    "The difference between the request time and the current time is too large.",
    "<MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds>",
)
SLOW_DOWN = Refusal(503, "SlowDown", "Please reduce your request rate.")
BROKEN = Refusal(500, "InternalError", "We encountered an internal error. Please try again.")
CONFLICT = Refusal(
    409,
    "ConditionalRequestConflict",
    "The conditional request cannot succeed due to a conflicting operation against this resource.",
)
NO_CONDITIONS = Refusal(
    501, "NotImplemented", "A header you provided implies functionality that is not implemented"
)
