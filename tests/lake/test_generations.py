"""Generations: one of them is current, whatever the hint says, and it is found by who comes after a crash."""

from __future__ import annotations

import pytest

from starlift.adapters.memory import MemoryLake
from starlift.core import paths
from starlift.core.manifest import sha256
from starlift.errors import HeldError, LostRace
from starlift.ports import Applied
from starlift.stages import generations
from starlift.stages.generations import Current

NOW = "2024-11-15 12:00:00+00:00"


class Counting(MemoryLake):
    """A lake that counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.gets = 0

    def get(self, key: str) -> bytes | None:
        self.gets += 1
        return super().get(key)


def make(lake: MemoryLake, number: int, *, committed: bool = True) -> None:
    """Begin a generation of models of its own, and commit it."""
    assert generations.begin(generations.find(lake), {"made": number}) == number
    if committed:
        generations.commit(lake, number, 3)


def test_a_lake_that_was_never_rebuilt_is_its_own_generation_0_for_two_gets() -> None:
    lake = Counting()
    found = generations.find(lake)
    assert (found.current, found.begun, found.lake) == (0, 0, lake)
    assert lake.gets == 2


@pytest.mark.parametrize("hint", [None, b"1\n", b"2\n", b"3\n", b"7\n", b"garbage", b"0"])
def test_the_current_generation_is_the_last_that_was_committed_whatever_the_hint_says(
    hint: bytes | None,
) -> None:
    lake = MemoryLake()
    for number in (1, 2, 3):
        make(lake, number)
    make(lake, 4, committed=False)
    lake.put(paths.GENERATION, hint or b"")
    found = generations.find(lake)
    assert (found.current, found.begun) == (3, 4)


def test_a_generation_that_was_never_committed_is_passed_over() -> None:
    lake = MemoryLake()
    make(lake, 1, committed=False)
    make(lake, 2)
    make(lake, 3, committed=False)
    found = generations.find(lake)
    assert (found.current, found.begun) == (2, 3)
    assert (found.making(3), found.making(4)) == ({"made": 3}, None)


def test_the_same_making_goes_on_and_another_begins_anew() -> None:
    lake = MemoryLake()
    assert [generations.begin(generations.find(lake), {"made": made}) for made in "aabab"] == [1, 1, 2, 3, 4]
    generations.commit(lake, 4, 3)
    assert generations.begin(generations.find(lake), {"made": "b"}) == 5


def test_of_two_rebuilds_that_take_one_number_one_wins_unless_they_make_the_same() -> None:
    lake = MemoryLake()
    before = generations.find(lake)
    assert generations.begin(before, {"made": "a"}) == 1
    assert generations.begin(before, {"made": "a"}) == 1
    with pytest.raises(LostRace, match="another rebuild has begun generation 1"):
        generations.begin(before, {"made": "b"})


def test_what_a_generation_was_begun_with_is_named_where_it_is_damaged() -> None:
    lake = MemoryLake()
    make(lake, 1)
    lake.put(paths.begun(1), b"{")
    with pytest.raises(HeldError, match=r"generations/0{19}1/begun\.json in the lake .* cannot be read"):
        generations.find(lake).making(1)


def test_what_is_written_to_the_current_generation_is_in_it_alone() -> None:
    lake = MemoryLake("whole")
    lake.put("manifests/head", b"of generation 0")
    make(lake, 1)
    current = Current(lake)
    assert current.get("manifests/head") is None
    current.put("manifests/head", b"1\n")
    assert current.put_if_absent("dim_x/a", b"rows")
    assert not current.put_if_absent("dim_x/a", b"others")
    assert list(current.keys("dim")) == ["dim_x/a"]
    prefix = f"generations/{1:020d}/"
    assert [key for key in lake.keys("") if key.startswith(prefix)] == [
        prefix + name for name in ("begun.json", "committed.json", "dim_x/a", "manifests/head")
    ]
    assert lake.get("manifests/head") == b"of generation 0"
    assert current.root == lake.root == "memory://whole"
    assert current.generations.lake.root == f"memory://whole/generations/{1:020d}"


def test_a_process_sees_one_generation() -> None:
    lake = MemoryLake()
    current = Current(lake)
    assert current.get("manifests/head") is None
    make(lake, 1)
    current.put("manifests/head", b"of generation 0")
    assert lake.get("manifests/head") == b"of generation 0"
    assert Current(lake).get("manifests/head") is None


def test_who_made_what_a_warehouse_has_is_told_by_its_manifest() -> None:
    lake = MemoryLake()
    for number in (1, 2):
        make(lake, number)
    found = generations.find(lake)
    for number in (0, 1, 2):
        found.of(number).put(paths.manifest(3), str(number).encode())

    def applied(digest: str, seq: int = 3) -> Applied:
        return Applied(seq, "incremental", digest, NOW, NOW)

    assert [found.maker(applied(sha256(made))) for made in (b"0", b"1", b"2", b"3")] == [0, 1, 2, None]
    assert found.maker(applied(sha256(b"2"), 4)) is None
