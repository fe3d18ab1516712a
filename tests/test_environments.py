"""An environment is made once for a lock, and where it cannot be made that is said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.environments import environment, is_made, place

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that is empty, and no package index."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")


def test_it_is_made_once_for_a_lock(tmp_path: Path) -> None:
    lock = tmp_path / "tool.txt"
    lock.write_text("# nothing\n")
    assert not is_made(lock)
    made = environment(lock)
    (made / "kept").touch()
    assert environment(lock) == made == place(lock)
    assert (made / "kept").exists()
    assert subprocess.run([made / "bin" / "python", "-c", ""], check=False).returncode == 0


def test_another_lock_has_another_place(tmp_path: Path) -> None:
    lock = tmp_path / "tool.txt"
    lock.write_text("# one\n")
    first = place(lock)
    lock.write_text("# two\n")
    assert place(lock) != first


def test_what_is_not_to_be_had_is_named_and_not_taken_for_made(tmp_path: Path) -> None:
    lock = tmp_path / "tool.txt"
    lock.write_text(f"no-such-package==1.0 --hash=sha256:{'0' * 64}\n")
    command = [sys.executable, "-m", "tests.environments", str(lock)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 3
    assert "no-such-package" in ended.stderr
    assert not is_made(lock)
