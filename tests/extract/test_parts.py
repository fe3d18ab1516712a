import zstandard

from starlift.adapters.memory import MemoryLake
from starlift.core import paths
from starlift.core.manifest import File
from starlift.stages.parts import PartWriter


def landed(lake: MemoryLake, *lines: bytes) -> tuple[File, ...]:
    """Write lines as an attempt of run1 would."""
    writer = PartWriter(lake, "sale", 7, "run1", paths.data)
    for line in lines:
        writer.write(line)
    return writer.close()


def read(lake: MemoryLake, files: tuple[File, ...]) -> bytes:
    return b"".join(zstandard.decompress(lake.get(file.key) or b"", 100) for file in files)


def test_an_attempt_leaves_what_an_earlier_one_of_the_same_run_landed_and_is_read_back() -> None:
    lake = MemoryLake("ingestion")
    attempts = [(b"1\n",), (b"1\n", b"2\n"), (b"3\n",)]
    files = [landed(lake, *lines) for lines in attempts]
    assert [read(lake, parts) for parts in files] == [b"".join(lines) for lines in attempts]
    assert [sum(file.rows for file in parts) for parts in files] == [1, 2, 1]


def test_an_attempt_that_lands_the_same_lands_it_once() -> None:
    lake = MemoryLake("ingestion")
    assert landed(lake, b"1\n") == landed(lake, b"1\n")
    assert len(list(lake.keys(""))) == 1
