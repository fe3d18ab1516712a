"""Another key has the hashes of the star made anew, in one batch; what is read no more keeps its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pg8000.native
import pytest

from starlift.bootstrap import Pipeline
from starlift.core.manifest import Manifest
from starlift.entrypoints.local import cycle
from starlift.settings import Settings
from starlift.stages import log
from tests.postgres import PostgresForTests, SourceDatabase, WarehouseDatabase, connected
from tests.privacy.club import HERE, KEY, make_folder
from tests.privacy.marks import Mark

OTHER = "another key of the club, which nobody else may know"
PHONE, IBAN = Mark("a telephone number"), Mark("an account")


@dataclass
class Rotation:
    """A club's pipeline within this process."""

    folder: Path
    source: SourceDatabase
    warehouse: WarehouseDatabase

    def pipeline(self, key: str) -> Pipeline:
        values = {
            "STARLIFT_SOURCE_URL": self.source.reader,
            "STARLIFT_WAREHOUSE_URL": self.warehouse.owner,
            "STARLIFT_INGESTION": (self.folder / "home").as_uri(),
            "STARLIFT_PROCESSED": (self.folder / "processed").as_uri(),
            "STARLIFT_CONFIG": str(self.folder / "sql" / "pipeline.toml"),
            "STARLIFT_HMAC_KEY": key,
        }
        return Pipeline(Settings(values))

    def run(self, key: str) -> dict[str, Any]:
        """Run one cycle that must succeed."""
        done = cycle(self.pipeline(key))
        assert not done.errors, done.errors
        return done.document()

    def newest(self) -> Manifest:
        return Manifest.decode(log.head(self.pipeline(KEY).ingestion)[1] or b"")

    def star(self, query: str) -> list[list[Any]]:
        with connected(self.warehouse.owner) as owner:
            return owner.run(query) or []


@pytest.fixture
def club(postgres: PostgresForTests, tmp_path: Path) -> Iterator[Rotation]:
    """A club of three members and two payments, in the star under the first key."""
    make_folder(tmp_path)
    schema = (HERE / "sql" / "schema.sql").read_text()
    with postgres.other_source("club", schema, ("public",)) as source, postgres.warehouse() as warehouse:
        made = Rotation(tmp_path, source, warehouse)
        with connected(source.admin) as clerk:
            live(clerk)
        first = made.pipeline(KEY)
        with first.warehouse as opened:
            opened.migrate(first.models)
        made.run(KEY)
        yield made


def live(clerk: pg8000.native.Connection) -> None:
    clerk.run(
        "INSERT INTO member (member_id, name, phone) "
        "VALUES (1, 'Ann', :phone), (2, 'Bob', NULL), (3, 'Cy', '')",
        phone=PHONE.value,
    )
    clerk.run(
        "INSERT INTO payment (payment_id, member_id, amount, iban) "
        "VALUES (1, 1, '1.00', :iban), (2, 1, '2.00', :iban)",
        iban=IBAN.value,
    )


def test_every_hash_is_under_the_new_key_after_one_batch(club: Rotation) -> None:
    document = club.run(OTHER)
    assert (document["seq"], document["batches"]["applied"]) == (2, 1)
    assert club.newest().passes == {"member": "whole", "payment": "whole", "card": "time"}
    members = dict(club.star("SELECT name, phone_hash FROM dim_member"))
    empty = "".join(members.pop("Cy"))
    assert members == {"Ann": PHONE.hashed(OTHER), "Bob": None}
    assert len(empty) == 64
    payments = club.star("SELECT DISTINCT iban_hash, phone_hash FROM current_fact_payment")
    assert payments == [[IBAN.hashed(OTHER), PHONE.hashed(OTHER)]]
    assert document["star"]["fact_payment"]["versions"] == 2
    assert club.run(OTHER)["tables"]["member"]["read"] == 0, "once"


def test_versions_that_had_ended_keep_the_hash_of_their_time(club: Rotation) -> None:
    club.run(OTHER)
    history = club.star(
        "SELECT payment_id, iban_hash, valid_to IS NULL FROM history_fact_payment ORDER BY 1, 3"
    )
    assert history == [
        [number, IBAN.hashed(key), newest]
        for number in (1, 2)
        for key, newest in ((KEY, False), (OTHER, True))
    ]


def test_the_last_good_version_of_a_row_in_quarantine_keeps_the_hash_of_its_time(club: Rotation) -> None:
    with connected(club.source.admin) as clerk:
        clerk.run("UPDATE payment SET amount = 'much' WHERE payment_id = 2")
    club.run(OTHER)
    current = dict(club.star("SELECT payment_id, iban_hash FROM current_fact_payment"))
    assert current == {1: IBAN.hashed(OTHER), 2: IBAN.hashed(KEY)}
    row = club.star("SELECT \"row\"->>'iban' FROM starlift.quarantine")
    assert row == [[IBAN.hashed(OTHER)]], "what is in quarantine is the new version"
    with connected(club.source.admin) as clerk:
        clerk.run("UPDATE payment SET amount = '3.00' WHERE payment_id = 2")
    club.run(OTHER)
    assert club.star("SELECT DISTINCT iban_hash FROM current_fact_payment") == [[IBAN.hashed(OTHER)]]


def test_the_manifest_tells_keys_apart_and_nothing_of_them(club: Rotation) -> None:
    types = [club.newest().schema["member"][-1].type]
    club.run(OTHER)
    types.append(club.newest().schema["member"][-1].type)
    assert len(set(types)) == 2
    assert all(len(kind) == len("hmac-sha256:") + 8 for kind in types)
