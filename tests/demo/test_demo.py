"""The demo as the README shows it. It runs once a session, as a user would start it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from starlift.demo.place import open_place
from starlift.errors import ConfigurationError

README = Path(__file__).parents[2] / "README.md"

MASKS = (
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"starlift_analyst:[^@]+@", "starlift_analyst:PASSWORD@"),
    (r"\d+\.\d\d s", "SECONDS"),
)


def masked(text: str) -> str:
    """Return the text without times, ports, passwords and places."""
    for pattern, word in MASKS:
        text = re.sub(pattern, word, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


@dataclass(frozen=True)
class Demo:
    """A demo's folder, what its first run said, what the README's walk said then, and the second run."""

    folder: Path
    first: str
    walk: subprocess.CompletedProcess[str]
    second: str


def starlift(*words: str, cwd: Path | None = None) -> str:
    """Run a command as a process, with settings of the user around that it must not take."""
    environment = {**os.environ, "STARLIFT_SOURCE_URL": "postgresql://nobody@nowhere.invalid/none"}
    ended = subprocess.run(
        [sys.executable, "-m", "starlift", *words],
        cwd=cwd,
        env=environment if words[0] == "demo" else None,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def walked(clone: Path) -> subprocess.CompletedProcess[str]:
    """Type the README's walk, block by block, into one shell that has just been opened in a clone."""
    (clone / ".venv/bin").mkdir(parents=True)
    (clone / ".venv/bin/activate").write_text('PATH="$(cd ../.venv/bin && pwd):$PATH"\n')
    program = clone / ".venv/bin/starlift"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m starlift "$@"\n')
    program.chmod(0o755)
    mine = {name: value for name, value in os.environ.items() if not name.startswith("STARLIFT_")}
    return subprocess.run(
        ["sh", "-e"],
        input="".join(walk("sh")),
        cwd=clone,
        env={**mine, "PSQLRC": os.devnull, "PAGER": "cat", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )


def walk(kind: str) -> list[str]:
    """Return the blocks of one kind in the README's walk, in order."""
    section = re.search(r"^## Change the star$(.*?)^## ", README.read_text(), re.DOTALL | re.MULTILINE)
    assert section is not None
    return re.findall(rf"^```{kind}\n(.*?)^```", section[1], re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that was played twice, the README's walk between."""
    clone = tmp_path_factory.mktemp("clone")
    try:
        first = starlift("demo", cwd=clone)
        ended = walked(clone)
        yield Demo(clone / ".demo", first, ended, starlift("demo", "--json", cwd=clone))
    finally:
        starlift("demo", "--clean", cwd=clone)


def shown() -> str:
    """Return the output that the README shows under `$ make demo`."""
    found = re.search(r"\$ make demo\n(.*?)```", README.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_first_output_is_the_readmes(demo: Demo) -> None:
    assert masked(demo.first) == masked(shown())


def test_a_newcomer_changes_the_star_as_the_readme_shows(demo: Demo) -> None:
    assert demo.walk.returncode == 0, demo.walk
    assert len(walk("sh")) == len(walk("text")) == 2
    assert masked(re.sub(r"\n\n", "\n", demo.walk.stdout)) == masked("".join(walk("text")))


def test_the_next_day_goes_into_the_star_that_was_changed(demo: Demo) -> None:
    renamed = json.loads(demo.second)["cycles"][2]
    assert renamed["star"]["dim_department"]["updated"] == 1


def test_the_model_in_the_readme_is_the_one_that_runs() -> None:
    model = README.parent / "sql/models/dim_staff.sql"
    assert f"```sql\n{model.read_text()}```" in README.read_text()


def test_the_second_run_goes_on_at_the_next_batch(demo: Demo) -> None:
    last = max(map(int, re.findall(r"batch (\d+) applied", demo.first)))
    cycles = json.loads(demo.second)["cycles"]
    assert [cycle["seq"] for cycle in cycles if cycle["outcome"] == "applied"] == list(
        range(last + 1, last + len(cycles))
    )
    assert cycles[-1]["outcome"] == "nothing"


def test_the_poll_on_last_updated_misses_silent_and_late_rows_and_starlift_none(demo: Demo) -> None:
    missed = {row["change"]: row for row in json.loads(demo.second)["missed"]}
    assert all(row["starlift"] == 0 for row in missed.values())
    for change in ("edited silently", "committed late"):
        assert missed[change]["cursor_poll"] == missed[change]["rows"] > 0
    assert missed["entered or paid, and stamped"]["cursor_poll"] == 0, "the comparison must be fair"


def test_in_the_demos_folder_every_command_works_on_the_demo(demo: Demo) -> None:
    document = json.loads(starlift("status", "--json", cwd=demo.folder))
    assert document["pending"] == {"transform": 0, "load": 0}
    assert document["applied_seq"] == document["head_seq"] > 6


def test_the_address_it_prints_lets_an_analyst_in(demo: Demo) -> None:
    from tests.postgres import connected

    address = re.search(r"postgresql://starlift_analyst\S+", demo.first)
    assert address is not None
    with connected(address[0]) as analyst:
        assert analyst.run("SELECT count(*) FROM current_fact_sales_order")[0][0] > 800


def test_its_settings_are_for_its_owner_only(demo: Demo) -> None:
    assert (demo.folder / ".env").stat().st_mode & 0o077 == 0


def test_clean_touches_nothing_in_a_folder_that_is_not_a_demos(tmp_path: Path) -> None:
    for name in (".env", "ingestion", "processed", "postgres"):
        (tmp_path / name).mkdir()
    assert starlift("demo", "--folder", str(tmp_path), "--clean").startswith("there is no demo")
    assert len(list(tmp_path.iterdir())) == 4
    assert starlift("demo", "--folder", str(tmp_path / "none"), "--clean").startswith("there is no demo")


def test_a_folder_with_files_of_ones_own_does_not_become_a_demo(tmp_path: Path) -> None:
    (tmp_path / "sql").mkdir()
    with pytest.raises(ConfigurationError, match="no demo's, and has sql in it"):
        open_place(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["sql"]
