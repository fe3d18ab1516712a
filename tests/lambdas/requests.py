"""Sees every request that a client of AWS makes in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

Note = Callable[[str, Mapping[str, Any], str], None]
"""Is told the operation, its parameters, and the error code of its answer, empty where it went well."""


@contextmanager
def watched(note: Note) -> Iterator[None]:
    """Tell of each request within a block, once it is answered."""
    original: Any = vars(BaseClient)["_make_api_call"]

    def noted(client: Any, operation: str, values: dict[str, Any]) -> Any:
        try:
            answer = original(client, operation, values)
        except ClientError as error:
            note(operation, values, error.response["Error"]["Code"])
            raise
        note(operation, values, "")
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", noted)
        yield
