"""How answers look."""

from __future__ import annotations

import doctest
import json

import pytest

from starlift.entrypoints import answers
from starlift.entrypoints.answers import Answer, age, error_text, failed, rows, table, without_passwords
from starlift.errors import ConfigurationError, DriftError, HeldError, LostRace, UnavailableError


def test_the_examples_do_what_they_show() -> None:
    assert doctest.testmod(answers).attempted
    assert doctest.testmod(answers).failed == 0


def test_numbers_are_aligned_to_the_right_and_texts_to_the_left() -> None:
    text = table(["what", "rows"], [["staff", 20], ["sales_order", 11187], ["design", None]])
    assert text.splitlines() == [
        "what           rows",
        "staff            20",
        "sales_order  11,187",
        "design            -",
    ]


def test_a_column_with_one_text_is_a_column_of_texts() -> None:
    assert table(["n"], [[1], ["many"]]).splitlines() == ["n", "1", "many"]


def test_a_table_may_come_from_an_iterator_and_may_be_empty() -> None:
    assert table(["n", "m"], ([n, 10.5] for n in (1, 10))).splitlines() == [
        " n     m",
        " 1  10.5",
        "10  10.5",
    ]
    assert table(["n", "m"], iter(())) == "n  m"


@pytest.mark.parametrize("text", ["a\nb", "a\x1b[2J", "a\tb", "a\u202eb"])
def test_a_text_from_a_row_cannot_move_the_cursor(text: str) -> None:
    shown = table(["reason"], [[text]])
    assert shown.count("\n") == 1
    assert shown.replace("\n", "").isprintable()


@pytest.mark.parametrize("text", ["a\x1b[2Jb", "a\nb", "a\u202eb"])
def test_an_error_that_quotes_a_row_cannot_move_the_cursor(text: str) -> None:
    shown = error_text(HeldError(f"batch 1: {text}", f"look at {text}, then: starlift load"))
    assert shown.count("\n") == 1
    assert shown.replace("\n", "").isprintable()


def test_a_text_in_another_script_stays_as_it_is() -> None:
    assert table(["name"], [["Zoë 東京 🙂"]]).splitlines()[1] == "Zoë 東京 🙂"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3.0, "0 s"),
        (0.4, "0 s"),
        (42, "42 s"),
        (119.4, "119 s"),
        (120, "2 min"),
        (7199, "120 min"),
        (7200, "2.0 h"),
        (12600, "3.5 h"),
        (172800, "2.0 days"),
    ],
)
def test_an_age_is_said_as_a_person_says_it(seconds: float, text: str) -> None:
    assert age(seconds) == text


def test_one_row_is_singular() -> None:
    assert (rows(0), rows(1), rows(11187)) == ("0 rows", "1 row", "11,187 rows")


def test_an_object_is_one_line_of_ascii() -> None:
    text = Answer({"reason": "Zoë\n東京"}).json()
    assert text.isascii()
    assert "\n" not in text
    assert json.loads(text) == {"reason": "Zoë\n東京"}


def test_the_error_of_an_object_is_the_one_that_gives_the_exit_code() -> None:
    errors = (HeldError("h", "i"), DriftError("d", "i"), ConfigurationError("c", "i"))
    answer = Answer({"seq": 1}, errors=errors, code=3)
    assert answer.exit_code == 2
    assert json.loads(answer.json()) == {
        "seq": 1,
        "error": {"code": "configuration", "message": "c", "hint": "i"},
    }


def test_an_answer_without_error_has_none() -> None:
    assert Answer({"seq": 1}).json() == '{"seq": 1}'
    assert Answer({}, code=3).exit_code == 3


def test_a_failure_is_its_error_alone() -> None:
    answer = failed(UnavailableError("no", "starlift run"))
    assert json.loads(answer.json()) == {
        "error": {"code": "unavailable", "message": "no", "hint": "starlift run"}
    }
    assert answer.exit_code == 5


def test_an_error_ends_in_what_to_type() -> None:
    assert error_text(HeldError("it is so", "starlift status")) == "starlift: it is so\n  starlift status"
    assert error_text(HeldError("it is so")) == "starlift: it is so"


def test_a_lost_race_is_one_line() -> None:
    assert error_text(LostRace("another won", "starlift status")) == "starlift: another won"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql://me:pw@h/db is wrong", "postgresql://me:***@h/db is wrong"),
        ("'postgresql:/me:pw@h/db'", "'postgresql:/me:***@h/db'"),
        ("a://me:p@w:x@h, b://h", "a://me:***@h, b://h"),
        ("postgresql://me@h/db", "postgresql://me@h/db"),
        ("postgresql://user:password@host:5432/db", "postgresql://user:password@host:5432/db"),
        ("s3://bucket/a@b", "s3://bucket/a@b"),
    ],
)
def test_a_password_in_an_address_is_masked_but_for_the_example(text: str, masked: str) -> None:
    assert without_passwords(text) == masked
    assert error_text(HeldError("m", text)).endswith(masked)
