"""From the text of STARLIFT_INGESTION and STARLIFT_PROCESSED to two lakes apart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from starlift.adapters.addresses import refuse_overlap
from starlift.adapters.folder import FolderLake
from starlift.adapters.lakes import open_lake
from starlift.adapters.s3 import S3Lake
from starlift.errors import ConfigurationError, UnavailableError
from tests.s3_door import S3Door


def test_a_file_address_opens_a_folder(folder: Path) -> None:
    FolderLake(folder).put("manifests/head", b"1")

    for url in (folder.as_uri(), f"file://{folder}", f"file://{folder}/"):
        lake = open_lake(url)
        assert isinstance(lake, FolderLake)
        assert lake.root == folder.as_uri()
        assert lake.get("manifests/head") == b"1"


def test_an_s3_address_opens_a_bucket_or_a_prefix_in_it(bucket: str) -> None:
    whole = open_lake(f"s3://{bucket}")
    assert isinstance(whole, S3Lake)
    assert whole.root == f"s3://{bucket}"
    whole.put("lakes/one/manifests/head", b"1")

    for url in (f"s3://{bucket}/lakes/one", f"s3://{bucket}/lakes/one/"):
        assert open_lake(url).get("manifests/head") == b"1"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/folder",
        "folder",
        "file:/folder",
        "file://folder",
        "file://",
        "file:///a%00b",
        "s3:bucket",
        "s3://",
        "s3:///prefix",
        "s3://Upper_Case",
        "s3://b",
        "https://bucket.s3.amazonaws.com",
        "S3://bucket",
    ],
)
def test_what_is_no_address_is_refused_with_what_to_write(url: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        open_lake(url, "STARLIFT_INGESTION")

    assert f"STARLIFT_INGESTION is {url!r}" in error.value.message
    assert "s3://bucket/prefix or file:///absolute/folder" in error.value.hint
    assert error.value.hint.endswith("starlift run")


def test_an_address_asks_nothing_of_s3_or_the_disk_until_the_lake_is_used(s3_door: S3Door) -> None:
    open_lake("s3://never-made")
    open_lake("file:///never/made")

    assert s3_door.requests == []


@pytest.mark.parametrize("url", ["s3://bucket//prefix", "s3://bucket/a/../b", "s3://bucket/.a"])
def test_a_prefix_that_no_folder_could_have_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        open_lake(url)


@pytest.mark.parametrize(
    ("ingestion", "processed"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket", "s3://bucket/"),
        ("s3://bucket", "s3://bucket/processed"),
        ("s3://bucket/lake/ingestion", "s3://bucket/lake"),
        ("file:///lake", "file:///lake/"),
        ("file:///lake", "file:///lake/processed"),
        ("file:///lake/a/b", "file:///lake/a"),
        ("file:///lake/a/../b", "file:///lake/b"),
        ("file:///", "file:///lake"),
    ],
)
def test_equal_and_nested_lakes_are_refused(ingestion: str, processed: str) -> None:
    for pair in ((ingestion, processed), (processed, ingestion)):
        with pytest.raises(ConfigurationError, match="overlap") as error:
            refuse_overlap(*pair)
        assert error.value.hint.endswith("starlift run")


def test_a_link_to_a_lake_is_that_lake(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)

    with pytest.raises(ConfigurationError, match="overlap"):
        refuse_overlap(folder.as_uri(), f"file://{tmp_path}/link/processed")


@pytest.mark.parametrize(
    ("ingestion", "processed"),
    [
        ("s3://ingestion", "s3://processed"),
        ("s3://bucket/lake", "s3://bucket/lake2"),
        ("file:///lake", "file:///lake2"),
        ("file:///s3/bucket", "s3://bucket"),
        ("file:///bucket", "s3://bucket"),
    ],
)
def test_lakes_apart_are_accepted(ingestion: str, processed: str) -> None:
    refuse_overlap(ingestion, processed)
    refuse_overlap(processed, ingestion)


@pytest.mark.parametrize("variable", ["STARLIFT_INGESTION", "STARLIFT_PROCESSED"])
def test_a_lake_names_the_variable_it_came_from(tmp_path: Path, s3_door: S3Door, variable: str) -> None:
    for url in (f"file://{tmp_path}/missing", "s3://never-made"):
        with pytest.raises(UnavailableError, match="does not exist") as error:
            open_lake(url, variable).get("manifests/head")
        assert f"correct {variable}" in error.value.hint


def test_a_folder_is_opened_without_importing_the_client_of_aws(folder: Path) -> None:
    script = (
        "import sys; from starlift.adapters.lakes import open_lake; open_lake('file:///lake'); "
        "sys.exit('botocore' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
