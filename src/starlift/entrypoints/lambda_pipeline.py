"""The pipeline as a function in AWS has it: addresses are kept while it is warm, bytes are counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlift.bootstrap import Pipeline
from starlift.ports import ListedLake, Stored

if TYPE_CHECKING:
    from starlift.adapters.postgres.connection import Dsn, Role


class Addresses:
    """The databases' addresses by the names of their secrets, fetched when first asked for."""

    def __init__(self) -> None:
        self._kept: dict[str, Dsn] = {}

    def of(self, secret: str) -> Dsn:
        """Return the address in a secret. Raises as `starlift.adapters.secrets.fetch_dsn`."""
        from starlift.adapters.secrets import fetch_dsn

        if secret not in self._kept:
            self._kept[secret] = fetch_dsn(secret)
        return self._kept[secret]

    def forget(self) -> bool:
        """Fetch all of them anew when they are next asked for. Return whether there were any."""
        found = bool(self._kept)
        self._kept.clear()
        return found


@dataclass
class Meter:
    """Bytes of the objects that were read from lakes and written to them, as they are stored."""

    bytes: int = 0


@dataclass(frozen=True)
class MeteredLake:
    """A lake, of which it is counted what goes in and out."""

    lake: ListedLake
    meter: Meter

    @property
    def root(self) -> str:
        """As `Lake.root`."""
        return self.lake.root

    def get(self, key: str) -> bytes | None:
        """As `Lake.get`."""
        data = self.lake.get(key)
        self.meter.bytes += len(data or b"")
        return data

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """As `Lake.put_if_absent`."""
        self.meter.bytes += len(data)
        return self.lake.put_if_absent(key, data)

    def put(self, key: str, data: bytes) -> None:
        """As `Lake.put`."""
        self.meter.bytes += len(data)
        self.lake.put(key, data)

    def keys(self, prefix: str) -> Iterator[str]:
        """As `Lake.keys`."""
        return self.lake.keys(prefix)

    def stored(self, prefix: str) -> Iterator[Stored]:
        """As `ListedLake.stored`."""
        return self.lake.stored(prefix)

    def delete(self, key: str) -> None:
        """As `Lake.delete`."""
        self.lake.delete(key)


@dataclass(frozen=True)
class LambdaPipeline(Pipeline):
    """A pipeline for one invocation. addresses: those that are kept over invocations. The key of hashes is
    not: two warm functions that hashed under an old and a new key would undo each other's work."""

    addresses: Addresses = field(default_factory=Addresses)
    meter: Meter = field(default_factory=Meter)

    def dsn(self, role: Role) -> Dsn:
        """Return a database's address, as `Pipeline.dsn`; one that is a secret may be that of before."""
        secret = self.settings.secret(role)
        return super().dsn(role) if secret is None else self.addresses.of(secret)

    def _lake(self, variable: str) -> ListedLake:
        return MeteredLake(super()._lake(variable), self.meter)
