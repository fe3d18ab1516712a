"""What cannot work is refused: by its exit code, with a message that ends in what to type, and without
anything having been written. Each refusal is that of a real process on a project that has never run."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.cli.project import NO_SUCH_TABLE, Project, assert_refused, with_login
from tests.cli.unwritable import CAN_LOCK, locked, starlift_without_override
from tests.postgres import PostgresForTests

DATABASES = ("source", "warehouse")
LAKES = ("ingestion", "processed")
DEPARTMENT = """\
[tables.department]
key = ["department_id"]
cursor = "last_updated"
columns = ["department_id", "department_name", "location", "created_at", "last_updated"]
drop = ["manager"]
"""
STAFF = '[tables.staff]\nkey = ["staff_id"]\ncursor = "last_updated"'


def url(project: Project, role: str) -> str:
    return project.source.reader if role == "source" else project.warehouse.owner


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is taken, and nobody listens there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


@pytest.mark.parametrize("role", DATABASES)
def test_a_wrong_password_is_refused_and_not_repeated(untouched: Project, role: str) -> None:
    name = f"STARLIFT_{role.upper()}_URL"
    wrong = with_login(url(untouched, role), password="guessed-in-vain")
    said = untouched.starlift("run", "--json", **{name: wrong})
    assert_refused(said, 5, "password authentication failed", f"correct {name}, then: starlift run")
    assert "guessed-in-vain" not in said.out + said.err


@pytest.mark.parametrize("role", DATABASES)
def test_a_port_where_nobody_listens_is_named(untouched: Project, role: str, closed_port: int) -> None:
    name = f"STARLIFT_{role.upper()}_URL"
    said = untouched.starlift("run", "--json", **{name: with_login(url(untouched, role), port=closed_port)})
    assert_refused(said, 5, f"127.0.0.1:{closed_port}", "Connection refused", name)


def test_a_host_that_does_not_exist_is_named(untouched: Project) -> None:
    nowhere = "postgresql://me:hidden@nowhere.invalid/totesys"
    said = untouched.starlift("run", "--json", STARLIFT_SOURCE_URL=nowhere)
    assert_refused(said, 5, "nowhere.invalid:5432", "STARLIFT_SOURCE_URL")
    assert "hidden" not in said.out + said.err


@pytest.mark.parametrize("role", DATABASES)
def test_a_database_that_does_not_exist_is_named(untouched: Project, role: str) -> None:
    name = f"STARLIFT_{role.upper()}_URL"
    said = untouched.starlift("run", "--json", **{name: with_login(url(untouched, role), database="gone")})
    assert_refused(said, 5, '"gone"', name)


def test_a_warehouse_that_is_not_migrated_says_so(untouched: Project, postgres: PostgresForTests) -> None:
    with postgres.warehouse() as empty:
        said = untouched.starlift("run", "--json", STARLIFT_WAREHOUSE_URL=empty.owner)
    assert_refused(said, 2, "not migrated", "  starlift migrate")


@pytest.mark.parametrize(
    ("change", "mentioned"),
    [
        (NO_SUCH_TABLE, "stuff is not in the source"),
        ({STAFF: STAFF.replace("last_updated", "moved_at")}, "column staff.moved_at is not in the source"),
        ({'["staff_id", "first_name"': '["staff_id", "given_name"'}, "column staff.given_name is not in"),
    ],
    ids=["table", "cursor", "column"],
)
def test_what_the_source_never_had_is_a_mistake_of_the_configuration(
    untouched: Project, change: dict[str, str], mentioned: str
) -> None:
    said = untouched.starlift("run", "--json", STARLIFT_CONFIG=untouched.config("never", change))
    assert_refused(said, 2, mentioned, "edit sql/pipeline.toml, then: starlift run")


@pytest.mark.parametrize(
    ("old", "new", "mentioned"),
    [
        ('"staff_id", "first_name"', '"staff_id"', ("first_name", "dim_staff.sql")),
        (DEPARTMENT, "", ("model dim_staff reads table department", "[tables.department]")),
    ],
    ids=["column", "table"],
)
def test_what_no_model_can_use_is_refused_before_it_is_landed_for_ever(
    untouched: Project, old: str, new: str, mentioned: tuple[str, ...]
) -> None:
    said = untouched.starlift("run", "--json", STARLIFT_CONFIG=untouched.config("unusable", {old: new}))
    assert_refused(said, 2, *mentioned, "then: starlift run")


@pytest.mark.parametrize(
    ("old", "new", "line", "mentioned"),
    [
        ('name = "totesys"', 'name = "totesys', 5, "not TOML"),
        ('heartbeat = "10min"', 'heartbeat = "often"', 14, "'often'"),
        ('key = ["address_id"]', 'key = "address_id"', 21, "is not a list"),
    ],
)
def test_a_wrong_configuration_names_file_and_line(
    untouched: Project, old: str, new: str, line: int, mentioned: str
) -> None:
    config = untouched.config("wrong", {old: new})
    said = untouched.starlift("run", "--json", STARLIFT_CONFIG=config)
    assert_refused(said, 2, config, f"line {line}", mentioned, f"edit {config}, then: starlift run")


def test_a_configuration_that_is_not_there_is_named(untouched: Project) -> None:
    said = untouched.starlift("run", "--json", STARLIFT_CONFIG="sql/other.toml")
    assert_refused(said, 2, "sql/other.toml cannot be read: No such file", "starlift init")


@pytest.mark.parametrize(
    ("processed", "mentioned"),
    [
        ("lake/ingestion", "the lakes overlap"),
        ("lake/ingestion/star", "the lakes overlap"),
        ("lake", "overlap"),
    ],
    ids=["equal", "nested", "around"],
)
def test_lakes_that_are_equal_or_nested_are_refused(
    untouched: Project, processed: str, mentioned: str
) -> None:
    address = (untouched.folder / processed).as_uri()
    said = untouched.starlift("run", "--json", STARLIFT_PROCESSED=address)
    assert_refused(said, 2, mentioned, address)


@pytest.mark.parametrize("lake", LAKES)
def test_a_lake_that_is_a_file_is_refused(untouched: Project, lake: str) -> None:
    file = untouched.folder / f"{lake}.txt"
    file.touch()
    name = f"STARLIFT_{lake.upper()}"
    said = untouched.starlift("run", "--json", **{name: file.as_uri()})
    assert_refused(said, 5, str(file), "is not a folder", name)


@pytest.mark.parametrize("lake", LAKES)
def test_a_lake_whose_folder_is_missing_says_how_to_make_it(untouched: Project, lake: str) -> None:
    missing = untouched.folder / "unmounted" / lake
    said = untouched.starlift("run", "--json", **{f"STARLIFT_{lake.upper()}": missing.as_uri()})
    assert_refused(said, 5, f"mkdir -p {missing}")
    assert not missing.exists()


@pytest.mark.skipif(not CAN_LOCK, reason="no folder can be locked to this user")
def test_a_lake_that_may_not_be_written_is_refused(untouched: Project) -> None:
    with locked(untouched.lake / "ingestion"):
        said = starlift_without_override(untouched, "run", "--json")
    assert_refused(said, 5, "closed to this user", "STARLIFT_INGESTION")


@pytest.mark.parametrize("lake", LAKES)
def test_a_bucket_that_does_not_exist_is_named(untouched: Project, aws: dict[str, str], lake: str) -> None:
    name = f"STARLIFT_{lake.upper()}"
    said = untouched.starlift("run", "--json", **aws, **{name: "s3://no-such-bucket"})
    assert_refused(said, 5, "no-such-bucket does not exist", name, "aws s3api head-bucket")


def test_an_endpoint_that_refuses_is_named(untouched: Project, aws: dict[str, str], closed_port: int) -> None:
    values = {**aws, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{closed_port}", "STARLIFT_INGESTION": "s3://lake"}
    said = untouched.starlift("run", "--json", **values)
    assert_refused(said, 5, f"127.0.0.1:{closed_port}", "AWS_ENDPOINT_URL, then: starlift run")


@pytest.mark.parametrize(
    ("text", "line", "mentioned"),
    [
        ("STARLIFT_SOURCE_URL", 3, "STARLIFT_SOURCE_URL has no whole value"),
        ("STARLIFT_SOURCE_URL='postgresql://me:hidden@h/db", 3, "STARLIFT_SOURCE_URL has no whole value"),
        ("STARLIFT_SOURCE_URL=", 3, "STARLIFT_SOURCE_URL is empty"),
        ("STARLIFT_SOURCE_URL=postgresql://me:hidden", 3, "STARLIFT_SOURCE_URL is not a database address"),
        ("postgresql://me:hidden@h/db", 3, "it has no name and value"),
    ],
)
def test_a_half_written_env_names_file_and_line(
    untouched: Project, text: str, line: int, mentioned: str
) -> None:
    folder = untouched.folder / "half-written"
    folder.mkdir(exist_ok=True)
    (folder / ".env").write_text(f"# where things are\n\n{text}\n")
    half = Project(folder, untouched.source, untouched.warehouse, ["hidden"])
    said = half.starlift("run", "--json", STARLIFT_CONFIG=str(untouched.folder / "sql" / "pipeline.toml"))
    assert_refused(said, 2, f".env, line {line}", mentioned)


def test_a_missing_env_says_what_makes_one(untouched: Project) -> None:
    folder = untouched.folder / "empty"
    folder.mkdir(exist_ok=True)
    said = Project(folder, untouched.source, untouched.warehouse).starlift(
        "run", "--json", STARLIFT_CONFIG=str(untouched.folder / "sql" / "pipeline.toml")
    )
    assert_refused(said, 2, "STARLIFT_SOURCE_URL is not set in the environment", ": starlift init")
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    "words",
    [("run", "--every", "often"), ("run", "--every", "0s"), ("fly",), (), ("run", "--every", "9" * 30 + "d")],
)
def test_a_word_that_means_nothing_is_refused(untouched: Project, words: tuple[str, ...]) -> None:
    assert_refused(untouched.starlift("--json", *words), 2, "--help")


def test_a_source_that_is_a_mystery_to_the_driver_shows_no_traceback(untouched: Project) -> None:
    """A port where something listens that is no PostgreSQL: here the tests themselves."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        process = untouched.start(
            "run", "--json", STARLIFT_WAREHOUSE_URL=with_login(untouched.warehouse.owner, port=port)
        )
        connection, _ = server.accept()
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
        said = untouched.ended(process)
    assert_refused(said, 5, str(port), "STARLIFT_WAREHOUSE_URL")
