"""`starlift init --source` on any database: what it writes runs, before and after the choices."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from starlift.core.config_file import parse
from tests.postgres import connected
from tests.shop.conftest import HERE, SCHEMAS, Project, make_project
from tests.shop.life import A_DAY, OPENING

if TYPE_CHECKING:
    from tests.postgres import PostgresForTests, SourceDatabase, WarehouseDatabase

CHOSEN = (
    *("--dimension", "client", "--dimension", "Product", "--dimension", "crm.note"),
    *("--fact", "order", "--fact", "Order Line", "--fact", "receipt"),
)


@pytest.fixture(scope="module")
def shop(postgres: PostgresForTests) -> Iterator[SourceDatabase]:
    """A shop with rows."""
    with postgres.other_source("shop_empty", (HERE / "schema.sql").read_text(), SCHEMAS) as database:
        with connected(database.admin) as admin:
            admin.run(OPENING)
        yield database


@pytest.fixture(scope="module")
def star(postgres: PostgresForTests) -> Iterator[WarehouseDatabase]:
    """An empty warehouse."""
    with postgres.warehouse() as database:
        yield database


def drafted(folder: Path, shop: SourceDatabase, star: WarehouseDatabase, *words: str) -> Project:
    """Return a project whose `sql/` and `.env` are what `init --source` wrote."""
    environment = make_project(folder, shop, star).environment
    bare = Project(folder, {})
    bare.starlift("init", "--source", shop.reader, *words)
    kept = {name: environment[name] for name in ("STARLIFT_WAREHOUSE_URL", "STARLIFT_HMAC_KEY")}
    return Project(folder, kept)


@dataclass(frozen=True)
class Life:
    """A drafted project that has run: as it was written, and after the choices."""

    project: Project
    undecided: Any
    decided: Any


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory, shop: SourceDatabase, star: WarehouseDatabase) -> Life:
    """Draft, migrate, run; decide; let a day pass; run."""
    project = drafted(tmp_path_factory.mktemp("drafted"), shop, star, *CHOSEN)
    project.starlift("migrate")
    undecided = project.starlift("run", "--strict")
    file = project.folder / "sql/pipeline.toml"
    file.write_text(decide(file.read_text()))
    with connected(shop.admin) as admin:
        admin.run(A_DAY)
    return Life(project, undecided, project.starlift("run", "--strict"))


def decide(text: str) -> str:
    """Make the choices that a drafted pipeline.toml asks for, as a person would who reads its comments:
    clients' personal data as hashes, all other dropped; cursors are in UTC; the price list is taken."""
    blocks = []
    for block in text.split("\n\n"):
        marks = ["cursor_zone", "hmac" if "[tables.client]" in block else "drop"]
        marks += ["cursor"] if "#cursor_zone" in block else []
        marks += [r"\[tables", "key", "mode", "columns"] if "#[tables.price_list]" in block else []
        taken_away = re.sub(rf"^#(?=(?:{'|'.join(marks)})\b)", "", block, flags=re.MULTILINE)
        unmarked = re.sub(r"^#(?=(?:cursor|schema) = )", "", taken_away, flags=re.MULTILINE)
        blocks.append(unmarked if "[tables.price_list]" in taken_away else taken_away)
    return "\n\n".join(blocks)


def test_what_is_written_runs_before_any_choice_is_made(life: Life) -> None:
    assert life.undecided["outcome"] == "applied"
    assert life.undecided["quarantined"] == 0
    assert {table: counts["inserted"] for table, counts in life.undecided["star"].items()} == {
        "dim_date": 731,
        "dim_client": 3,
        "dim_product": 3,
        "dim_crm_note": 2,
        "fact_order": 3,
        "fact_order_line": 4,
        "fact_receipt": 2,
    }


def test_what_is_written_runs_after_the_choices_it_asks_for(life: Life) -> None:
    assert life.decided["outcome"] == "applied"
    assert life.decided["tables"]["price_list"]["mode"] == "timestamp"
    assert life.decided["star"]["fact_order"]["versions"] == 2


@pytest.mark.parametrize(
    ("source", "star_table"),
    [
        ("SELECT client_no, tags, profile, country::text, modified_at FROM crm.client", "dim_client"),
        ('SELECT "ProductId", "SKU", "Unit Price", weight, guarantee FROM "Sales"."Product"', "dim_product"),
        ("SELECT id, body, written FROM crm.note", "dim_crm_note"),
        (
            'SELECT order_no, ordered_on, client_no, state::text, due FROM "Sales"."Order"',
            "current_fact_order",
        ),
        ('SELECT order_no, "Line", product, quantity FROM "Sales"."Order Line"', "current_fact_order_line"),
        ('SELECT number, amount, received_at FROM "Sales".receipt', "current_fact_receipt"),
    ],
)
@pytest.mark.usefixtures("life")
def test_the_drafted_star_holds_what_the_source_does(
    shop: SourceDatabase, star: WarehouseDatabase, source: str, star_table: str
) -> None:
    with connected(shop.admin) as admin, connected(star.owner) as owner:
        expected = admin.run(source)
        names = ", ".join(plain_name(str(column["name"])) for column in admin.columns)
        found = owner.run(f"SELECT {names} FROM {star_table}")
    assert sorted(map(repr, found)) == sorted(map(repr, expected))


def plain_name(column: str) -> str:
    """Return what a column of the shop is called in a drafted star."""
    return {"ProductId": "product_id", "Unit Price": "unit_price"}.get(column, column.lower())


@pytest.mark.usefixtures("life")
def test_the_drafted_facts_refer_to_the_drafted_dimensions(star: WarehouseDatabase) -> None:
    with connected(star.owner) as owner:
        found = owner.run(
            "SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint "
            "WHERE contype = 'f' AND confrelid <> 'dim_date'::regclass ORDER BY 1, 2"
        )
    assert found == [
        ["fact_order", "dim_client"],
        ["fact_order_line", "dim_product"],
        ["fact_receipt", "dim_client"],
    ]


def test_what_looks_like_personal_data_is_not_taken_until_someone_decides(
    tmp_path: Path, shop: SourceDatabase, star: WarehouseDatabase
) -> None:
    project = drafted(tmp_path, shop, star)
    text = (project.folder / "sql/pipeline.toml").read_text()
    before, after = parse(text, "pipeline.toml"), parse(decide(text), "pipeline.toml")
    personal = {"e_mail", "birth_date", "iban", "phone_number", 'Street "A"'}
    assert not personal & {name for spec in before.tables.values() for name in spec.taken}
    assert after.tables["client"].hmac == ("e_mail", "birth_date")
    assert after.tables["receipt"].drop == ("iban",)


def test_a_relation_that_cannot_be_taken_is_a_comment_with_reason_and_remedy(
    tmp_path: Path, shop: SourceDatabase, star: WarehouseDatabase
) -> None:
    text = (drafted(tmp_path, shop, star).folder / "sql/pipeline.toml").read_text()
    comments = " ".join(text.replace("\n#  ", "").split("\n"))
    for relation, reason in {
        "crm.visit": 'ALTER TABLE "crm"."visit" ADD PRIMARY KEY',
        "crm.coupon": "no unique key of NOT NULL columns",
        "Sales.best_seller": "a refresh writes every row anew. Remedy: take the tables under it",
        "crm.town": "no date or timestamp for a cursor",
        "crm.secret": "row-level security hides rows from this role",
    }.items():
        assert re.search(rf"# {re.escape(relation)}: [^#]*# Not taken: [^#]*{re.escape(reason)}", comments)
    taken = parse(text, "pipeline.toml").tables
    assert len(taken) == 11
    assert "# Not taken by itself: it inherits from crm.event" in text
    assert re.search(r'\n#\[tables\.big_event\]\n(#schema = "crm"\n)?#key = \["id"\]\n#mode = "auto"\n', text)
    assert {taken["crm_note"].address, taken["sales_note"].address} == {("crm", "note"), ("Sales", "note")}


@pytest.mark.parametrize("way", ["command line", "environment", ".env"])
def test_the_address_stands_in_an_env_that_only_its_owner_reads_and_nowhere_else(
    tmp_path: Path, shop: SourceDatabase, way: str
) -> None:
    password = urlsplit(shop.reader).password or ""
    project = Project(tmp_path, {"STARLIFT_SOURCE_URL": shop.reader} if way == "environment" else {})
    env = tmp_path / ".env"
    if way == ".env":
        env.write_text(f"STARLIFT_SOURCE_URL={shop.reader}\n")
        env.chmod(0o600)
    said = project.say(
        "init", "--source", *((shop.reader,) if way == "command line" else ()), "--fact", "receipt"
    )
    assert said.returncode == 0, said.stderr
    assert f"STARLIFT_SOURCE_URL={shop.reader}\n" in env.read_text()
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    assert ("a password on the command line" in said.stderr) is (way == "command line")
    assert password not in said.stdout + said.stderr
    written = [file for file in tmp_path.rglob("*") if file.is_file() and file != env]
    assert len(written) > 10
    assert not [file for file in written if password in file.read_text()]


@pytest.mark.parametrize(
    ("env", "words", "step"),
    [
        ("", (), "draft a star: starlift init --source --fact TABLE --dimension TABLE"),
        (
            "",
            ("--fact", "receipt"),
            "decide where sql/ says DECIDE, name the warehouse in .env, then: starlift mig",
        ),
        (
            "STARLIFT_WAREHOUSE_URL=x",
            ("--fact", "receipt"),
            "decide where sql/ says DECIDE, name this source in .en",
        ),
        ("half='", ("--fact", "receipt"), "mend .env, then: starlift init --source"),
    ],
)
def test_init_says_what_is_left_to_do(
    tmp_path: Path, shop: SourceDatabase, env: str, words: tuple[str, ...], step: str
) -> None:
    if env:
        (tmp_path / ".env").write_text(env)
    said = Project(tmp_path, {}).say("init", "--source", shop.reader, *words)
    assert said.stdout.splitlines()[-1].startswith(f"Next: {step}")


def test_a_source_that_is_named_nowhere_is_asked_for(tmp_path: Path) -> None:
    answer = Project(tmp_path, {}).starlift("init", "--source", "--fact", "receipt", code=2)
    assert answer["error"]["hint"] == "starlift init --source URL"
    assert not list(tmp_path.iterdir())


def test_a_second_init_adds_what_is_missing_and_changes_nothing(
    tmp_path: Path, shop: SourceDatabase, star: WarehouseDatabase
) -> None:
    project = drafted(tmp_path, shop, star, "--dimension", "client")
    config = project.folder / "sql/pipeline.toml"
    mine = f"# mine\n{config.read_text()}"
    config.write_text(mine)
    answer = Project(tmp_path, {}).starlift("init", "--source", "--fact", "receipt")
    assert config.read_text() == mine
    assert "sql/pipeline.toml" in answer["kept"]
    assert sorted(answer["written"]) == [
        "sql/checks/live_rows_are_in_fact_receipt.sql",
        "sql/models/fact_receipt.sql",
        "sql/warehouse/030_fact_receipt.sql",
    ]


def test_a_fact_refers_to_the_dimensions_that_an_earlier_init_drafted(
    tmp_path: Path, shop: SourceDatabase, star: WarehouseDatabase
) -> None:
    project = drafted(tmp_path, shop, star, "--dimension", "client")
    models = project.folder / "sql/models"
    renamed = (models / "dim_client.sql").read_text().replace("client_no", "client_no AS number")
    (models / "dim_client.sql").unlink()
    (models / "dim_buyer.sql").write_text(renamed.replace("key: client_no AS number", "key: number"))
    project.starlift("init", "--source", "--fact", "receipt")
    ddl = (project.folder / "sql/warehouse/030_fact_receipt.sql").read_text()
    assert "FOREIGN KEY (client_no) REFERENCES dim_buyer (number)" in ddl


def test_a_later_draft_takes_what_was_decided_in_the_meantime(
    tmp_path: Path, postgres: PostgresForTests, shop: SourceDatabase
) -> None:
    with postgres.warehouse() as fresh:
        project = drafted(tmp_path, shop, fresh)
        sql = project.folder / "sql"
        text = decide((sql / "pipeline.toml").read_text())
        text = text.replace("[tables.client]", '[tables."The Client"]\nrelation = "client"')
        text = text.replace('"Full Name", ', "").replace('"birth_date"]', '"birth_date", "Full Name"]')
        (sql / "pipeline.toml").write_text(text)
        project.starlift("init", "--source", "--dimension", "The Client", "--dimension", "price_list")
        assert '"Full Name" AS full_name' in (sql / "models/dim_the_client.sql").read_text()
        assert "birth_date character varying" in (sql / "warehouse/020_dim_the_client.sql").read_text()
        project.starlift("migrate")
        inserted = project.starlift("run", "--strict")["star"]
    assert {name for name, counts in inserted.items() if counts["inserted"]} == {
        "dim_the_client",
        "dim_price_list",
    }


def test_a_table_that_the_kept_configuration_lacks_is_refused(
    tmp_path: Path, shop: SourceDatabase, star: WarehouseDatabase
) -> None:
    project = drafted(tmp_path, shop, star, "--schema", "Sales", "--fact", "receipt")
    answer = project.starlift("init", "--source", "--dimension", "client", code=2)
    assert answer["error"]["message"].startswith(
        "table client is not in sql/pipeline.toml, which stays as it is"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--schema", "nowhere"), "schema nowhere is not in the source"),
        (("--fact", "nothing"), "table nothing is not in the source; there are: address_book"),
        (("--fact", "note"), "table note is in several schemas"),
        (("--fact", "visit"), "table visit cannot be taken: it has no unique key"),
        (
            ("--fact", "big_event"),
            "crm.event, from which it inherits, brings its rows; name that, or declare",
        ),
        (("--dimension", "price_list"), "declare it in pipeline.toml and write its model by hand"),
        (("--fact", "receipt", "--dimension", "receipt"), "table receipt is named twice"),
    ],
)
def test_what_the_source_does_not_have_is_refused_and_nothing_is_written(
    tmp_path: Path, shop: SourceDatabase, words: tuple[str, ...], message: str
) -> None:
    answer = Project(tmp_path, {}).starlift("init", "--source", shop.reader, *words, code=2)
    assert message in answer["error"]["message"]
    assert not list(tmp_path.iterdir())


def test_a_table_without_a_source_is_refused(tmp_path: Path) -> None:
    answer = Project(tmp_path, {}).starlift("init", "--fact", "receipt", code=2)
    assert answer["error"]["hint"] == "starlift init --source URL"
    assert not list(tmp_path.iterdir())


def test_only_the_named_schemas_are_taken_the_first_as_the_source_s_own(
    tmp_path: Path, shop: SourceDatabase
) -> None:
    Project(tmp_path, {}).starlift("init", "--source", shop.reader, "--schema", "crm")
    config = parse((tmp_path / "sql/pipeline.toml").read_text(), "pipeline.toml")
    assert {spec.schema for spec in config.tables.values()} == {"crm"} == {config.source_schema}


def test_a_source_that_cannot_be_reached_says_so_without_its_password(tmp_path: Path) -> None:
    answer = Project(tmp_path, {}).starlift(
        "init", "--source", "postgresql://me:hidden-word@127.0.0.1:1/shop", code=5
    )
    assert "cannot be reached" in answer["error"]["message"]
    assert "hidden-word" not in str(answer)
    said = Project(tmp_path, {}).say("init", "--source", "postgresql://me@127.0.0.1:1/shop")
    assert "cannot be reached" in said.stderr
    assert "password" not in said.stderr


def test_the_written_role_script_opens_every_schema(
    tmp_path: Path, shop: SourceDatabase, star: WarehouseDatabase
) -> None:
    project = drafted(tmp_path, shop, star)
    with connected(shop.admin) as admin:
        admin.run('REVOKE ALL ON ALL TABLES IN SCHEMA crm, "Sales" FROM starlift_source')
        admin.run((project.folder / "sql/roles/source.sql").read_text())
        granted = admin.run("SELECT has_table_privilege('starlift_source', 'crm.client', 'SELECT')")
    assert granted == [[True]]
