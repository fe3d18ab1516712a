"""`run --every` goes on until it is told to stop, and stops only between batches."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

from tests.cli.project import NO_SUCH_TABLE, PATIENCE, Project, Said, assert_refused
from tests.postgres import connected

LOCK = "SELECT pg_advisory_lock(hashtextextended('starlift writes starlift', 0))"


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def next_object(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the next object that a command prints."""
    assert process.stdout
    document = json.loads(process.stdout.readline())
    assert isinstance(document, dict)
    return document


def test_sigterm_in_a_cycle_finishes_its_batch_and_exits_0(project: Project) -> None:
    with connected(project.warehouse.owner) as other:
        other.run(LOCK)
        process = project.start("run", "--every", "1h", "--json")
        made = project.lake / "processed" / "manifests" / "00000000000000000001.json"
        until(made.exists)  # now the load waits for the lock
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert process.poll() is None, "it did not wait for its batch"
    said = project.ended(process)
    assert said.code == 0, said
    assert said.json["outcome"] == "applied"
    assert "stopped" in said.err
    assert project.query("SELECT max(seq) FROM starlift.applied") == [[1]]


def test_sigterm_in_a_pause_ends_it_at_once(project: Project) -> None:
    process = project.start("run", "--every", "1h", "--json")
    assert next_object(process)["outcome"] == "applied"
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert project.ended(process).code == 0
    assert time.monotonic() - begun < 10


def test_ctrl_c_asks_and_a_second_one_ends_at_once(project: Project) -> None:
    with connected(project.warehouse.owner) as other:
        other.run(LOCK)
        process = project.start("run", "--every", "1h")
        until((project.lake / "processed" / "manifests" / "00000000000000000001.json").exists)
        process.send_signal(signal.SIGINT)
        assert process.stderr
        assert any("Ctrl-C again" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        said = project.ended(process)
    assert said.code == 130
    assert "Traceback" not in said.err
    assert said.err.endswith("nothing is half written, go on with: starlift run\n")
    assert project.query("SELECT count(*) FROM starlift.applied") == [[0]]


def test_a_failure_in_the_loop_is_reported_and_tried_again(project: Project) -> None:
    with connected(project.source.admin) as admin:
        admin.run("ALTER ROLE starlift_source CONNECTION LIMIT 0")
        process = project.start("run", "--every", "1s", "--json")
        failed = next_object(process)
        admin.run("ALTER ROLE starlift_source CONNECTION LIMIT -1")
    assert failed["error"]["code"] == "unavailable"
    while (document := next_object(process))["outcome"] == "failed":
        assert document["error"]["code"] == "unavailable"
    assert document["outcome"] == "applied"
    assert document["seq"] == 1
    process.send_signal(signal.SIGTERM)
    assert project.ended(process).code == 0


FAULT = """
from pathlib import Path
from starlift.stages import cycle

sound = cycle.run_cycle

def faulty(*words):
    if Path("faulty").exists():
        raise LookupError("nobody foresaw this")
    return sound(*words)

cycle.run_cycle = faulty
"""
"""Python runs `sitecustomize` first. No input is known to bring such a fault about: it would be mended."""


def test_a_fault_that_nobody_foresaw_is_reported_and_the_next_cycle_tries_again(project: Project) -> None:
    (project.folder / "sitecustomize.py").write_text(FAULT)
    fault = project.folder / "faulty"
    fault.touch()
    process = project.start("run", "--every", "1s", "--json", PYTHONPATH=str(project.folder))
    assert next_object(process)["error"]["code"] == "unexpected"
    fault.unlink()
    while "outcome" not in (document := next_object(process)):
        assert document["error"]["code"] == "unexpected"
    assert document["outcome"] == "applied"
    process.send_signal(signal.SIGTERM)
    said = project.ended(process)
    assert said.code == 0
    assert "LookupError: nobody foresaw this" in said.err


def test_a_configuration_that_cannot_work_ends_the_loop(untouched: Project) -> None:
    config = untouched.config("misspelt", NO_SUCH_TABLE)
    said = untouched.starlift("run", "--every", "1s", "--json", STARLIFT_CONFIG=config)
    assert_refused(said, 2, "stuff is not in the source")


def test_ctrl_c_without_a_loop_ends_without_a_traceback(project: Project) -> None:
    with connected(project.warehouse.owner) as other:
        other.run(LOCK)
        process = project.start("run", "--json")
        until((project.lake / "processed" / "manifests" / "00000000000000000001.json").exists)
        process.send_signal(signal.SIGINT)
        said = project.ended(process)
    assert said.code == 130
    assert said.json["error"]["code"] == "interrupted"
    assert "Traceback" not in said.err


def test_the_loop_goes_on_where_nobody_reads_it(project: Project) -> None:
    process = project.start("run", "--every", "1s")
    assert process.stdout
    process.stdout.readline()
    process.stdout.close()
    with connected(project.warehouse.owner) as owner:
        project.update("UPDATE design SET design_name = 'Seen' WHERE design_id = 1")
        until(lambda: owner.run("SELECT count(*) FROM starlift.applied")[0][0] >= 2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    assert process.stderr
    with process.stderr as stderr:
        assert Said(0, "", stderr.read()).errors == ["starlift: stopped, after a whole batch"]
