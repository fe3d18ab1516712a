"""What each failure of S3 means to the person who runs the pipeline."""

from __future__ import annotations

import shlex

from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    RefreshWithMFAUnsupportedError,
    SSOError,
    TokenRetrievalError,
)

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

_GRANT = (
    "grant this identity s3:GetObject, s3:PutObject and s3:ListBucket (without the last, S3 calls a "
    "missing object a denied one), then: aws s3api head-bucket --bucket {bucket}"
)

_REFUSALS: tuple[tuple[frozenset[str], str, str], ...] = (
    (
        frozenset({"NoSuchBucket"}),
        "does not exist",
        "correct {variable} or create the bucket, then: aws s3api head-bucket --bucket {bucket}",
    ),
    (
        frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem", "Forbidden", "403"}),
        "denies access",
        _GRANT,
    ),
    (
        frozenset(
            {
                "ExpiredToken",
                "ExpiredTokenException",
                "InvalidAccessKeyId",
                "InvalidClientTokenId",
                "InvalidToken",
                "SignatureDoesNotMatch",
                "TokenRefreshRequired",
            }
        ),
        "does not accept the AWS credentials, which are wrong or expired",
        _GET_CREDENTIALS,
    ),
    (
        frozenset(
            {
                "301",
                "AuthorizationHeaderMalformed",
                "IllegalLocationConstraintException",
                "PermanentRedirect",
            }
        ),
        "is in another region",
        "set AWS_DEFAULT_REGION to the one shown by: aws s3api head-bucket --bucket {bucket}",
    ),
    (
        frozenset({"RequestTimeTooSkewed"}),
        "refuses this machine, whose clock is wrong",
        "set the clock, then: starlift run",
    ),
    (
        frozenset({"NotImplemented", "501"}),
        "is on a store without conditional PUT (If-None-Match), so two runs could overwrite each other",
        "point {variable} to a store that has it, then: starlift run",
    ),
)
"""By the error codes of S3: what to say of the bucket, and what to do."""


def code(error: ClientError) -> str:
    """Return S3's error code, such as `NoSuchKey`; an answer without a body has its HTTP status."""
    return str(error.response.get("Error", {}).get("Code", ""))


def explained(action: str, bucket: str, endpoint: str, variable: str, error: Exception) -> UnavailableError:
    """Return the error to raise for one that botocore raised. `action` is what was tried."""
    if isinstance(error, ClientError):
        said, remedy = _refusal(error)
        said = f"the S3 bucket {bucket} {said} ({code(error)})"
    elif isinstance(error, _NO_CREDENTIALS):
        said = f"there are no usable AWS credentials for the S3 bucket {bucket}: {_line(error)}"
        remedy = _GET_CREDENTIALS
    else:
        said = f"S3 at {endpoint} does not answer for the bucket {bucket}: {_line(error)}"
        remedy = "check the network and AWS_ENDPOINT_URL, then: starlift run"
    return UnavailableError(
        f"cannot {action}: {said}", remedy.format(bucket=shlex.quote(bucket), variable=variable)
    )


def _refusal(error: ClientError) -> tuple[str, str]:
    for codes, said, remedy in _REFUSALS:
        if code(error) in codes:
            return said, remedy
    text = " ".join(str(error.response.get("Error", {}).get("Message", "")).split())
    return f"fails: {text}", "if it lasts, see the AWS status page, then: starlift run"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
