"""Whatever goes wrong between a run and its lakes in S3 has a name, an exit code and a last line to type;
what the lakes hold after it is known, and the next run goes on from there as if nothing had been."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.cli.conftest import NewProject
from tests.cli.project import COMMAND, Project, Said
from tests.cli.s3_answers import BROKEN, CONFLICT, INGESTION, PROCESSED, SLOW_DOWN
from tests.cli.s3_failures import FAILURES, Failure, Held, table
from tests.e2e import oracle
from tests.s3_door import Fault, Request, S3Door

DOCUMENT = Path(__file__).parents[2] / "docs" / "s3.md"

Objects = dict[str, str]
"""ETags by key."""


@dataclass
class Place:
    """A project with its lakes in two buckets, after its first batch."""

    project: Project
    door: S3Door
    client: Any
    changes: int = 0

    def objects(self, bucket: str) -> Objects:
        """What a bucket holds, asked for past the door's faults."""
        self.door.plan([])
        listed = self.client.list_objects_v2(Bucket=bucket)
        assert not listed["IsTruncated"]
        return {entry["Key"]: entry["ETag"] for entry in listed["Contents"]}

    def newest(self, bucket: str = INGESTION) -> int:
        """The number of the newest manifest."""
        return sum(key.startswith("manifests/0") for key in self.objects(bucket))

    def change(self) -> None:
        """Give the next poll a row to read."""
        self.changes += 1
        name = f"Change {self.changes}"
        self.project.update(f"UPDATE design SET design_name = '{name}' WHERE design_id = 1")

    def star_is_the_source(self) -> bool:
        """Whether the warehouse has what the source has."""
        source = oracle.read_source(self.project.source.admin)
        used = oracle.dates_of_versions(self.project.warehouse.owner)
        expected = oracle.expected_star(source, used)
        return not oracle.differences(expected, oracle.read_star(self.project.warehouse.owner))


@pytest.fixture(scope="module")
def shared_place(projects: NewProject, s3_server: S3Door) -> Iterator[Place]:
    """Behind `place`."""
    s3_server.plan([])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_server.environment.items():
            patch.setenv(name, value)
        project = projects()
        file = project.folder / ".env"
        lines = [line for line in file.read_text().splitlines() if "STARLIFT_INGESTION=" not in line]
        lines = [line for line in lines if "STARLIFT_PROCESSED=" not in line]
        lakes = [f"STARLIFT_INGESTION=s3://{INGESTION}", f"STARLIFT_PROCESSED=s3://{PROCESSED}"]
        file.write_text("\n".join([*lines, *lakes, ""]))
        client = boto3.session.Session().client("s3")
        location = {"LocationConstraint": client.meta.region_name}
        for bucket in (INGESTION, PROCESSED):
            client.create_bucket(Bucket=bucket, CreateBucketConfiguration=location)
        project.cycle()
        yield Place(project, s3_server, client)


@pytest.fixture
def place(shared_place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A project with its lakes in S3 and a row to poll. It goes on from test to test, as pipelines do."""
    for name, value in shared_place.door.environment.items():
        monkeypatch.setenv(name, value)
    shared_place.door.plan([])
    shared_place.change()
    return shared_place


def held(place: Place, before: tuple[Objects, Objects], number: int) -> Held:
    """What is in the lakes that was not; nothing that was there is gone or altered but the head hint."""
    (landed, made), news = before, []
    for bucket, old in ((INGESTION, landed), (PROCESSED, made)):
        now = place.objects(bucket)
        assert {**now, "manifests/head": ""}.items() >= {**old, "manifests/head": ""}.items()
        news.append({key for key in now if now[key] != old.get(key)})
    manifest = f"manifests/{number:020d}.json"
    if manifest in news[1]:
        assert manifest in news[0]
        return Held.APPLIED
    if manifest in news[0]:
        assert not [key for key in news[1] if key.startswith("manifests/")]
        return Held.MADE if news[1] else Held.LANDED
    assert all(key.startswith("data/") for key in news[0])
    assert not news[1]
    return Held.ROWS if news[0] else Held.UNTOUCHED


def assert_told(said: Said) -> None:
    """Each stage that failed says so in a line, and in a second one what to type; Python says nothing."""
    assert "Traceback" not in said.err, said
    lines = said.errors
    assert len(lines) in (2, 4, 6), said
    assert all(line.startswith("starlift: cannot ") or said.code != 5 for line in lines[::2]), said
    assert all(COMMAND.search(line) for line in lines[1::2]), said


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.name)
def test_a_failure_is_named_and_leaves_a_lake_that_the_next_run_goes_on_from(
    place: Place, failure: Failure
) -> None:
    newest = place.newest()
    before = place.objects(INGESTION), place.objects(PROCESSED)
    values = {**place.door.environment, **failure.values}
    port = str(place.door.server_address[1])
    place.door.rule(failure.rule(newest))

    said = place.project.starlift(
        "run", "--json", **{name: value.format(port=port) for name, value in values.items() if value}
    )

    assert said.code == failure.code, said
    assert failure.said in said.json["error"]["message"], said
    assert said.json["error"]["hint"] == failure.remedy
    assert_told(said)
    assert held(place, before, newest + 1) is failure.held
    applied = place.project.query("SELECT max(seq) FROM starlift.applied")[0][0]
    assert applied == newest + (failure.held is Held.APPLIED)
    if failure.held is Held.UNTOUCHED:
        return  # nothing is there that a next run could stumble over

    place.door.plan([])
    done = place.project.cycle()
    assert done["batches"]["landed"] == (failure.held in (Held.UNTOUCHED, Held.ROWS))
    assert place.newest(INGESTION) == place.newest(PROCESSED) == newest + 1
    assert place.project.query("SELECT max(seq) FROM starlift.applied") == [[newest + 1]]
    assert place.star_is_the_source()


GETS: list[Fault] = ["drop the request", SLOW_DOWN, "cut the body", "alter the body", BROKEN]
PUTS: list[Fault] = ["alter the upload", "drop the request", CONFLICT]


def test_a_run_in_a_storm_is_a_run(place: Place) -> None:
    newest = place.newest()
    manifest = f"PUT /{INGESTION}/manifests/{newest + 1:020d}.json"
    lost: list[Fault] = ["lose the answer"]
    coming: dict[str, Iterator[Fault | None]] = {"GET": iter(GETS), "PUT": iter(PUTS), manifest: iter(lost)}
    let_through = cycle((True, False))

    def storm(request: Request) -> Fault | None:
        if str(request) not in coming and next(let_through):
            return None
        return next(coming.get(str(request), coming[request.method]), None)

    place.door.rule(storm)
    said = place.project.starlift("run", "--json", **{**place.door.environment, "AWS_MAX_ATTEMPTS": "4"})

    assert (said.code, said.json["outcome"], said.json["seq"]) == (0, "applied", newest + 1), said
    assert set(map(str, place.door.met)) == set(map(str, [*GETS, *PUTS, *lost]))
    assert place.star_is_the_source()


def test_the_document_has_the_table_of_failures() -> None:
    text = DOCUMENT.read_text()
    rows = table().splitlines()
    start = text.splitlines().index(rows[0])
    assert text.splitlines()[start : start + len(rows) + 1] == [*rows, ""], (
        "write it anew with: python -m tests.cli.s3_failures"
    )


def test_after_all_of_them_a_run_makes_the_star_what_the_source_is(place: Place) -> None:
    newest = place.newest()
    assert place.project.cycle()["seq"] == newest + 1
    assert place.star_is_the_source()


def test_every_kind_of_failure_is_in_the_table() -> None:
    assert {failure.held for failure in FAILURES} == set(Held)
    assert len({failure.name for failure in FAILURES}) == len(FAILURES)
