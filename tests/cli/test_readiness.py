"""A cycle begins where lakes, models and warehouse belong together, and an outage is no contradiction."""

from __future__ import annotations

import pytest

from starlift.adapters.memory import MemoryLake
from starlift.core import paths
from starlift.core.manifest import Identity, Manifest, ModelRef, Processed, sha256
from starlift.core.models import Model
from starlift.errors import ConfigurationError, HeldError, StarliftError, UnavailableError
from starlift.ports import Applied, Ask, Batch, Loaded
from starlift.stages.generations import Current
from starlift.stages.readiness import check_ready

NOW = "2024-11-15 12:00:00+00:00"


class Place:
    """The lakes of a pipeline after some batches, and a warehouse that has applied some of them."""

    def __init__(self, landed: int = 0, made: int = 0, applied: int = 0) -> None:
        self.ingestion, self.processed = MemoryLake(), MemoryLake()
        self.fault: StarliftError | None = None
        self.done = applied
        for seq in range(1, landed + 1):
            self.ingestion.put_if_absent(paths.manifest(seq), landed_manifest(seq))
        for seq in range(1, made + 1):
            self.processed.put_if_absent(paths.manifest(seq), made_manifest(seq))

    def applied(self) -> Applied | None:
        if self.fault:
            raise self.fault
        digest = sha256(made_manifest(self.done))
        return Applied(self.done, "incremental", digest, NOW, NOW) if self.done else None

    def apply(
        self,
        batch: Batch,  # noqa: ARG002 - as the port has it
        ask: Ask = lambda _: None,  # noqa: ARG002
        *,
        confirmed: bool = False,  # noqa: ARG002
        released: bool = False,  # noqa: ARG002
    ) -> Loaded:
        raise AssertionError("a check applies nothing")

    def apply_together(self, *_: object, **__: object) -> list[Loaded]:
        raise AssertionError("a check applies nothing")

    def check(self, *models: Model) -> None:
        check_ready((self.ingestion, Current(self.processed)), self, models or (MODEL,), {"staff"})


MODEL = Model("dim_staff", "dimension", "One row.", ("staff_id",), "staff", (), "SELECT 1", (), "digest")


def landed_manifest(seq: int) -> bytes:
    identity = Identity("1", 1, "0/1")
    return Manifest(
        "totesys", seq, "incremental", "run", "test", None, NOW, NOW, identity, "1:1:", {}, {}, {}, {}
    ).encode()


def made_manifest(seq: int) -> bytes:
    models = (ModelRef("dim_staff", "dimension", ("staff_id",), "staff", "digest"),)
    origin = sha256(landed_manifest(seq))
    return Processed("totesys", seq, "incremental", "test", None, origin, NOW, NOW, models, {}, {}).encode()


@pytest.mark.parametrize("counts", [(0, 0, 0), (3, 0, 0), (3, 1, 1), (3, 3, 3), (3, 0, 3)])
def test_places_that_belong_together_are_ready(counts: tuple[int, int, int]) -> None:
    Place(*counts).check()


def test_a_model_that_changed_is_not_ready() -> None:
    other = Model("dim_staff", "dimension", "One row.", ("staff_id",), "staff", (), "SELECT 2", (), "other")
    with pytest.raises(ConfigurationError, match="model dim_staff has changed"):
        Place(3, 3, 3).check(other)


@pytest.mark.parametrize(("driving", "joins"), [("sale", ()), ("staff", ("department",))])
def test_a_model_of_a_table_that_is_not_taken_is_not_ready_and_nothing_is_asked(
    driving: str, joins: tuple[str, ...]
) -> None:
    place = Place()
    place.fault = UnavailableError("nobody asks", "starlift run")
    other = Model("dim_x", "dimension", "One row.", ("id",), driving, joins, "SELECT 1", (), "digest")
    with pytest.raises(
        ConfigurationError, match=r"model dim_x reads table (sale|department), which"
    ) as caught:
        place.check(MODEL, other)
    assert "[tables." in caught.value.hint


def test_a_warehouse_ahead_of_its_lake_has_another() -> None:
    with pytest.raises(HeldError, match="batch 3 of the warehouse did not come from the lake"):
        Place(2, 2, 3).check()


def test_a_warehouse_whose_batch_has_other_bytes_in_the_lake_has_another() -> None:
    place = Place(3, 3, 3)
    place.processed.put(paths.manifest(3), made_manifest(3).replace(b"test", b"best"))
    with pytest.raises(HeldError, match="batch 3 of the warehouse did not come from the lake"):
        place.check()


def test_a_landed_manifest_that_is_not_the_one_its_batch_was_made_of_is_noticed() -> None:
    place = Place(3, 3, 3)
    place.ingestion.put(paths.manifest(3), landed_manifest(3).replace(b"run", b"fun"))
    with pytest.raises(HeldError, match="batch 3 of the lake memory://lake was not made of that of"):
        place.check()


def test_a_damaged_manifest_of_the_processed_lake_is_noticed() -> None:
    place = Place(3, 3, 2)
    place.processed.put(paths.manifest(3), made_manifest(3)[:50])
    with pytest.raises(HeldError, match=r"manifests/0{19}3\.json in the lake .* cannot be read"):
        place.check()


def test_a_run_that_commits_meanwhile_is_no_other_lake() -> None:
    class Busy(Place):
        def applied(self) -> Applied | None:
            for lake, manifest in ((self.ingestion, landed_manifest(4)), (self.processed, made_manifest(4))):
                lake.put_if_absent(paths.manifest(4), manifest)
            self.done = 4
            return super().applied()

    Busy(3, 3, 3).check()


def test_an_outage_is_let_through_only_after_the_first_batch() -> None:
    for landed in (0, 1):
        place = Place(landed)
        place.fault = UnavailableError("the warehouse sleeps", "starlift run")
        if landed:
            place.check()
        else:
            with pytest.raises(UnavailableError):
                place.check()


def test_a_warehouse_that_is_not_migrated_is_never_let_through() -> None:
    place = Place(3, 3)
    place.fault = ConfigurationError("not migrated", "starlift migrate")
    with pytest.raises(ConfigurationError):
        place.check()
