"""A large object in parts: where a request fails, one part is sent again and not the whole."""

from __future__ import annotations

import base64
import logging
import shlex
import zlib
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from starlift.adapters.s3_errors import code

PART_BYTES = 16 << 20
"""An object of more bytes goes up in parts of this size, one at a time. S3 takes parts from 5 MiB on and up
to 10,000 of them, so 156 GiB; a manifest, some 250 bytes a file, stays a single PUT up to 60,000 files."""

_logger = logging.getLogger(__name__)


def upload_in_parts(client: Any, bucket: str, name: str, data: bytes) -> None:
    """Store an object under a key that must be free: it appears whole with the last request, or not at all.

    S3 compares the CRC-32 of each part and of the whole, which botocore compares again when it is read
    (a SHA-256 of a whole made of parts is none that S3 could give). Raises ClientError and BotoCoreError,
    412 where the key is taken, once the parts are removed; where that fails too, it is logged.
    """
    where = {"Bucket": bucket, "Key": name}
    begun = client.create_multipart_upload(**where, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    upload = {**where, "UploadId": begun["UploadId"]}
    try:
        parts = [
            _send(client, upload, number, data[start : start + PART_BYTES])
            for number, start in enumerate(range(0, len(data), PART_BYTES), 1)
        ]
        client.complete_multipart_upload(
            **upload,
            MultipartUpload={"Parts": parts},
            ChecksumType="FULL_OBJECT",
            ChecksumCRC32=_crc32(data),
            IfNoneMatch="*",
        )
    except BaseException:  # an interrupt too
        _remove(client, upload)
        raise


def _send(client: Any, upload: dict[str, str], number: int, part: bytes) -> dict[str, Any]:
    checksum = _crc32(part)
    sent = client.upload_part(**upload, PartNumber=number, Body=part, ChecksumCRC32=checksum)
    return {"PartNumber": number, "ETag": sent["ETag"], "ChecksumCRC32": checksum}


def _remove(client: Any, upload: dict[str, str]) -> None:
    try:
        client.abort_multipart_upload(**upload)
    except (BotoCoreError, ClientError) as error:
        if isinstance(error, ClientError) and code(error) == "NoSuchUpload":
            return  # removed already, or put together
        _logger.warning(
            "parts of an upload stay in the bucket %s: %s; remove them: "
            "aws s3api abort-multipart-upload --bucket %s --key %s --upload-id %s",
            upload["Bucket"],
            error,
            *map(shlex.quote, upload.values()),
        )


def _crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
