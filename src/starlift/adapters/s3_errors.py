"""What each failure of S3 means to the person who runs the pipeline."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from http import HTTPStatus

from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    RefreshWithMFAUnsupportedError,
    SSLError,
    SSOError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError
from urllib3.exceptions import NameResolutionError

from starlift.errors import UnavailableError

_NO_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    TokenRetrievalError,
    NoAuthTokenError,
    RefreshWithMFAUnsupportedError,
    SSOError,
)

_GET_CREDENTIALS = (
    "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, with temporary ones, AWS_SESSION_TOKEN, "
    "or AWS_PROFILE after aws sso login, then: starlift run"
)

BROKEN_UPLOADS = frozenset({"BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch"})
"""Error codes for bytes that arrived otherwise than they were sent: nothing was stored."""


_BUSY = frozenset({HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True)
class _Refusal:
    """What to say of the bucket, and what to do, where S3 answers with one of some error codes."""

    codes: frozenset[str]
    said: str
    remedy: str


_REFUSALS = (
    _Refusal(
        frozenset({"NoSuchBucket"}),
        "does not exist",
        "correct {variable} or create the bucket, then: aws s3api head-bucket --bucket {bucket}",
    ),
    _Refusal(
        frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem", "Forbidden", "403"}),
        "denies access",
        "grant s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload and s3:ListBucket "
        "(without the last, S3 calls a missing object denied) to the identity shown by: "
        "aws sts get-caller-identity",
    ),
    _Refusal(
        frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}),
        "refuses the AWS credentials, which have expired",
        "renew them (aws sso login, or a new AWS_SESSION_TOKEN with its keys), then: starlift run",
    ),
    _Refusal(
        frozenset({"InvalidAccessKeyId", "InvalidClientTokenId", "InvalidToken", "SignatureDoesNotMatch"}),
        "refuses the AWS credentials, which are wrong",
        _GET_CREDENTIALS,
    ),
    _Refusal(
        frozenset(
            {
                "301",
                "AuthorizationHeaderMalformed",
                "IllegalLocationConstraintException",
                "PermanentRedirect",
            }
        ),
        "is in another region{region}",
        "set AWS_DEFAULT_REGION and, where it is set, AWS_ENDPOINT_URL to the bucket's region, shown by: "
        "aws s3api head-bucket --bucket {bucket}",
    ),
    _Refusal(
        frozenset({"RequestTimeTooSkewed"}),
        "refuses this machine, whose clock is wrong",
        "set the clock, then: starlift run",
    ),
    _Refusal(
        BROKEN_UPLOADS,
        "receives other bytes than were sent",
        "see what alters them on the way (a proxy, a failing machine), then: starlift run",
    ),
    _Refusal(
        frozenset({"NotImplemented", "501"}),
        "is on a store without conditional PUT (If-None-Match), so two runs could overwrite each other",
        "point {variable} to a store that has it, then: starlift run",
    ),
)
"""By the error codes of S3. docs/s3.md shows each as it is met."""


def code(error: ClientError) -> str:
    """Return S3's error code, such as `NoSuchKey`; an answer without a body has its HTTP status."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status(error: ClientError) -> int:
    """Return the HTTP status of an answer of S3."""
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


def explained(action: str, bucket: str, endpoint: str, variable: str, error: Exception) -> UnavailableError:
    """Return the error to raise for one that botocore raised. `action` is what was tried."""
    if isinstance(error, ClientError) and not _is_page(error):
        said, remedy = _refusal(error)
        said = f"the S3 bucket {bucket} {said}"
    elif isinstance(error, RecursionError):  # botocore asks each redirected request of HeadBucket where to go
        said = f"{endpoint} redirects every request to another address"
        remedy = "set AWS_ENDPOINT_URL to that address (https?), then: starlift run"
    elif isinstance(error, ClientError | ResponseParserError):
        said = f"{endpoint} does not answer as S3 does: {_line(error)}"
        remedy = "correct AWS_ENDPOINT_URL, or see what answers in its place, then: starlift run"
    elif isinstance(error, _NO_CREDENTIALS):
        said = f"there are no usable AWS credentials for the S3 bucket {bucket}: {_line(error)}"
        remedy = _GET_CREDENTIALS
    else:
        said = f"S3 at {endpoint} does not answer for the bucket {bucket}: {_unreached(error)}"
        remedy = "check the network and AWS_ENDPOINT_URL, then: starlift run"
        if isinstance(error, SSLError):
            remedy = "correct AWS_ENDPOINT_URL, or set AWS_CA_BUNDLE to its CA's file, then: starlift run"
    return UnavailableError(
        f"cannot {action}: {said}", remedy.format(bucket=shlex.quote(bucket), variable=variable)
    )


def _is_page(error: ClientError) -> bool:
    """S3 explains itself in XML; a web server, a proxy or a portal in its place does in HTML."""
    headers = error.response["ResponseMetadata"].get("HTTPHeaders", {})
    return bool(headers.get("content-type", "").startswith("text/html"))


def _refusal(error: ClientError) -> tuple[str, str]:
    """Return what an answer says of the bucket, in S3's own words too, and what to do."""
    detail = error.response.get("Error", {})
    words = ": ".join(text for part in ("Code", "Message") if (text := _line(detail.get(part, ""))))
    for refusal in _REFUSALS:
        if code(error) in refusal.codes:
            headers = error.response["ResponseMetadata"].get("HTTPHeaders", {})
            region = headers.get("x-amz-bucket-region") or detail.get("Region")
            said = refusal.said.format(region=f", {region}" if region else "")
            return f"{said} ({words})", refusal.remedy
    if status(error) in _BUSY or status(error) >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return f"is busy or out of order ({words})", "if it lasts, see AWS's status page, then: starlift run"
    return f"refuses ({words})", "correct what S3 says here, then: starlift run"


def _unreached(error: Exception) -> str:
    if isinstance(error, EndpointConnectionError):
        cause = error.kwargs.get("error")
        if isinstance(cause, NameResolutionError):
            return f"{_line(error)}, whose name is not known"
    return _line(error)


def _line(what: object) -> str:
    return " ".join(str(what).split())
