"""What a function's zip holds and how it is written; what `make package` prints is what the README shows."""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.tree import ROOT

FUNCTIONS = ("extract", "transform", "load")


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a script by its name."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_equal_content_makes_equal_bytes(scripts: Any, tmp_path: Path) -> None:
    files = {"b.py": b"b", "a/ä.sql": b"a" * 1000, "c.so": bytes(range(256))}
    write = scripts("lambda_zip").write
    one = write(tmp_path / "one.zip", files)
    os.umask(os.umask(0o077))
    other = write(tmp_path / "other.zip", dict(reversed(files.items())))
    assert digest(one.path) == digest(other.path)
    assert one.unzipped == 1000 + 1 + 256
    with zipfile.ZipFile(one.path) as archive:
        assert archive.namelist() == sorted(files)
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o100644}
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    "path",
    [
        "pyarrow/libarrow_flight.so.2600",
        "pyarrow/_flight.cpython-313-x86_64-linux-gnu.so",
        "pyarrow/flight.py",
        "pyarrow/include/arrow/api.h",
        "pyarrow/tests/test_array.py",
        "pyarrow/libarrow_s3.so.2600",
        "pyarrow/libarrow_python.so",
        "pyarrow/libarrow_python.so.2600.1.0",
        "pyarrow/table.pxi",
        "botocore/data/ec2/2016-11-15/service-2.json.gz",
        "zstandard/_cffi.cpython-313-x86_64-linux-gnu.so",
        "pyarrow-26.0.1.dist-info/RECORD",
        "duckdb/__pycache__/__init__.cpython-313.pyc",
    ],
)
def test_what_nobody_needs_is_left_out(scripts: Any, path: str) -> None:
    assert scripts("lambda_zip").UNUSED.fullmatch(path)


@pytest.mark.parametrize(
    "path",
    [
        "pyarrow/libarrow.so.2600",
        "pyarrow/libarrow_substrait.so.2600",
        "pyarrow/libarrow_python.so.2600",
        "pyarrow/lib.cpython-313-x86_64-linux-gnu.so",
        "pyarrow/parquet/core.py",
        "botocore/data/s3/2006-03-01/service-2.json.gz",
        "botocore/data/secretsmanager/2017-10-17/service-2.json.gz",
        "botocore/data/endpoints.json",
        "botocore/docs/docstring.py",
        "pyarrow-26.0.1.dist-info/licenses/LICENSE.txt",
        "zstandard/backend_c.cpython-313-x86_64-linux-gnu.so",
    ],
)
def test_what_is_needed_stays(scripts: Any, path: str) -> None:
    assert not scripts("lambda_zip").UNUSED.fullmatch(path)


def test_a_function_that_is_too_large_is_refused_by_its_largest_parts(scripts: Any) -> None:
    module = scripts("lambda_zip")
    files = {"duckdb/a.so": bytes(3_000_000), "pyarrow/b.so": bytes(2_000_000), "sql/c.sql": b"x"}
    module.require_small("transform", files, 5_000_001)
    refused = r"transform has 5 MB unzipped, and Lambda takes 5; the largest are duckdb 3 MB, pyarrow 2 MB"
    with pytest.raises(module.TooLarge, match=refused):
        module.require_small("transform", files, 5_000_000)
    assert module.LIMIT == 262_144_000


def test_bytecode_depends_on_the_files_alone(scripts: Any) -> None:
    module = scripts("lambda_bytecode")
    python = module.find_python()
    if python is None:
        pytest.skip(f"no Python {module.PYTHON} is here")
    text = b"def one():\n    return {'a', 'b', 'c', 'd'} > {1, 2, 3} or x in {'e', 'f', 'g'}\n"
    files = {"a/b.py": text, "a/__init__.py": b"", "a/c.sql": b"SELECT 1"}
    found = module.compiled(files, python)
    assert set(found) == {f"a/__pycache__/{name}.cpython-313.pyc" for name in ("b", "__init__")}
    assert b"/var/task/a/b.py" in found["a/__pycache__/b.cpython-313.pyc"]
    assert module.compiled(dict(reversed(files.items())), python) == found


@pytest.fixture
def packaged(scripts: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Returns the contents of a function's zip without the packages of others."""
    module = scripts("lambda_zip")
    monkeypatch.setattr(module, "wheels_of", lambda *_: [])
    monkeypatch.setattr(module, "find_python", lambda: None)
    return module.contents


def test_a_zip_has_the_pipeline_and_the_certificates(packaged: Any, tmp_path: Path) -> None:
    sql, pem = tmp_path / "mine", tmp_path / "my ca.crt"
    (sql / "models").mkdir(parents=True)
    for name in ("pipeline.toml", "models/dim_a.sql", ".env", "notes.txt", "models/dim_a.sql~"):
        (sql / name).write_text(name)
    pem.write_text("CERTIFICATE")
    files = packaged("extract", "arm64", sql, pem)
    assert files["certs/ca.pem"] == b"CERTIFICATE"
    assert {name for name in files if name.startswith("sql/")} == {
        "sql/pipeline.toml",
        "sql/models/dim_a.sql",
    }
    own = {name for name in files if name.startswith("starlift/")}
    assert {"starlift/entrypoints/lambdas.py", "starlift/adapters/macros.sql", "starlift/py.typed"} <= own
    assert not [name for name in own if "/demo/" in name or "/reference/" in name or "pycache" in name]


def test_a_folder_without_a_pipeline_is_refused(scripts: Any, packaged: Any, tmp_path: Path) -> None:
    with pytest.raises(scripts("lambda_zip").NoProject, match="make package SQL="):
        packaged("load", "arm64", tmp_path)


def wheel(folder: Path, name: str, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / name, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return folder / name


def test_a_wheel_that_is_not_that_of_the_lock_is_not_taken(
    scripts: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = scripts("lambda_wheels")
    lock, folder = tmp_path / "lock", tmp_path / "wheels" / "arm64"
    good = wheel(folder, "my_tool-1.2-py3-none-any.whl", {"my_tool.py": "x = 1"})
    lock.write_text(f"my-tool==1.2 \\\n    --hash=sha256:{digest(good)}\n    # via x\n")
    monkeypatch.setattr(module, "WHEELS", tmp_path / "wheels")
    monkeypatch.setattr(module, "lock_of", lambda _: lock)
    monkeypatch.setattr(module, "_download", lambda *_: None)
    assert module.wheels_of("load", "arm64") == [good]
    wheel(folder, good.name, {"my_tool.py": "x = 2"})
    with pytest.raises(module.Unavailable, match="no wheel of my_tool"):
        module.wheels_of("load", "arm64")


def test_a_wheel_s_files_lie_where_they_are_imported_from(scripts: Any, tmp_path: Path) -> None:
    made = wheel(
        tmp_path,
        "a-1-py3-none-any.whl",
        {
            "a/b.py": "1",
            "a-1.data/platlib/a/c.so": "2",
            "a-1.data/purelib/d.py": "3",
            "a-1.data/scripts/run": "4",
        },
    )
    found = dict(scripts("lambda_wheels").files_in(made))
    assert found == {"a/b.py": b"1", "a/c.so": b"2", "d.py": b"3"}


def test_both_architectures_are_found_under_the_tags_that_wheels_have(scripts: Any) -> None:
    assert scripts("lambda_wheels").PLATFORMS == {
        "arm64": ("manylinux_2_28_aarch64", "manylinux2014_aarch64"),
        "x86_64": ("manylinux_2_28_x86_64", "manylinux2014_x86_64"),
    }


def shown() -> str:
    """Return the output that the README shows under `$ make package`."""
    found = re.search(r"\$ make package\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def masked(text: str) -> list[str]:
    """Return the lines with their numbers masked, and no space around them."""
    return [" ".join(re.sub(r"\d+(\.\d+)?", "N", line).split()) for line in text.splitlines() if line]


def test_the_readme_shows_what_is_printed(scripts: Any) -> None:
    module = scripts("package_lambdas")
    made = scripts("lambda_zip").Zip(Path(), 5_400_000, 21_000_000)
    built = {(function, arch): made for function in FUNCTIONS for arch in ("arm64", "x86_64")}
    printed = module.table(built, dict.fromkeys(FUNCTIONS, 0.5))
    missing = [line for line in masked(printed) if line not in masked(shown())]
    assert missing == []


def test_the_readme_shows_functions_that_lambda_takes() -> None:
    unzipped = [int(size) for size in re.findall(r"\((\d+)\)", shown())]
    assert len(unzipped) == 2 * len(FUNCTIONS)
    assert max(unzipped) < 262


def test_every_function_has_a_lock_of_wheels_that_were_tested(scripts: Any) -> None:
    module = scripts("lambda_wheels")
    tested = module.pins(ROOT / "requirements" / "dev.lock")
    for function in FUNCTIONS:
        pinned = module.pins(module.lock_of(function))
        asked = {
            line.split()[0].replace("-", "_")
            for line in module.lock_of(function).with_suffix(".in").read_text().splitlines()
            if line and not line.startswith("#")
        }
        assert asked <= pinned.keys()
        assert {name: tested[name][0] for name in pinned} == {name: pin[0] for name, pin in pinned.items()}


def test_no_function_has_a_package_that_its_stage_does_without(scripts: Any) -> None:
    from tests.lambdas.test_imports import DOES_WITHOUT

    module = scripts("lambda_wheels")
    for function in FUNCTIONS:
        assert module.pins(module.lock_of(function)).keys().isdisjoint(DOES_WITHOUT[function])
