"""The words of the command line, and what a pipe, a terminal or a fault does to its answers."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from starlift import __version__
from starlift.entrypoints import cli
from starlift.entrypoints.answers import Answer
from starlift.entrypoints.cli import COMMANDS, parser
from starlift.entrypoints.terminal import Progress, print_answer, say
from starlift.errors import ConfigurationError, HeldError
from tests.cli.conftest import Here
from tests.cli.project import STARLIFT, Project, environment

NEEDED = {"replay": ["--into", "another"], "quarantine": ["list"]}
"""Options without which a command means nothing."""


@pytest.mark.parametrize("command", COMMANDS)
def test_json_may_stand_before_or_after_the_command(command: str) -> None:
    words = [command, *NEEDED.get(command, ())]
    for places in (["--json", *words], [*words, "--json"]):
        assert parser().parse_args(places).json is True
    assert parser().parse_args(words).json is False


@pytest.mark.parametrize(
    ("text", "seconds"), [("5m", 300.0), ("30s", 30.0), ("1h", 3600.0), ("2d", 172800.0), ("1000ms", 1.0)]
)
def test_an_interval_is_a_duration(text: str, seconds: float) -> None:
    assert parser().parse_args(["run", "--every", text]).every == seconds


@pytest.mark.parametrize(
    "words",
    ["run --every 5", "run --every 500ms", "run --every -5m", "extract --strict", "run --js", "status x"],
)
def test_a_wrong_word_is_a_mistake_of_the_configuration(words: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parser().parse_args(words.split())
    assert raised.value.hint in (f"starlift {words.split(maxsplit=1)[0]} --help", "starlift --help")


@pytest.mark.parametrize("words", [(), *((command,) for command in COMMANDS)])
def test_help_is_an_answer(words: tuple[str, ...], tmp_path: Path, here: Here) -> None:
    with pytest.raises(SystemExit) as ended:
        here(tmp_path, *words, "--help")
    assert ended.value.code == 0


def test_help_names_every_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    parser().print_help()
    shown = " ".join(capsys.readouterr().out.split())
    assert [command for command in COMMANDS if f" {command} " not in shown] == []
    assert [code for code in range(8) if f" {code} " not in shown] == []


def test_the_version_is_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["--version"])
    assert capsys.readouterr().out == f"starlift {__version__}\n"


def test_a_fault_of_starlift_is_reported_whole_with_exit_code_1(
    tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(_call: object) -> Answer:
        raise ZeroDivisionError("a fault to test with, of postgresql://me:hidden@h/db")

    monkeypatch.setitem(COMMANDS, "status", (fault, "a fault"))
    said = here(tmp_path, "status", "--json")
    assert said.code == 1
    assert said.json["error"]["code"] == "unexpected"
    assert "Traceback" in said.err
    assert "hidden" not in said.err + said.out
    assert said.err.endswith("see what there is: starlift status\n")


def test_ctrl_c_is_exit_code_130_and_an_object(
    tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_call: object) -> Answer:
        raise KeyboardInterrupt

    monkeypatch.setitem(COMMANDS, "status", (interrupted, "Ctrl-C"))
    said = here(tmp_path, "status", "--json")
    assert (said.code, said.json["error"]["code"]) == (cli.INTERRUPTED, "interrupted")
    assert said.err == "starlift: interrupted; nothing is half written, go on with: starlift run\n"


def into_a_closed_pipe(folder: Path, *words: str) -> tuple[int, str]:
    """Run a command whose reader has gone, as `head` does; return its exit code and stderr."""
    process = subprocess.Popen(
        [*STARLIFT, *words],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    with process.stderr as stderr:
        said = stderr.read()
    return process.wait(), said


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("status",), ("status", "--json")])
def test_a_reader_that_goes_is_no_fault(standing: Project, words: tuple[str, ...]) -> None:
    assert into_a_closed_pipe(standing.folder, *words) == (0, "")


def test_what_follows_after_the_reader_has_gone_is_dropped() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        say("nobody reads this", stream)
        assert os.write(stream.fileno(), b"nor this") == 8


def test_a_terminal_that_lacks_a_character_sees_its_code(tmp_path: Path) -> None:
    code = "from starlift.entrypoints.terminal import *; make_printable(); say('Zo\\xeb')"
    said = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(PYTHONIOENCODING="ascii"),
        capture_output=True,
        check=True,
    )
    assert said.stdout == b"Zo\\xeb\n"


def test_an_answer_goes_to_stdout_and_its_errors_each_once_to_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = Answer({"a": 1}, "one", (HeldError("no", "starlift status"), HeldError("no", "starlift status")))
    print_answer(answer, as_json=False)
    assert capsys.readouterr() == ("one\n", "starlift: no\n  starlift status\n")
    print_answer(Answer({"a": 1}, "one"), as_json=True)
    assert capsys.readouterr() == ('{"a": 1}\n', "")
    for as_json in (True, False):
        print_answer(Answer(None), as_json=as_json)
    assert capsys.readouterr() == ("", "")


def test_a_stream_may_be_chosen() -> None:
    stream = io.StringIO()
    say("here", stream)
    assert stream.getvalue() == "here\n"


def news(capsys: pytest.CaptureFixture[str], work: Callable[[Progress], Any]) -> list[str]:
    with Progress(0.05) as progress:
        work(progress)
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_short_work_has_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress:
        progress("extract", "staff", 20)
    assert capsys.readouterr() == ("", "")


def test_long_work_is_told_by_its_newest_figure(capsys: pytest.CaptureFixture[str]) -> None:
    def work(progress: Progress) -> None:
        progress("extract", "staff", 20)
        progress("extract", "sales_order", 11187)
        time.sleep(0.2)
        progress("load", "batch 1", 1)
        time.sleep(0.2)

    assert news(capsys, work) == ["extract sales_order: 11,187 rows", "load batch 1: 1 row"]
