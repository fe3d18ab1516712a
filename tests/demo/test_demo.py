"""The demo as the README shows it. It runs once a session, as a user would start it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"

MASKS = (
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"starlift_analyst:[^@]+@", "starlift_analyst:PASSWORD@"),
    (r"\d+\.\d\d s", "SECONDS"),
    (r"State: \S+/", "State: FOLDER/"),
    (r"cd \S+ &&", "cd FOLDER &&"),
)


def masked(text: str) -> str:
    """Return the text without times, ports, passwords and places."""
    for pattern, word in MASKS:
        text = re.sub(pattern, word, text)
    return text.strip()


@dataclass(frozen=True)
class Demo:
    """A demo's folder, and what its first two runs said."""

    folder: Path
    first: str
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


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that was played twice."""
    folder = tmp_path_factory.mktemp("demo") / "state"
    try:
        first = starlift("demo", "--folder", str(folder))
        yield Demo(folder, first, starlift("demo", "--folder", str(folder), "--json"))
    finally:
        starlift("demo", "--folder", str(folder), "--clean")


def shown() -> str:
    """Return the output that the README shows under `$ make demo`."""
    found = re.search(r"\$ make demo\n(.*?)```", README.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_first_output_is_the_readmes(demo: Demo) -> None:
    assert masked(demo.first) == masked(shown())


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
