"""What one poll after another ships, in both modes, from a real PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from starlift.core import paths
from starlift.core.manifest import Counts, sha256
from starlift.core.source_check import fingerprint
from starlift.core.units import instant
from starlift.errors import ConfigurationError, InventoryNeeded, LostRace, UnavailableError
from starlift.stages import log, parts
from starlift.stages.extract import Reconciliation
from tests.extract.conftest import Extractor, MakeExtractor, Shop


def test_the_first_poll_ships_every_row_and_the_second_nothing(extractor: Extractor, shop: Shop) -> None:
    first = extractor.poll()
    assert (first.seq, first.kind, first.counts) == (1, "bootstrap", {"item": Counts(3, 3, 0)})
    assert extractor.names() == shop.names()
    objects = sorted(extractor.lake.keys(""))
    again = extractor.poll()
    assert (again.seq, again.kind) == (1, None)
    assert sorted(extractor.lake.keys("")) == objects


def test_inserts_and_updates_arrive_at_the_next_poll_and_once(extractor: Extractor, shop: Shop) -> None:
    extractor.poll()
    shop.run("INSERT INTO item VALUES (4, 'd')")
    shop.run("UPDATE item SET name = 'B', changed = now() WHERE id = 2")
    assert extractor.poll().kind == "incremental"
    assert extractor.names() == shop.names()
    assert {"2", "4"} <= {row["id"] for row in extractor.rows(2)}
    extractor.poll()
    extractor.poll()
    assert log.head(extractor.lake)[0] <= 3, "rows that did not change must not make batches"


def test_xid_mode_ships_exactly_the_changed_rows(extractor_of: MakeExtractor, shop: Shop) -> None:
    extractor = extractor_of("xid")
    extractor.poll()
    shop.run("UPDATE item SET name = 'B' WHERE id = 2")
    extractor.poll()
    assert [row["id"] for row in extractor.rows(2)] == ["2"]


def test_xid_mode_sees_an_edit_that_leaves_the_stamp_as_it_was(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    extractor = extractor_of("xid")
    extractor.poll()
    shop.run("UPDATE item SET name = 'silent' WHERE id = 1")
    assert extractor.poll().counts["item"].read == 1
    assert extractor.names() == shop.names()


def test_timestamp_mode_sees_a_silent_edit_in_the_pass_by_xid(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    extractor = extractor_of("timestamp", limits={"xid_every": timedelta(), "margin": timedelta(hours=1)})
    extractor.poll()
    shop.run("UPDATE item SET name = 'silent', changed = '1999-01-01' WHERE id = 1")
    extractor.poll()
    assert extractor.manifest(2).passes == {"item": "time+xid"}
    assert extractor.names() == shop.names()


def test_a_delete_makes_a_batch_that_carries_the_new_count(extractor_of: MakeExtractor, shop: Shop) -> None:
    extractor = extractor_of("xid")
    extractor.poll()
    shop.run("DELETE FROM item WHERE id = 3")
    assert extractor.poll().kind == "incremental"
    assert extractor.manifest(2).tables["item"].count == 2
    assert extractor.poll().kind is None


def test_a_heartbeat_ships_no_row_and_advances_what_the_poll_read(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    extractor = extractor_of("xid", limits={"heartbeat": timedelta()})
    extractor.poll()
    shop.run("CREATE TABLE elsewhere ()")  # takes an xid
    assert extractor.poll().kind == "heartbeat"
    first, second = extractor.manifest(1), extractor.manifest(2)
    assert second.files == ()
    assert int(second.tables["item"].px or 0) > int(first.tables["item"].px or 0)
    assert instant(second.complete_to or "") > instant(first.complete_to or "")


def test_manifests_form_a_hash_chain(extractor: Extractor, shop: Shop) -> None:
    extractor.poll()
    shop.run("INSERT INTO item VALUES (4, 'd')")
    extractor.poll()
    assert extractor.manifest(1).previous_sha256 is None
    assert extractor.manifest(2).previous_sha256 == sha256(log.read(extractor.lake, 1))


def test_the_manifest_names_schema_key_and_fingerprint(extractor: Extractor) -> None:
    extractor.poll()
    manifest = extractor.manifest(1)
    assert [(column.name, column.type) for column in manifest.schema["item"]] == [
        ("id", "integer"),
        ("name", "text"),
    ]
    assert manifest.keys == {"item": ("id",)}
    assert manifest.fingerprints == {"item": fingerprint(manifest.schema["item"])}
    assert manifest.identity.timeline == 1
    assert manifest.tables["item"].mode == extractor.config.tables["item"].mode


def test_a_table_added_to_the_configuration_is_read_whole_and_the_others_go_on(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    extractor = extractor_of("xid")
    extractor.poll()
    shop.run("CREATE TABLE extra (id int PRIMARY KEY, name text)")
    shop.run("INSERT INTO extra SELECT n FROM generate_series(1, 5) n")
    shop.run("GRANT SELECT ON extra TO starlift_source")
    tables = extractor.config.tables
    tables["extra"] = replace(tables["item"], name="extra", cursor=None)
    assert extractor.poll().counts == {"item": Counts(), "extra": Counts(5, 5, 0)}


def test_a_table_taken_out_of_the_configuration_leaves_the_state(
    extractor_of: MakeExtractor, shop: Shop
) -> None:
    extractor = extractor_of("xid")
    shop.run("CREATE TABLE extra (id int PRIMARY KEY, name text)")
    shop.run("GRANT SELECT ON extra TO starlift_source")
    tables = extractor.config.tables
    tables["extra"] = replace(tables["item"], name="extra", cursor=None)
    extractor.poll()
    del tables["extra"]
    assert extractor.poll().kind == "incremental"
    assert list(extractor.manifest(2).tables) == ["item"]


def test_of_two_polls_at_once_one_commits_and_the_other_loses_without_a_trace(
    extractor: Extractor, shop: Shop
) -> None:
    class Overtaken(type(extractor.lake)):  # type: ignore[misc]
        """Another run commits between this run's last look and its own commit."""

        overtaken = False

        def put_if_absent(self, key: str, data: bytes) -> bool:
            if key == paths.manifest(1) and not self.overtaken:
                self.overtaken = True
                extractor.poll()
            return bool(super().put_if_absent(key, data))

    extractor.lake = Overtaken()
    with pytest.raises(LostRace):
        extractor.poll()
    assert log.head(extractor.lake)[0] == 1
    assert extractor.names() == shop.names()


def test_a_lake_of_another_source_is_refused(extractor: Extractor) -> None:
    extractor.poll()
    extractor.config = replace(extractor.config, source_name="other")
    with pytest.raises(ConfigurationError, match="a lake belongs to one source"):
        extractor.poll()


def test_a_table_that_was_never_there_is_a_mistake(extractor: Extractor, shop: Shop) -> None:
    shop.run("ALTER TABLE item RENAME TO thing")
    with pytest.raises(ConfigurationError, match=r"table public\.item is not in the source"):
        extractor.poll()


def test_a_column_the_configuration_does_not_name_is_reported_and_not_taken(
    extractor: Extractor, shop: Shop
) -> None:
    shop.run("ALTER TABLE item ADD secret text DEFAULT 'x'")
    assert extractor.poll().unnamed == {"item": ("secret",)}
    assert all(set(row) == {"id", "name", "_hash"} for row in extractor.rows(1))
    assert extractor.poll().unnamed == {"item": ("secret",)}, "until it is named"


def test_a_column_that_comes_later_is_noted_once_in_a_batch_without_rows(
    extractor: Extractor, shop: Shop
) -> None:
    extractor.poll()
    shop.run("ALTER TABLE item ADD secret text")
    assert extractor.poll().kind == "heartbeat"
    noted = extractor.manifest(2)
    assert (noted.unnamed, noted.files) == ({"item": ("secret",)}, ())
    assert extractor.poll().kind is None
    shop.run("ALTER TABLE item DROP secret")
    assert extractor.poll().kind == "heartbeat"
    assert extractor.manifest(3).unnamed == {}


def test_a_table_the_reader_may_not_read_is_named_with_what_to_run(extractor: Extractor, shop: Shop) -> None:
    shop.run("REVOKE SELECT ON item FROM starlift_source")
    with pytest.raises(UnavailableError, match="permission denied for table item") as raised:
        extractor.poll()
    assert raised.value.hint.endswith("sql/roles/source.sql")
    assert list(extractor.lake.keys("")) == []


def test_another_server_behind_the_same_address_is_not_read_before_a_person_accepts_it(
    extractor: Extractor, shop: Shop
) -> None:
    extractor.poll()
    stored = extractor.manifest(1)
    later = {"item": replace(stored.tables["item"], W="2999-01-01 00:00:00.000000+00:00")}
    extractor.rewrite(1, identity=replace(stored.identity, system_identifier="9"), tables=later)
    with pytest.raises(InventoryNeeded, match="another server answers"):
        extractor.poll()
    assert log.head(extractor.lake)[0] == 1, "nothing may be written"
    assert "another server answers" in (extractor.poll(Reconciliation(new_server=True)).went_back or "")
    assert extractor.manifest(2).inventory["item"].scope == "whole"
    assert {str(row["id"]): row["name"] for row in extractor.rows(2)} == shop.names()
    assert (extractor.manifest(2).tables["item"].W or "") < "2999", "the other one's watermark counts no more"


def test_a_source_that_went_back_is_read_whole_and_says_so(extractor: Extractor, shop: Shop) -> None:
    extractor.poll()
    identity = extractor.manifest(1).identity
    extractor.rewrite(1, identity=replace(identity, wal_lsn="FFFFFF/0"))
    assert "write-ahead log went back" in (extractor.poll().went_back or "")
    assert {str(row["id"]): row["name"] for row in extractor.rows(2)} == shop.names()
    assert extractor.poll().went_back is None


def test_the_watermark_holder_is_named_in_the_manifest(extractor: Extractor, shop: Shop) -> None:
    with shop.session() as writer:
        pid = writer.run("SELECT pg_backend_pid()")[0][0]
        writer.run("BEGIN")
        writer.run("SELECT 1")
        extractor.poll()
        writer.run("COMMIT")
    holder = extractor.manifest(1).watermark_holder
    assert holder is not None
    assert (holder["pid"], holder["user"]) == (pid, "postgres")


def test_a_large_table_is_shipped_in_parts_that_together_are_the_table(
    extractor: Extractor, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PART_BYTES", 20_000)
    shop.run("INSERT INTO item SELECT n, md5(n::text) FROM generate_series(10, 20000) n")
    extractor.poll()
    files = extractor.manifest(1).files
    assert len(files) > 3
    assert sum(file.rows for file in files) == 19_994
    assert len({file.key for file in files}) == len(files)
    assert extractor.names() == shop.names()
