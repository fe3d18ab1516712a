"""A source with writers, and an extractor over it that lands in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import Any

import pg8000.native
import pytest
import zstandard

from starlift.adapters.memory import MemoryLake
from starlift.adapters.postgres.connection import Dsn
from starlift.adapters.postgres.source import PostgresSource
from starlift.core.config import DeclaredMode, Limits, PipelineConfig, TableSpec
from starlift.core.hmac_key import HmacKey
from starlift.core.manifest import File, Manifest
from starlift.stages import log
from starlift.stages.extract import NOT_ASKED, Extracted, Reconciliation, Run, extract
from starlift.stages.shapes import Approve
from starlift.stages.watch import UNWATCHED, Watch
from tests.postgres import SourceDatabase, connect

Row = dict[str, str | None]
ITEM = TableSpec("item", ("id",), ("id", "name"), cursor="changed")


@dataclass
class Extractor:
    """Polls the table `item` of a source again and again, and keeps what a warehouse would hold."""

    url: str
    config: PipelineConfig
    lake: MemoryLake = field(default_factory=MemoryLake)
    hmac_key: str | None = None
    approve: Approve = lambda *_: None
    ranks: Mapping[str, int] = field(default_factory=dict)
    adapter: Callable[[Dsn, HmacKey | None], PostgresSource] = PostgresSource
    _runs: Iterator[int] = field(default_factory=lambda: count(1))

    def poll(
        self,
        reconciled: Reconciliation = NOT_ASKED,
        accept: Collection[str] = (),
        watch: Watch = UNWATCHED,
    ) -> Extracted:
        """One extract, as a fresh process would make it."""
        run = Run(f"run{next(self._runs)}", "test", watch, self.ranks)
        key = HmacKey(self.hmac_key) if self.hmac_key else None
        with self.adapter(Dsn.parse(self.url), key) as source:
            asked = replace(reconciled, accept=frozenset(accept))
            return extract(source, self.lake, self.config, run, self.approve, asked)

    def manifest(self, seq: int) -> Manifest:
        """A committed manifest."""
        return Manifest.decode(log.read(self.lake, seq))

    def rewrite(self, seq: int, **parts: Any) -> None:
        """Have the newest manifest say something else, as a source does that is not what it was."""
        altered = replace(self.manifest(seq), **parts)
        self.lake = type(self.lake)()
        log.commit(self.lake, seq, altered.encode())

    def rows(self, seq: int, table: str = "item") -> list[Row]:
        """The rows a batch shipped."""
        return self._lines([file for file in self.manifest(seq).files if file.table == table])

    def listed(self, seq: int, table: str = "item") -> list[Row]:
        """The keys a batch listed, in the order of the keys."""
        lines = self._lines(self.manifest(seq).inventory[table].files)
        return sorted(lines, key=lambda line: str(line["_key"]))

    def _lines(self, files: Sequence[File]) -> list[Row]:
        lines = b"".join(
            zstandard.ZstdDecompressor().decompressobj().decompress(log.fetch(self.lake, file))
            for file in files
        )
        return [json.loads(line) for line in lines.splitlines()]

    def landed(self, table: str = "item") -> dict[str, Row]:
        """The newest shipped row of every key: the table as a warehouse knows it, but for deletes."""
        found: dict[str, Row] = {}
        for seq in range(1, log.head(self.lake)[0] + 1):
            found.update({str(row["id"]): row for row in self.rows(seq, table)})
        return found

    def names(self) -> dict[str, str | None]:
        """id -> name of what landed."""
        return {key: row["name"] for key, row in self.landed().items()}


@dataclass(frozen=True)
class Shop:
    """A source database with one table `item`, as its owner sees it."""

    database: SourceDatabase
    owner: pg8000.native.Connection
    other: pg8000.native.Connection

    def run(self, sql: str, **values: Any) -> list[list[Any]]:
        """Run a statement in autocommit."""
        return self.owner.run(sql, **values) or []

    def names(self) -> dict[str, str | None]:
        """id -> name of what is committed."""
        return {str(key): name for key, name in self.run("SELECT id, name FROM item")}

    def next_second(self) -> None:
        """Wait for the clock's next whole second. A watermark is cut to one, and would otherwise stay behind
        a stamp of the same second whatever the barrier says."""
        self.run(
            "SELECT pg_sleep(extract(epoch FROM "
            "date_trunc('second', clock_timestamp()) + interval '1 s' - clock_timestamp()))"
        )

    @contextmanager
    def session(self) -> Iterator[pg8000.native.Connection]:
        """Another writer for a block."""
        connection = connect(self.database.admin)
        try:
            yield connection
        finally:
            connection.close()


@pytest.fixture
def shop(source_db: SourceDatabase) -> Iterator[Shop]:
    """A shop with three items."""
    owner, other = connect(source_db.admin), connect(source_db.admin)
    owner.run("CREATE TABLE item (id int PRIMARY KEY, name text, changed timestamptz DEFAULT now())")
    owner.run("INSERT INTO item VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    owner.run("GRANT SELECT ON item TO starlift_source")
    yield Shop(source_db, owner, other)
    owner.close()
    other.close()


MakeExtractor = Callable[..., Extractor]


@pytest.fixture
def extractor_of(shop: Shop) -> MakeExtractor:
    """Make an extractor of the shop in a mode; `spec` and `limits` replace parts of the declaration."""

    def make(mode: DeclaredMode = "xid", **spec: Any) -> Extractor:
        limits = Limits(**{"margin": timedelta(), **spec.pop("limits", {})})
        table = replace(ITEM, mode=mode, **spec)
        config = PipelineConfig("shop", "public", "public", {table.name: table}, limits)
        return Extractor(shop.database.reader, config)

    return make


@pytest.fixture(params=["xid", "timestamp"])
def extractor(request: pytest.FixtureRequest, extractor_of: MakeExtractor) -> Extractor:
    """An extractor in each of the two modes."""
    return extractor_of(request.param)
