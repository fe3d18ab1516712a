"""What can go wrong between a run and its lakes in S3: how S3 says it, how the run says it, and what the
lakes hold after it. docs/s3.md has this table; `python -m tests.cli.s3_failures` prints it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from tests.cli.s3_answers import (
    BROKEN,
    CONFLICT,
    DENIED,
    ELSEWHERE,
    EXPIRED,
    INGESTION,
    MISSING,
    NO_CONDITIONS,
    PROCESSED,
    SIGNED_FOR_ELSEWHERE,
    SKEWED,
    SLOW_DOWN,
    UNKNOWN_KEY,
    WRONG_SECRET,
    WRONG_TOKEN,
    Rule,
    always,
    at,
    once_rows_are_written,
)
from tests.s3_door import Page, Refusal


class Held(Enum):
    """What the lakes hold after a run that failed, against what they held before it."""

    UNTOUCHED = "what it held before"
    ROWS = "what it held before, and rows of the batch that no manifest names, which nobody reads"
    LANDED = "the batch in the ingestion lake, from where the next run goes on"
    MADE = "the batch in the ingestion lake, and files of it in the processed lake that no manifest names"
    APPLIED = "the whole batch, and the warehouse has it: only S3's answer was lost"


@dataclass(frozen=True)
class Failure:
    """One thing that goes wrong. answer: how it shows. said: part of the message. remedy: its last line.

    rule: makes the rule of the door for one run, given the number of the newest manifest. values: of the
    environment, with `{port}` of the door; an empty one takes the variable away.
    """

    name: str
    answer: str
    said: str
    remedy: str
    rule: Callable[[int], Rule] = lambda _: lambda _: None
    values: Mapping[str, str] = field(default_factory=dict)
    held: Held = Held.UNTOUCHED
    code: int = 5


GRANT = (
    "grant s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload and s3:ListBucket (without "
    "the last, S3 calls a missing object denied) to the identity shown by: aws sts get-caller-identity"
)
GET_CREDENTIALS = (
    "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, with temporary ones, AWS_SESSION_TOKEN, "
    "or AWS_PROFILE after aws sso login, then: starlift run"
)
RENEW = "renew them (aws sso login, or a new AWS_SESSION_TOKEN with its keys), then: starlift run"
REGION = (
    "set AWS_DEFAULT_REGION and, where it is set, AWS_ENDPOINT_URL to the bucket's region, shown by: "
    f"aws s3api head-bucket --bucket {INGESTION}"
)
WAIT = "if it lasts, see AWS's status page, then: starlift run"
NETWORK = "check the network and AWS_ENDPOINT_URL, then: starlift run"
NO_S3 = "correct AWS_ENDPOINT_URL, or see what answers in its place, then: starlift run"
RESTORE = "restore it (an earlier version, a backup), then: starlift run"


def create(variable: str, bucket: str) -> str:
    """What to do about a bucket that is not there."""
    return f"correct {variable} or create the bucket, then: aws s3api head-bucket --bucket {bucket}"


FAILURES = (
    Failure(
        "the ingestion bucket does not exist",
        "404 NoSuchBucket",
        f"the S3 bucket {INGESTION} does not exist (NoSuchBucket: ",
        create("STARLIFT_INGESTION", INGESTION),
        at(INGESTION, MISSING),
    ),
    Failure(
        "the processed bucket does not exist",
        "404 NoSuchBucket",
        f"the S3 bucket {PROCESSED} does not exist (NoSuchBucket: ",
        create("STARLIFT_PROCESSED", PROCESSED),
        at(PROCESSED, MISSING),
        held=Held.LANDED,
    ),
    Failure(
        "the ingestion bucket may not be read",
        "403 AccessDenied",
        f"the S3 bucket {INGESTION} denies access (AccessDenied: Access Denied)",
        GRANT,
        at(INGESTION, DENIED),
    ),
    Failure(
        "the processed bucket may not be read",
        "403 AccessDenied",
        f"the S3 bucket {PROCESSED} denies access (AccessDenied: Access Denied)",
        GRANT,
        at(PROCESSED, DENIED),
        held=Held.LANDED,
    ),
    Failure(
        "the ingestion bucket may be read and not written",
        "403 AccessDenied to PUT",
        "cannot write data/design/",
        GRANT,
        at(INGESTION, DENIED, "PUT"),
    ),
    Failure(
        "the processed bucket may be read and not written",
        "403 AccessDenied to PUT",
        "cannot write dim_design/",
        GRANT,
        at(PROCESSED, DENIED, "PUT"),
        held=Held.LANDED,
    ),
    Failure(
        "rows may be written to the ingestion bucket, the manifest not",
        "403 AccessDenied to PUT `manifests/`",
        "cannot write manifests/0000",
        GRANT,
        at(INGESTION, DENIED, "PUT", "manifests/"),
        held=Held.ROWS,
    ),
    Failure(
        "files may be written to the processed bucket, the manifest not",
        "403 AccessDenied to PUT `manifests/`",
        "cannot write manifests/0000",
        GRANT,
        at(PROCESSED, DENIED, "PUT", "manifests/"),
        held=Held.MADE,
    ),
    Failure(
        "the endpoint is one of another region",
        "301 PermanentRedirect",
        f"the S3 bucket {INGESTION} is in another region, eu-central-1 (PermanentRedirect: ",
        REGION,
        always(ELSEWHERE),
    ),
    Failure(
        "the request is signed for another region",
        "400 AuthorizationHeaderMalformed",
        f"the S3 bucket {INGESTION} is in another region, eu-central-1 (AuthorizationHeaderMalformed: ",
        REGION,
        always(SIGNED_FOR_ELSEWHERE),
    ),
    Failure(
        "the credentials have expired",
        "400 ExpiredToken",
        "refuses the AWS credentials, which have expired (ExpiredToken: The provided token has expired.)",
        RENEW,
        always(EXPIRED),
    ),
    Failure(
        "the credentials expire half way",
        "400 ExpiredToken once rows are written",
        "refuses the AWS credentials, which have expired (ExpiredToken: The provided token has expired.)",
        RENEW,
        once_rows_are_written(EXPIRED),
        held=Held.ROWS,
    ),
    Failure(
        "there are no credentials",
        "",
        f"there are no usable AWS credentials for the S3 bucket {INGESTION}: Unable to locate credentials",
        GET_CREDENTIALS,
        values={"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
    ),
    Failure(
        "the access key is unknown",
        "403 InvalidAccessKeyId",
        "refuses the AWS credentials, which are wrong (InvalidAccessKeyId: The AWS Access Key Id you ",
        GET_CREDENTIALS,
        always(UNKNOWN_KEY),
    ),
    Failure(
        "the secret key is wrong",
        "403 SignatureDoesNotMatch",
        "refuses the AWS credentials, which are wrong (SignatureDoesNotMatch: The request signature ",
        GET_CREDENTIALS,
        always(WRONG_SECRET),
    ),
    Failure(
        "the session token is wrong",
        "400 InvalidToken",
        "refuses the AWS credentials, which are wrong (InvalidToken: The provided token is malformed ",
        GET_CREDENTIALS,
        always(WRONG_TOKEN),
    ),
    Failure(
        "the profile does not exist",
        "",
        "the AWS settings make no S3 client: The config profile (nobody) could not be found",
        "correct the AWS_* variables or ~/.aws/config, then: starlift run",
        values={"AWS_PROFILE": "nobody"},
        code=2,
    ),
    Failure(
        "this machine's clock is wrong",
        "403 RequestTimeTooSkewed",
        "refuses this machine, whose clock is wrong (RequestTimeTooSkewed: The difference between ",
        "set the clock, then: starlift run",
        always(SKEWED),
    ),
    Failure(
        "nobody listens at the endpoint",
        "",
        "S3 at http://127.0.0.1:1 does not answer for the bucket",
        NETWORK,
        values={"AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
    ),
    Failure(
        "the endpoint's name is not known",
        "",
        f'the endpoint URL: "http://nowhere.invalid/{INGESTION}/manifests/head", whose name is not known',
        NETWORK,
        values={"AWS_ENDPOINT_URL": "http://nowhere.invalid"},
    ),
    Failure(
        "the endpoint's certificate is not trusted, or it speaks no TLS",
        "",
        "SSL validation failed for https://127.0.0.1",
        "correct AWS_ENDPOINT_URL, or set AWS_CA_BUNDLE to its CA's file, then: starlift run",
        values={"AWS_ENDPOINT_URL": "https://127.0.0.1:{port}"},
    ),
    Failure(
        "another server answers at the endpoint",
        "200 and a page of HTML",
        "does not answer as S3 does",
        NO_S3,
        always(Page(200)),
    ),
    Failure(
        "the endpoint redirects everything, as from http to https",
        "301 and a page of HTML",
        "redirects every request to another address",
        "set AWS_ENDPOINT_URL to that address (https?), then: starlift run",
        always(Page(301)),
    ),
    Failure(
        "the store has no conditional PUT",
        "501 NotImplemented",
        "is on a store without conditional PUT (If-None-Match), so two runs could overwrite each other",
        "point STARLIFT_INGESTION to a store that has it, then: starlift run",
        at(INGESTION, NO_CONDITIONS, "PUT"),
    ),
    Failure(
        "S3 is overloaded and does not stop being so",
        "503 SlowDown to every try",
        "is busy or out of order (SlowDown: Please reduce your request rate.)",
        WAIT,
        always(SLOW_DOWN),
    ),
    Failure(
        "S3 has an outage",
        "500 InternalError to every try",
        "is busy or out of order (InternalError: We encountered an internal error. Please try again.)",
        WAIT,
        always(BROKEN),
    ),
    Failure(
        "every connection is dropped",
        "nothing",
        "does not answer for the bucket",
        NETWORK,
        always("drop the request"),
    ),
    Failure(
        "another write of the manifest never ends",
        "409 ConditionalRequestConflict to every try",
        "is busy or out of order (ConditionalRequestConflict: The conditional request cannot succeed ",
        WAIT,
        at(INGESTION, CONFLICT, "PUT", "manifests/"),
        held=Held.ROWS,
    ),
    Failure(
        "the answer to the ingestion manifest is lost at every try",
        "nothing, but the manifest is stored",
        "cannot write manifests/0000",
        NETWORK,
        at(INGESTION, "lose the answer", "PUT", "manifests/0"),
        held=Held.APPLIED,
    ),
    Failure(
        "what is written arrives altered at every try",
        "400 BadDigest",
        "receives other bytes than were sent (BadDigest: The SHA256 you specified did not match ",
        "see what alters them on the way (a proxy, a failing machine), then: starlift run",
        at(INGESTION, "alter the upload", "PUT", "data/"),
    ),
    Failure(
        "what is read arrives altered at every try",
        "an answer with another SHA-256",
        "Expected checksum",
        NETWORK,
        at(INGESTION, "alter the body", "GET", "data/"),
        held=Held.LANDED,
    ),
    Failure(
        "what is read breaks off at every try",
        "half an answer",
        "does not answer for the bucket",
        NETWORK,
        at(INGESTION, "cut the body", "GET", "data/"),
        held=Held.LANDED,
    ),
    Failure(
        "an object was replaced or cut in the bucket",
        "200 and other bytes than the manifest names",
        f"of table design in the lake s3://{INGESTION} has 9 bytes instead of ",
        RESTORE,
        at(INGESTION, Page(200, b"not these"), "GET", "data/"),
        held=Held.LANDED,
        code=4,
    ),
    Failure(
        "an object was deleted from the bucket",
        "404 NoSuchKey",
        f"of table design in the lake s3://{INGESTION} is missing",
        RESTORE,
        at(INGESTION, Refusal(404, "NoSuchKey", "The specified key does not exist."), "GET", "data/"),
        held=Held.LANDED,
        code=4,
    ),
    Failure(
        "the newest manifest of the ingestion lake was replaced or cut",
        "200 and other bytes",
        f"of the lake s3://{PROCESSED} was not made of that of s3://{INGESTION}",
        "correct STARLIFT_INGESTION and STARLIFT_PROCESSED, or restore the manifest, then: starlift run",
        at(INGESTION, Page(200, b"{"), "GET", "manifests/{newest}"),
        code=4,
    ),
    Failure(
        "the newest manifest of the processed lake was replaced or cut",
        "200 and other bytes",
        f" in the lake s3://{PROCESSED} cannot be read: ",
        RESTORE,
        at(PROCESSED, Page(200, b"{"), "GET", "manifests/{newest}"),
        code=4,
    ),
)


def table() -> str:
    """Return the failures as a table in Markdown."""
    head = [
        "what goes wrong",
        "S3 answers",
        "exit code",
        "what the lake holds after it",
        "what to do: the message's last line",
    ]
    rows = [[f.name, f.answer or "–", str(f.code), f.held.value, f"`{f.remedy}`"] for f in FAILURES]
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, ["---"] * len(head), *rows])


if __name__ == "__main__":
    print(table(), end="")  # noqa: T201 - that is what it is for
