"""What happens in the club: everything that could carry a value out of it happens once."""

from __future__ import annotations

import pg8000.native

from tests.postgres import connected
from tests.privacy.club import Club
from tests.privacy.marks import Mark

EMAIL = Mark("an address in a dropped column")
CAST = Mark("an address in a dropped column, which a view takes for a number")
RENAMED = Mark("an address written after its dropped column was renamed")
NOTE = Mark("a note in a dropped column of rows that are quarantined")
PASSPORT = Mark("a number in a column that nobody named")
PHONE = Mark("a telephone number in a hashed column")
IBAN = Mark("an account in a hashed column of rows that are quarantined")

TAKEN = Mark("a name in a taken column")
AMOUNT = Mark("a text in a taken column, for which transform quarantines its row")
PURPOSE = Mark("a text in a taken column, for which load quarantines its row")

DROPPED = (EMAIL, RENAMED, NOTE, PASSPORT)
HASHED = (PHONE, IBAN)

MANY = 500
"""Members with nothing to hide, so that reading takes long enough to be watched."""


def play(club: Club) -> None:
    """Let everything happen, with a run after each."""
    club.starlift("migrate")
    _members_join(club)
    _rows_are_refused(club)
    _a_column_is_added(club)
    _the_star_refuses_a_row(club)
    _a_view_stumbles_and_grows(club)
    _a_dropped_column_is_renamed(club)
    _a_model_is_wrong(club)
    _rows_are_deleted(club)
    club.starlift("replay", "--into", "again", "--json")
    club.starlift("init", "--source", club.source.reader, "--fact", "payment", folder="draft")
    club.starlift("run", "--json")


def _members_join(club: Club) -> None:
    with club.clerk() as clerk:
        clerk.run(
            "INSERT INTO member (member_id, name, email, phone) VALUES (1, :name, :email, :phone), "
            "(2, 'Bob', :cast, NULL)",
            name=TAKEN.value,
            email=EMAIL.value,
            cast=CAST.value,
            phone=PHONE.value,
        )
        clerk.run(
            "INSERT INTO member (member_id, name, email, phone) "
            f"SELECT n, 'n' || n, :email, :phone FROM generate_series(10, {MANY}) AS n",
            email=EMAIL.value,
            phone=PHONE.value,
        )
        _pay(clerk, 1, "10.00", "fee")
    club.starlift_verbosely("run", "--json")


def _pay(clerk: pg8000.native.Connection, number: int, amount: str, purpose: str) -> None:
    clerk.run(
        "INSERT INTO payment VALUES (:number, 1, :amount, :purpose, :iban, :note)",
        number=number,
        amount=amount,
        purpose=purpose,
        iban=IBAN.value,
        note=NOTE.value,
    )


def _rows_are_refused(club: Club) -> None:
    """One by transform, for its amount; one by load, for the length of its purpose."""
    with club.clerk() as clerk:
        _pay(clerk, 2, AMOUNT.value, "fee")
        _pay(clerk, 3, "10.00", PURPOSE.value)
    club.starlift("extract", "--json")
    club.starlift("transform")
    club.starlift_verbosely("load", "--strict", code=3)


def _a_column_is_added(club: Club) -> None:
    with club.clerk() as clerk:
        clerk.run("ALTER TABLE member ADD passport text")
        clerk.run("UPDATE member SET passport = :number WHERE member_id < 3", number=PASSPORT.value)
    club.starlift("run")
    club.starlift("status")


def _the_star_refuses_a_row(club: Club) -> None:
    """By a constraint that the pipeline has not made; it is taken away again."""
    with connected(club.warehouse.owner) as owner:
        owner.run("ALTER TABLE dim_member ADD CONSTRAINT nobody CHECK (name <> 'Nobody')")
        with club.clerk() as clerk:
            clerk.run("UPDATE member SET name = 'Nobody' WHERE member_id = 1")
            club.starlift("run", "--json", code=None)
            clerk.run("UPDATE member SET name = :name WHERE member_id = 1", name=TAKEN.value)
        owner.run("ALTER TABLE dim_member DROP CONSTRAINT nobody")


def _a_view_stumbles_and_grows(club: Club) -> None:
    with club.clerk() as clerk:
        clerk.run(
            "CREATE OR REPLACE VIEW card AS SELECT member_id, "
            "CASE WHEN member_id = 2 THEN email::int::text ELSE name END AS label, email, changed FROM member"
        )
        clerk.run("UPDATE member SET changed = now() WHERE member_id < 3")
        club.starlift_verbosely("run", "--json", code=4)
        clerk.run(
            "CREATE OR REPLACE VIEW card AS "
            "SELECT member_id, name AS label, email, changed, passport FROM member"
        )


def _a_dropped_column_is_renamed(club: Club) -> None:
    with club.clerk() as clerk:
        clerk.run("ALTER TABLE member RENAME email TO mail")
        clerk.run("UPDATE member SET mail = :mail, changed = now() WHERE member_id = 1", mail=RENAMED.value)
    club.starlift("run")
    club.starlift_verbosely("status", "--json")


def _rows_are_deleted(club: Club) -> None:
    with club.clerk() as clerk:
        clerk.run("DELETE FROM payment WHERE payment_id = 1")
        clerk.run("DELETE FROM member WHERE member_id = 11")
    club.starlift_verbosely("reconcile", "--json")


def _a_model_is_wrong(club: Club) -> None:
    model = club.folder / "sql" / "models" / "dim_member.sql"
    text = model.read_text()
    model.write_text(text.replace("name,", "CAST(name AS INTEGER) AS name,"))
    with club.clerk() as clerk:
        clerk.run("UPDATE member SET changed = now() WHERE member_id = 1")
    club.starlift("run", code=2)
    model.write_text(text)
