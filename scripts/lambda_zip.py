"""A function's zip: what it holds, and how it is written so that equal content makes equal bytes."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lambda_bytecode import compiled, find_python
from lambda_wheels import files_in, wheels_of
from sections import ROOT

LIMIT = 250 * 2**20
"""Bytes that a function may have unzipped."""

MOMENT = (1980, 1, 1, 0, 0, 0)
"""The time of every file: the earliest that a zip knows."""

SERVICES = ("s3", "secretsmanager", "sts")
"""Of AWS; the descriptions of four hundred others are most of botocore."""

UNUSED = re.compile(
    r"""
    .*/__pycache__/.*  |  [^/]+\.dist-info/RECORD  # which would tell of files that are not there
    # Arrow: what is for compilers, for tests, for servers of its own protocol, and its own client of S3; the
    # libraries by the names that nothing links to. libarrow_substrait stays: the others link to it.
    | pyarrow/(?:include|includes|src|tests)/.*  | pyarrow/.*\.(?:pxd|pxi|pyx|h|cc|cpp)
    | pyarrow/(?:libarrow_flight|libarrow_python_flight|_flight|flight|libarrow_s3|_s3fs|_pyarrow_cpp_tests).*
    | pyarrow/libarrow_python(?:_parquet_encryption)?\.so(?:\.\d+\.\d+\.\d+)?
    | botocore/data/(?!(?:SERVICES)/)[^/]+/.*  |  boto3/examples/.*
    | zstandard/(?:_cffi.*|backend_cffi\.py)  # for PyPy
    | .*\.pyi  |  _duckdb-stubs/.*
    """.replace("SERVICES", "|".join(SERVICES)),
    re.VERBOSE,
)
"""Paths of what no function needs."""

NOT_OURS = ("demo", "totesys", "reference", "adapters/embedded")
"""Of starlift: the demo, its source and its server."""

Files = Mapping[str, bytes]


class TooLarge(Exception):
    """A function that Lambda would refuse, with its largest parts."""


class NoProject(Exception):
    """A folder that has no pipeline in it."""


@dataclass(frozen=True)
class Zip:
    """A zip that was written. size, unzipped: bytes."""

    path: Path
    size: int
    unzipped: int


def contents(function: str, arch: str, sql: Path, certificates: Path | None = None) -> dict[str, bytes]:
    """Return a function's files by path: packages, starlift, their bytecode where this machine has Lambda's
    Python, `sql/`, and the CA bundle as `certs/ca.pem`.

    Raises NoProject, TooLarge, and Unavailable where the index gives no wheels."""
    files = {
        path: data
        for wheel in wheels_of(function, arch)
        for path, data in files_in(wheel)
        if not UNUSED.fullmatch(path)
    }
    files |= dict(_starlift())
    if python := find_python():
        files |= compiled(files, python)
    files |= dict(_project(sql))
    if certificates is not None:
        files["certs/ca.pem"] = certificates.read_bytes()
    require_small(function, files)
    return files


def _starlift() -> Iterator[tuple[str, bytes]]:
    package = ROOT / "src" / "starlift"
    for file in sorted(package.rglob("*")):
        path = file.relative_to(package).as_posix()
        wanted = file.suffix in (".py", ".sql", ".typed") and not path.startswith(NOT_OURS)
        if wanted and file.is_file():
            yield f"starlift/{path}", file.read_bytes()


def _project(sql: Path) -> Iterator[tuple[str, bytes]]:
    """What a pipeline consists of, and nothing else that lies beside it."""
    if not (sql / "pipeline.toml").is_file():
        raise NoProject(f"there is no pipeline.toml in {sql}; name its folder: make package SQL=path/to/sql")
    for file in sorted(sql.rglob("*")):
        if file.is_file() and file.suffix in (".toml", ".sql", ".csv"):
            yield f"sql/{file.relative_to(sql).as_posix()}", file.read_bytes()


def require_small(function: str, files: Files, limit: int = LIMIT) -> None:
    """Raise TooLarge, naming what is largest, for more bytes than a function may have."""
    total = sum(map(len, files.values()))
    if total <= limit:
        return
    parts: Counter[str] = Counter()
    for path, data in files.items():
        parts[path.partition("/")[0]] += len(data)
    largest = ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in parts.most_common(5))
    raise TooLarge(
        f"{function} has {total / 1e6:.0f} MB unzipped, and Lambda takes {limit / 1e6:.0f}; the largest are "
        f"{largest}"
    )


def write(path: Path, files: Files) -> Zip:
    """Write a zip whose bytes depend on the files alone, and on the zlib of this Python."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, MOMENT)
            entry.create_system = 3  # Unix, whatever this machine is
            entry.external_attr = (0o100644) << 16
            archive.writestr(entry, files[name], zipfile.ZIP_DEFLATED, 6)
    partial.replace(path)
    return Zip(path, path.stat().st_size, sum(map(len, files.values())))
