"""The environment wins over `.env`, and what is wrong in `.env` is named by its line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starlift.bootstrap import Pipeline
from starlift.errors import ConfigurationError
from starlift.settings import Settings, read, read_file

NAME = "STARLIFT_INGESTION"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No STARLIFT_* of the outside; what a test sets goes with it."""
    for name in [name for name in os.environ if name.startswith("STARLIFT_")]:
        monkeypatch.delenv(name)


def env_file(folder: Path, text: str) -> Path:
    file = folder / ".env"
    file.write_text(text, encoding="utf-8")
    return file


def test_env_is_read_where_the_environment_says_nothing(tmp_path: Path) -> None:
    env_file(tmp_path, f"{NAME}=file:///lake  # a comment\nexport STARLIFT_CONFIG='my sql/p.toml'\n")
    settings = read(tmp_path)
    assert settings.need(NAME) == "file:///lake"
    assert settings.config == Path("my sql/p.toml")


def test_the_environment_wins_over_env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file(tmp_path, f"{NAME}=file:///theirs\n")
    monkeypatch.setenv(NAME, "file:///mine")
    assert read(tmp_path).need(NAME) == "file:///mine"


def test_an_empty_value_of_the_environment_wins_too_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file(tmp_path, f"{NAME}=file:///theirs\n")
    monkeypatch.setenv(NAME, "  ")
    with pytest.raises(
        ConfigurationError, match=r"STARLIFT_INGESTION is empty in the environment$"
    ) as raised:
        read(tmp_path).need(NAME)
    assert raised.value.hint.endswith(f": unset {NAME}")


def test_an_empty_value_of_env_is_named_by_its_line(tmp_path: Path) -> None:
    file = env_file(tmp_path, f"# lakes\n\n{NAME}=\n")
    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path).need(NAME)
    assert raised.value.message == f"{file}, line 3: {NAME} is empty"
    assert "file:///var/lib/starlift/ingestion" in raised.value.hint


def test_a_missing_value_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"is not set in the environment$") as raised:
        read(tmp_path).need(NAME)
    assert raised.value.hint.endswith(": starlift init")
    file = env_file(tmp_path, "STARLIFT_CONFIG=x\n")
    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path).need(NAME)
    assert raised.value.message == f"{NAME} is not set in the environment and {file}"
    assert raised.value.hint.endswith("then: starlift run")


def test_where_a_name_is_there_twice_the_last_counts(tmp_path: Path) -> None:
    env_file(tmp_path, f"{NAME}=file:///first\n{NAME}=file:///last\n")
    settings = read(tmp_path)
    assert settings.need(NAME) == "file:///last"
    assert settings.places[NAME].endswith(".env, line 2")


def test_what_is_not_ours_goes_to_the_environment_below_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-2")
    monkeypatch.setenv("AWS_PROFILE", "to be removed afterwards")
    monkeypatch.delenv("AWS_PROFILE")
    env_file(tmp_path, "AWS_REGION=us-east-1\nAWS_PROFILE=starlift\nSTARLIFT_CONFIG=x\n")
    read(tmp_path)
    assert (os.environ["AWS_REGION"], os.environ["AWS_PROFILE"]) == ("eu-west-2", "starlift")
    assert "STARLIFT_CONFIG" not in os.environ


def test_settings_show_no_values() -> None:
    assert "secret" not in repr(Settings({"STARLIFT_SOURCE_URL": "postgresql://me:secret@h/db"}))


def test_no_file_is_no_settings(tmp_path: Path) -> None:
    assert read(tmp_path).values == {}


BLANKS = st.lists(st.sampled_from(["", "   ", "\t", "# a comment", "  # STARLIFT_X", f"{NAME}=file:///a b"]))
HALVES = st.sampled_from(
    [NAME, f"{NAME}='half", f'{NAME}="half', f"export {NAME}", "=value", f"{NAME} value", "'STARLIFT_X=1"]
)


@given(before=BLANKS, half=HALVES, after=st.lists(st.sampled_from(["", "# more", "STARLIFT_CONFIG=x"])))
def test_a_half_written_line_is_named_by_its_number(
    before: list[str], half: str, after: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "half"
    folder.mkdir(exist_ok=True)
    for end in ("\n", "\r\n"):
        (folder / ".env").write_bytes(end.join([*before, half, *after]).encode())
        with pytest.raises(ConfigurationError, match=rf"\.env, line {len(before) + 1} is half written"):
            read_file(folder / ".env")


def test_a_value_that_was_never_closed_is_half_written_though_another_closes_it(tmp_path: Path) -> None:
    file = env_file(tmp_path, f"\n{NAME}='file:///lake\nSTARLIFT_CONFIG=x'\n")
    with pytest.raises(ConfigurationError, match="line 2 is half written: STARLIFT_INGESTION"):
        read_file(file)


@pytest.mark.parametrize("line", ["hunter2", "'hunter2", "postgresql://me:hunter2@h/db", "PASSWORD hunter2"])
def test_of_a_half_written_line_only_a_name_of_ours_is_repeated(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_file(env_file(tmp_path, line))
    assert "hunter2" not in raised.value.message + raised.value.hint


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbf" + f"{NAME}=file:///lake\n".encode())
    assert read_file(tmp_path / ".env") == {NAME: "file:///lake"}


def test_an_env_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="is not UTF-8 text"):
        read(tmp_path)


def test_an_env_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file") as raised:
        read_file(tmp_path / ".env")
    assert raised.value.hint.startswith("make it yours and readable: chmod 600 ")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("STARLIFT_SOURCE_URL=mysql://h/db", "does not start with postgresql://"),
        ("STARLIFT_SOURCE_URL=postgresql://me:x@h", "host, user or database is missing"),
    ],
)
def test_a_wrong_address_is_named_by_the_line_that_has_it(tmp_path: Path, text: str, wrong: str) -> None:
    file = env_file(tmp_path, f"\n{text}\n")
    with pytest.raises(ConfigurationError, match=wrong) as raised:
        Pipeline(read(tmp_path)).dsn("source")
    assert raised.value.message.startswith(f"{file}, line 2: STARLIFT_SOURCE_URL ")


def test_a_wrong_lake_is_named_by_the_line_that_has_it(tmp_path: Path) -> None:
    file = env_file(tmp_path, f"\n\n{NAME}=/a/plain/path\n")
    with pytest.raises(ConfigurationError, match="not the address of a lake") as raised:
        _ = Pipeline(read(tmp_path)).ingestion
    assert raised.value.message.startswith(f"{file}, line 3: ")


def test_a_lake_alone_is_enough_for_a_stage_that_needs_no_other(tmp_path: Path) -> None:
    assert Pipeline(Settings({NAME: tmp_path.as_uri()})).ingestion.root == tmp_path.as_uri()


@pytest.mark.parametrize(("data", "said"), [(b"\xff", "is not UTF-8 text"), (None, "cannot be read")])
def test_a_configuration_that_is_no_text_is_refused(tmp_path: Path, data: bytes | None, said: str) -> None:
    file = tmp_path / "pipeline.toml"
    if data:
        file.write_bytes(data)
    with pytest.raises(ConfigurationError, match=said):
        _ = Pipeline(Settings({"STARLIFT_CONFIG": str(file)})).config
