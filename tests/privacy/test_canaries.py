"""What may not leave the source is in nothing that a pipeline leaves: no file, object, log, query or table.

The values are marked (`marks.py`), everything happens once (`story.py`), and then everything that is left is
searched: both lakes, the folder that the processes could write to, what they said at the most verbose level,
every table of the warehouse, the server's log with every statement and parameter, and the query texts that
other sessions saw meanwhile.
"""

from __future__ import annotations

import pytest

from tests.privacy.club import KEY
from tests.privacy.conftest import Left
from tests.privacy.marks import Mark, key_forms
from tests.privacy.search import hits
from tests.privacy.story import AMOUNT, CAST, DROPPED, HASHED, IBAN, PHONE, PURPOSE, TAKEN


def name(mark: Mark) -> str:
    return mark.name


def places_of(left: Left, *texts: str) -> str:
    """Return the names of the places that have one of the texts, a line each."""
    forms = {text.encode(): text for text in texts}
    return "\n".join(sorted({place for place, _ in hits(left.places, forms)}))


@pytest.mark.parametrize("mark", [*DROPPED, *HASHED], ids=name)
def test_a_value_is_nowhere_in_any_form(left: Left, mark: Mark) -> None:
    assert hits({**left.places, **left.log}, mark.forms()) == []


def test_a_value_that_the_source_s_own_error_quotes_is_in_the_source_s_log_alone(left: Left) -> None:
    assert hits(left.places, CAST.forms()) == []
    quoted = f'invalid input syntax for type integer: "{CAST.words[0]}'
    assert hits(left.log, {quoted.encode(): "quoted"}), "the source did not say it"


def test_what_is_dropped_is_not_even_hashed(left: Left) -> None:
    hashed = {mark.hashed(KEY).encode(): mark.name for mark in (*DROPPED, CAST)}
    assert hits({**left.places, **left.log}, hashed | left.numbers) == []


def test_the_key_is_nowhere_in_any_form(left: Left) -> None:
    assert hits({**left.places, **left.log}, key_forms(KEY)) == []


@pytest.mark.parametrize(
    "place",
    [
        "club/ingestion/data/member/",
        "/processed/dim_member/",
        "/processed/snapshots/member/",
        "warehouse: dim_member",
        "warehouse: dim_card",
    ],
)
def test_what_is_taken_is_found_there_and_what_is_hashed_as_its_hash(left: Left, place: str) -> None:
    """So the search is not blind."""
    assert place in places_of(left, *TAKEN.words)
    assert place in places_of(left, PHONE.hashed(KEY)) or "card" in place


@pytest.mark.parametrize("mark", [AMOUNT, PURPOSE], ids=name)
def test_a_row_in_quarantine_is_whole_but_for_what_may_not_leave(left: Left, mark: Mark) -> None:
    for text in (mark.words[0], IBAN.hashed(KEY)):
        assert "warehouse: starlift.quarantine" in places_of(left, text)
    assert "starlift status" in places_of(left, mark.words[0]), "its reason is told"


def test_what_the_server_logs_and_others_see_was_seen(left: Left) -> None:
    """The statement that reads, the parameter that has the key under its mask, and plans."""
    log = b"".join(left.log.values())
    assert b"starlift.mask" in log
    assert b"COPY (SELECT row_to_json" in log
    assert b"$1 = '" in log
    assert any("hashtextextended" in query for query in left.watched)


def test_columns_that_no_list_names_are_reported_until_one_does(left: Left) -> None:
    """One that was added, one that was renamed, and one that a view has since it grew."""
    said = left.club.said
    reported = [s for s in said if "columns passport of table member are neither" in s.stderr]
    assert {s.words for s in reported} >= {"run", "run --json"}
    status = next(s for s in said if s.words == "status").stdout
    assert "member: not taken until columns, drop or hmac of the configuration names it: passport\n" in status
    last = next(s for s in said if s.words == "status --json").json
    assert last["unnamed"] == {"member": ["mail", "passport"], "card": ["passport"]}
    assert said[-1].json["unnamed"] == last["unnamed"]
    assert "columns mail, passport of table member are neither" in said[-1].stderr
