"""The warehouse behind `ports.Warehouse`: one transaction a batch, in the order of docs/protocol.md."""

from __future__ import annotations

import json
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pg8000.native
from pg8000.exceptions import InterfaceError

from starlift.adapters.postgres import turn
from starlift.adapters.postgres.build import check_references, copy_lists, discard_build, prepare_build
from starlift.adapters.postgres.connection import Dsn, connect
from starlift.adapters.postgres.laws import Law, check_laws, read_laws
from starlift.adapters.postgres.migrate import migrate, read_steps
from starlift.adapters.postgres.refusals import explained
from starlift.adapters.postgres.schemas import Schemas, replay_schemas, require_free
from starlift.adapters.postgres.standing import (
    Quarantined,
    Rejected,
    Standing,
    read_loads,
    read_quarantine,
    read_rejected,
    read_standing,
)
from starlift.core.config import PipelineConfig
from starlift.core.holding import together
from starlift.core.manifest import ModelRef
from starlift.core.models import Model
from starlift.errors import HeldError, StarliftError
from starlift.ports import Applied, Ask, Batch, Load, Loaded

if TYPE_CHECKING:
    import pyarrow as pa

    from starlift.adapters.postgres.bare import Bare
    from starlift.adapters.postgres.verifying import PostgresInspection
    from starlift.core.difference import Difference

PIPELINE_SCHEMA = "starlift"
STATEMENT_TIMEOUT = "15min"
LOCK_TIMEOUT = "30s"
"""How long a statement waits for a table that a reader holds."""
WORK_MEMORY = "64MB"
RANDOM_PAGE_COST = "1.1"
"""A change touches few rows of large tables whose indexes are cached; at the default of 4 the planner would
rather read a table of a million rows than look up eleven thousand."""

# The schemas of extensions are among those in which operators are found: citext is else compared as text.
# A server that checks, while it works, whether its client is still there frees the lock of a killed load
# soon. The setting came with PostgreSQL 14 and only Linux is sure to take it.
_SETTINGS = """
SELECT set_config(
           'search_path',
           concat_ws(', ', quote_ident(:pipeline), quote_ident(:star),
                     (SELECT string_agg(DISTINCT quote_ident(n.nspname), ', ')
                      FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                      WHERE n.nspname <> 'pg_catalog'),
                     'pg_temp'),
           true),
       set_config('statement_timeout', :statement_timeout, true),
       set_config('lock_timeout', :lock_timeout, true),
       set_config('work_mem', :work_memory, true),
       set_config('random_page_cost', :random_page_cost, true),
       set_config('DateStyle', 'ISO, YMD', true),
       set_config('IntervalStyle', 'postgres', true),
       set_config('TimeZone', 'UTC', true),
       set_config('extra_float_digits', '1', true),
       set_config('bytea_output', 'hex', true),
       set_config('xmloption', 'content', true), set_config('jit', 'off', true),
       CASE WHEN version() LIKE '%linux%' AND current_setting('client_connection_check_interval', true) <> ''
            THEN set_config('client_connection_check_interval', '5s', true) END
"""

_APPLIED = """
INSERT INTO applied (seq, kind, partial, manifest_sha256, clock, complete_to, seconds, counts)
VALUES (:seq, :kind, :partial, :digest, CAST(:clock AS timestamptz), CAST(:complete_to AS timestamptz),
        :seconds, CAST(:counts AS jsonb))
"""


class PostgresWarehouse:
    """Keeps the promises of `ports.Warehouse` for PostgreSQL 13 and later, as role starlift_warehouse.

    sql: the folder with `warehouse/` (DDL) and `checks/` (laws). schemas: where star and ledger are, if not
    where the configuration has the live ones. Connects when first used; to be used as a context manager.
    """

    def __init__(self, dsn: Dsn, config: PipelineConfig, sql: Path, schemas: Schemas | None = None) -> None:
        self._dsn = dsn
        self._config = config
        self._sql = sql
        self._schemas = schemas or Schemas(config.warehouse_schema, PIPELINE_SCHEMA)
        self._open: pg8000.native.Connection | None = None

    def __enter__(self) -> PostgresWarehouse:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def applied(self) -> Applied | None:
        """Return the last applied batch, None before the first. ConfigurationError if not migrated."""
        with self._transaction("starlift") as connection:
            return turn.last_applied(connection)

    def apply(
        self,
        batch: Batch,
        ask: Ask = lambda _: None,
        *,
        confirmed: bool = False,
        released: bool = False,
    ) -> Loaded:
        """Apply batch `applied + 1` in one transaction, as `ports.Warehouse.apply` says."""
        seqs = (batch.manifest.seq,)
        [loaded] = self.apply_together([batch], ask, seqs if confirmed else (), seqs if released else ())
        return loaded

    def apply_together(
        self,
        batches: Iterable[Batch],
        ask: Ask = lambda _: None,
        confirmed: Container[int] = (),
        released: Container[int] = (),
    ) -> list[Loaded]:
        """Apply the next batches in one transaction, as `ports.Warehouse.apply_together` says."""
        from starlift.adapters.postgres.bare import undress
        from starlift.adapters.postgres.staging import clear

        laws = read_laws(self._sql / "checks")
        done, held = list[Loaded](), list[tuple[int, HeldError]]()
        bare: Bare | None = None
        with self._transaction("the next batch") as connection:
            turn.take_lock(connection, self._schemas.pipeline, self._config.limits.lock_wait)
            for batch in batches:
                seq = batch.manifest.seq
                with explained(self._dsn, f"batch {seq}"):
                    if done:
                        clear(connection)
                    turn.require_turn(connection, batch.manifest, batch.manifest_sha256)
                    bare = bare if done else undress(connection, self._schemas, batch.manifest)
                    permitted = seq in confirmed, seq in released
                    done.append(self._apply(connection, batch, laws, ask, permitted, held, bare))
            if bare:
                bare.dress()
            if held:
                raise together(held)
        return done

    def _apply(  # noqa: PLR0913, PLR0917 - where to, what, by which rules, and what the batches have in common
        self,
        connection: pg8000.native.Connection,
        batch: Batch,
        laws: Sequence[Law],
        ask: Ask,
        permitted: tuple[bool, bool],
        held: list[tuple[int, HeldError]],
        bare: Bare | None,
    ) -> Loaded:
        # it loads Arrow, which other calls do not need
        from starlift.adapters.postgres.loading import Loading

        began, manifest, limits = time.monotonic(), batch.manifest, self._config.limits
        shares = 1.0 if permitted[0] else limits.sweep_hold, 1.0 if permitted[1] else limits.quarantine_hold
        loading = Loading(connection, self._schemas, self._config.calendar, batch, *shares, bare)
        loaded = loading.run()
        held += [(manifest.seq, error) for error in loading.held]
        if not (manifest.partial or held):
            # what a law says of one chunk need not hold before all of them are there
            check_laws(connection, laws, turn.first_open(connection), manifest.seq)
        if not held:
            ask(loaded.requests)
        counts = asdict(replace(loaded, requests=()))
        counts.pop("seq")
        counts.pop("requests")
        connection.run(
            _APPLIED,
            seq=manifest.seq,
            kind=manifest.kind,
            partial=manifest.partial,
            digest=batch.manifest_sha256,
            clock=manifest.clock,
            complete_to=manifest.complete_to,
            seconds=time.monotonic() - began,
            counts=json.dumps(counts),
        )
        return loaded

    def status(self) -> Standing:
        """Return what is in the warehouse, as of one moment. ConfigurationError if not migrated."""
        with self._transaction("starlift status", "ISOLATION LEVEL REPEATABLE READ") as connection:
            return read_standing(connection, self._schemas.build)

    def loads(self, seq: int) -> list[Load]:
        """Return how the batches after `seq` were loaded, in order. ConfigurationError if not migrated."""
        with self._transaction("starlift runs") as connection:
            return read_loads(connection, seq)

    def quarantine(self) -> list[Quarantined]:
        """Return the quarantined rows, dropped ones too. ConfigurationError if not migrated."""
        with self._transaction("starlift quarantine") as connection:
            return read_quarantine(connection)

    def rejected(self, models: Sequence[Model], table: str, key: str) -> Rejected | None:
        """Return all about a quarantined row of a source table, None where there is none of that key."""
        with self._transaction("starlift quarantine") as connection:
            refs = [model.ref for model in models]
            return read_rejected(connection, self._schemas.star, refs, table, key)

    def digests(self) -> dict[int, str]:
        """Return the SHA-256 of the processed manifest by batch applied."""
        with self._transaction("starlift verify-log") as connection:
            return turn.applied_digests(connection)

    def versions_before(self, seq: int) -> int:
        """Return the number of versions of facts that the star would lack if it began with batch `seq`."""
        with self._transaction("starlift rebuild") as connection:
            return turn.versions_before(connection, seq)

    @contextmanager
    def inspect(self) -> Iterator[PostgresInspection]:
        """Give this star as of one moment, for `starlift verify`. ConfigurationError if not migrated."""
        from starlift.adapters.postgres.verifying import PostgresInspection

        with self._transaction("starlift verify", "ISOLATION LEVEL REPEATABLE READ") as connection:
            yield PostgresInspection(connection, self._schemas)

    def migrate(self, models: Sequence[Model]) -> tuple[str, ...]:
        """Create or upgrade star, ledger and views, wholly or not at all. Return the names of what was
        applied. Raises ConfigurationError as `starlift.adapters.postgres.migrate.migrate` says."""
        steps = read_steps(self._sql / "warehouse")
        with self._transaction("starlift migrate") as connection:
            return migrate(connection, self._schemas, steps, [model.ref for model in models])

    def check_fit(self, models: Sequence[Model], made: Mapping[str, pa.Schema]) -> dict[str, list[str]]:
        """Return the star's columns that no model makes, by table; they keep their defaults.

        made: the models' columns. Raises ConfigurationError, naming table and column, unless the star takes
        them."""
        from starlift.adapters.postgres.fitting import (  # loads Arrow
            check_columns,
            made_columns,
            require_table,
        )
        from starlift.adapters.postgres.star_catalogue import read_star

        star = self._schemas.star
        with self._transaction("starlift run") as connection:
            tables = read_star(connection, star, made)
        unmade = {}
        for ref in (model.ref for model in models):
            table, schema = require_table(star, tables.get(ref.name), ref), made[ref.name]
            check_columns(schema, table, ref)
            unmade[ref.name] = [name for name in made_columns(table, ref) if name not in schema.names]
        return {name: columns for name, columns in unmade.items() if columns}

    def replica(self, schema: str) -> PostgresWarehouse:
        """The same star in another schema, with a ledger of its own beside it, for a replay.

        Raises ConfigurationError where the schema's name cannot serve."""
        return self._beside(replay_schemas(schema, self._schemas))

    def _beside(self, schemas: Schemas) -> PostgresWarehouse:
        beside = copy(self)
        beside._schemas, beside._open = schemas, None
        return beside

    def begin(self, models: Sequence[ModelRef]) -> None:
        """Make this replica, empty, or find it as an earlier replay left it.

        Raises ConfigurationError where its schemas hold something else, and what `migrate` raises."""
        steps = read_steps(self._sql / "warehouse")
        with self._transaction("starlift replay") as connection:
            require_free(connection, self._schemas)
            migrate(connection, self._schemas, steps, models)
            if not turn.applied_seq(connection, self._schemas):
                copy_lists(connection, self._schemas, models)

    @contextmanager
    def scratch(self) -> Iterator[PostgresWarehouse]:
        """Give an empty star beside this one, with a connection of its own; it is dropped when the block
        ends. One that was left by a process that was killed is dropped first."""
        with self._beside(self._schemas.scratch) as beside:
            beside.discard()
            try:
                yield beside
            except BaseException:
                with suppress(StarliftError):  # what went wrong is told, and the next one drops it
                    beside.discard()
                raise
            beside.discard()

    def compare_scratch(self) -> list[Difference] | None:
        """Return in what this star and its ledger are not what its scratch has; None where they have not come
        to the same batch. Raises LostRace where that is not of the same generation."""
        from starlift.adapters.postgres.comparing import compare

        with self._transaction("starlift verify", "ISOLATION LEVEL REPEATABLE READ") as connection:
            return compare(connection, self._schemas, self._schemas.scratch)

    @property
    def build(self) -> PostgresWarehouse:
        """The same star once more, to be filled beside this one and published into it. It has to be
        prepared; it has a connection of its own and is a context manager too."""
        return self._beside(self._schemas.build)

    def prepare(self, models: Sequence[ModelRef]) -> None:
        """Make this build target, empty; one that is there and was made by today's files stays as it is.

        Raises what `migrate` raises."""
        steps = read_steps(self._sql / "warehouse")
        with self._transaction("starlift") as connection:
            prepare_build(connection, self._schemas, steps, models)

    def discard(self) -> None:
        """Take this build target away, if it is there."""
        with self._transaction("starlift") as connection:
            discard_build(connection, self._schemas)

    def check(self, models: Sequence[ModelRef]) -> None:
        """Raise HeldError, naming it, where a row of this build target refers to one that is not there."""
        with self._transaction("the star that was built") as connection:
            check_references(connection, self._schemas, models)

    def rehearse(self, models: Sequence[ModelRef]) -> None:
        """Raise what `publish` would raise of the DDL that waits, as `ports.LiveWarehouse.rehearse` says."""
        from starlift.adapters.postgres.publish import rehearse

        steps = read_steps(self._sql / "warehouse")
        live = self._schemas
        with self._transaction("the star that was built") as connection:
            turn.take_lock(connection, live.pipeline, self._config.limits.lock_wait)
            rehearse(connection, live, live.build, steps, models)

    def publish(
        self, models: Sequence[ModelRef], gone: Sequence[str] = (), *, last: str | None = None
    ) -> list[str] | None:
        """Make this star what its build target is, as `ports.LiveWarehouse.publish` says."""
        from starlift.adapters.postgres.publish import bring_up, publish

        steps = read_steps(self._sql / "warehouse")
        live, build = self._schemas, self._schemas.build
        with self._transaction("the star that was built") as connection:
            for schemas in (live, build):
                turn.take_lock(connection, schemas.pipeline, self._config.limits.lock_wait)
            turn.require_last(connection, build, last)
            if turn.applied_seq(connection, live) > turn.applied_seq(connection, build):
                return None
            turn.require_closed(connection, build)
            bring_up(connection, live, steps, models)
            self._set(connection)
            return publish(connection, build, live, models, gone)

    @contextmanager
    def _transaction(
        self, what: str, mode: str = "ISOLATION LEVEL READ COMMITTED"
    ) -> Iterator[pg8000.native.Connection]:
        """Commit when the block ends well; else drop the connection, and with it the transaction: after a
        COPY that broke off, a ROLLBACK would wait for ever."""
        try:
            with explained(self._dsn, what):
                connection = self._connected()
                connection.run(f"BEGIN {mode}")
                self._set(connection)
                yield connection
                connection.run("COMMIT")
        except BaseException:
            self._close()
            raise

    def _set(self, connection: pg8000.native.Connection) -> None:
        connection.run(
            _SETTINGS,
            pipeline=self._schemas.pipeline,
            star=self._schemas.star,
            statement_timeout=STATEMENT_TIMEOUT,
            lock_timeout=LOCK_TIMEOUT,
            work_memory=WORK_MEMORY,
            random_page_cost=RANDOM_PAGE_COST,
        )

    def _connected(self) -> pg8000.native.Connection:
        if self._open is None:
            self._open = connect(self._dsn, "warehouse", "starlift load")
        return self._open

    def _close(self) -> None:
        if self._open is not None:
            connection, self._open = self._open, None
            # A connection that is broken cannot say goodbye; what broke it is being raised already.
            with suppress(InterfaceError, OSError):
                connection.close()
