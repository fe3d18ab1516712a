"""The pollers of the race: starlift's extract in its two modes, and the ways in which others poll.

All read the table `item` and keep, by key, the newest name they have read.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from starlift.core.config import DeclaredMode, Limits, PipelineConfig
from starlift.stages.extract import Reconciliation
from tests.extract.conftest import ITEM, Extractor
from tests.postgres import connected

Copy = dict[str, str | None]

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Method(Protocol):
    """A way to poll."""

    def poll(self) -> object:
        """Read what is new."""

    def copy(self) -> Copy:
        """Return key and name of every row, as far as this method knows."""

    def seen(self) -> Copy:
        """Return those of every row that it ever read."""


@dataclass
class Starlift:
    """The real extract stage on the real source adapter; the lake alone is in memory.

    The margin is nothing here: with the 10 seconds of the default, timestamp mode would read so much twice
    that nothing was proved in a short race. An inventory lists every key, of however many.
    """

    url: str
    mode: DeclaredMode
    extractor: Extractor = field(init=False)

    def __post_init__(self) -> None:
        limits = Limits(margin=timedelta(), list_rows=10**9)
        tables = {ITEM.name: replace(ITEM, mode=self.mode)}
        self.extractor = Extractor(self.url, PipelineConfig("race", "public", "public", tables, limits))

    def poll(self) -> object:
        """Run one extract, as a fresh process would."""
        return self.extractor.poll()

    def copy(self) -> Copy:
        """Return what was shipped, but for the keys that an inventory, asked for now, does not list."""
        found = self.extractor.poll(Reconciliation(tables=frozenset({ITEM.name})))
        listed = {str(line["_key"]).strip("()") for line in self.extractor.listed(found.seq)}
        return {key: name for key, name in self.seen().items() if key in listed}

    def seen(self) -> Copy:
        """Return what was shipped."""
        return self.extractor.names()

    def pass_by_xid(self) -> None:
        """Poll as once an hour."""
        config = self.extractor.config
        self.extractor.config = replace(config, limits=replace(config.limits, xid_every=timedelta()))
        self.extractor.poll()
        self.extractor.config = config


@dataclass
class Watermark:
    """`WHERE last_updated >= watermark`, merged on the key: how others poll. `>=` is the fairer."""

    url: str
    lag: timedelta = timedelta()
    barrier: str = ""
    since: datetime = LONG_AGO
    rows: Copy = field(default_factory=dict)

    def poll(self) -> object:
        """Read from the watermark on, then move it: to the barrier, or else to the newest stamp read."""
        with connected(self.url) as session:
            ahead = session.run(self.barrier)[0][0] if self.barrier else None
            read = session.run(
                "SELECT id, name, changed FROM item WHERE changed >= :since", since=self.since - self.lag
            )
        self.rows |= {str(key): name for key, name, _ in read}
        newest = max((stamp for *_, stamp in read), default=self.since)
        self.since = max(self.since, ahead or newest)
        return len(read)

    def copy(self) -> Copy:
        """Return every row read, in its newest version: such a poll cannot tell which are gone."""
        return self.rows

    def seen(self) -> Copy:
        """Return every row read."""
        return self.rows


OLDEST_WITH_XID = """
SELECT coalesce(min(xact_start), now()) FROM pg_stat_activity
WHERE datname = current_database() AND backend_xid IS NOT NULL
"""
