"""Whether the facts' versions are sound: what holds of every key's history, whatever happened."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any

from tests.e2e.oracle import COLUMNS, SURROGATES, reading

Version = dict[str, Any]


def versions(url: str, fact: str) -> list[Version]:
    """Return all versions of a fact as history_<fact> shows them, by key and then by age."""
    key = COLUMNS[fact].split()[0]
    with reading(url) as connection:
        rows = connection.run(f"SELECT * FROM history_{fact} ORDER BY {key}, {SURROGATES[fact]}") or []
        names = [column["name"] for column in connection.columns or []]
    return [dict(zip(names, row, strict=True)) for row in rows]


def content(fact: str, version: Version) -> tuple[Any, ...]:
    """Return a version's columns, as `oracle` has them."""
    return tuple(version[column] for column in COLUMNS[fact].split())


def of_all(url: str) -> dict[str, list[Version]]:
    """Return all versions of all facts."""
    return {fact: versions(url, fact) for fact in SURROGATES}


def faults(histories: Mapping[str, list[Version]]) -> list[str]:
    """Return what is wrong with the histories of facts whose source deletes nothing.

    The surrogates of a fact are 1, 2, 3 ...; a key begins with an insert and goes on with updates; a
    version ends where the next begins, and differs from it; the newest has no end.
    """
    wrong = []
    for fact, surrogate in SURROGATES.items():
        found = histories[fact]
        if sorted(version[surrogate] for version in found) != list(range(1, len(found) + 1)):
            wrong.append(f"{fact}: the surrogates are not 1 to {len(found)}")
        key = COLUMNS[fact].split()[0]
        for number, group in groupby(found, itemgetter(key)):
            wrong += [f"{fact} {number}: {fault}" for fault in _faults(fact, list(group))]
    return wrong


def _faults(fact: str, found: list[Version]) -> list[str]:
    wrong = []
    if [version["op"] for version in found] != ["insert"] + ["update"] * (len(found) - 1):
        wrong.append(f"it is {[version['op'] for version in found]}")
    if found[-1]["valid_to"] is not None:
        wrong.append("its newest version has ended")
    for old, new in pairwise(found):
        if old["valid_to"] != new["valid_from"]:
            wrong.append(f"version {old['seq']} ends {old['valid_to']}, the next begins {new['valid_from']}")
        if old["seq"] >= new["seq"]:
            wrong.append(f"batch {new['seq']} is not after batch {old['seq']}")
        if content(fact, old) == content(fact, new):
            wrong.append(f"version {new['seq']} is no other than {old['seq']}")
    return wrong
