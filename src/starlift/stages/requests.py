"""Requests in the ingestion lake: put by later stages and by people, answered by the next extract.

One that a manifest names in `served` is answered. Its object is removed after that commit, so that what is
listed is what is pending; where it cannot be removed, the next manifests go on naming it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from starlift.core import paths
from starlift.core.manifest import Manifest
from starlift.core.requests import Request
from starlift.errors import HeldError, UnavailableError
from starlift.ports import Lake

_NAME = re.compile(r"requests/([0-9A-HJKMNP-TV-Z]{26})\.json")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Requests:
    """What is in the lake. pending: by name, oldest first. answered: names of those that an earlier batch
    has answered and that are still there."""

    pending: Mapping[str, Request]
    answered: tuple[str, ...] = ()

    def but_of(self, tables: Collection[str]) -> Requests:
        """Return all but those about tables that cannot be read now: they wait."""
        pending = {name: request for name, request in self.pending.items() if request.table not in tables}
        return replace(self, pending=pending)


def read(lake: Lake, previous: Manifest | None) -> Requests:
    """Return the requests in a lake. previous: its newest manifest.

    Raises HeldError where an object that is named like a request is none.
    """
    served = set(previous.served if previous else ())
    matches = map(_NAME.fullmatch, lake.keys("requests/"))
    names = [match[1] for match in matches if match]
    pending = {name: _read(lake, name) for name in names if name not in served}
    found = {name: request for name, request in pending.items() if request}
    return Requests(found, tuple(name for name in names if name in served))


def _read(lake: Lake, name: str) -> Request | None:
    data = lake.get(paths.request(name))
    if data is None:  # another run has answered it since
        return None
    try:
        return Request.decode(data)
    except ValueError as error:
        raise HeldError(
            f"object {paths.request(name)} of the lake {lake.root} cannot be answered: {error}",
            "move it away, then: starlift run",
        ) from error


def ask(lake: Lake, request: Request, clock: str, origin: str) -> str:
    """Put a request and return its name; clock, origin: see `Request.ulid`. Durable when it returns."""
    name = request.ulid(clock, origin)
    lake.put_if_absent(paths.request(name), request.encode())
    return name


def clear(lake: Lake, names: tuple[str, ...]) -> None:
    """Remove requests that a committed manifest names as served."""
    try:
        for name in names:
            lake.delete(paths.request(name))
    except UnavailableError as error:
        # They are answered, and the next manifest will say so again: not worth failing the run.
        _logger.warning("answered requests stay in the lake: %s; %s", error, error.hint)
