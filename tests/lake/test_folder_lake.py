"""What a folder adds to the contract: death in mid-write, real refusals of real disks, stray files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starlift.adapters.folder import FolderLake
from starlift.errors import UnavailableError

KEY = "data/payment/seq=00000000000000000001/run-00000.jsonl.zst"
DATA = bytes(range(256)) * 8192  # 2 MiB

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="a device of Linux")

DYING_WRITER = """
import os, signal, sys
from starlift.adapters.folder import FolderLake

root, method, key, steps = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
lake, data = FolderLake(root), bytes(range(256)) * 8192
touching = {"open", "os.mkdir", "os.link", "os.rename", "os.remove", "os.scandir", "os.listdir"}

def die_before_the_last_step(event, arguments):
    global steps
    if event in touching and str(arguments[0]).startswith(root):
        steps -= 1
        if steps == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(die_before_the_last_step)
getattr(lake, method)(key, data)
"""

WRITER_CUT_BY_THE_KERNEL = """
import resource, signal, sys
from starlift.adapters.folder import FolderLake

signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
getattr(FolderLake(sys.argv[1]), sys.argv[2])(sys.argv[3], bytes(range(256)) * 8192)
"""

REPORTING = """
import json, os, sys
from starlift.adapters.folder import FolderLake
from starlift.errors import UnavailableError

def report(call, *arguments):
    try:
        answer = call(*arguments)
        print(json.dumps(answer if isinstance(answer, bool) else repr(answer)))
    except UnavailableError as error:
        print(json.dumps([error.message, error.hint]))

lake = FolderLake(sys.argv[1])
"""


def python(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def answers(script: str, root: Path, *, before: tuple[str, ...] = ()) -> list[object]:
    """Run REPORTING and a script after it in a process of its own; return what it reported."""
    command = [*before, sys.executable, "-c", REPORTING + script, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_writer_killed_before_any_of_its_steps_leaves_all_of_the_object_or_nothing(
    tmp_path: Path,
) -> None:
    outcomes = {}
    for method in ("put_if_absent", "put"):
        for step in range(1, 30):
            root = tmp_path / method / str(step)
            root.mkdir(parents=True)
            status = python(DYING_WRITER, root, method, KEY, step).returncode

            survivor = FolderLake(root)
            left = survivor.get(KEY)
            assert left in (None, DATA)
            assert list(survivor.keys("")) == ([KEY] if left else [])
            assert survivor.put_if_absent(KEY, DATA) is (left is None)
            assert survivor.get(KEY) == DATA

            outcomes[method, step] = (status, left is None)
            if status == 0:
                break
    # Each method was killed both before and after the object became visible, then let through.
    for method in ("put_if_absent", "put"):
        seen = {outcome for (of, _), outcome in outcomes.items() if of == method}
        assert seen == {(-9, True), (-9, False), (0, False)}


@pytest.mark.parametrize("method", ["put_if_absent", "put"])
def test_a_writer_killed_halfway_through_the_bytes_leaves_nothing_to_see(folder: Path, method: str) -> None:
    lake = FolderLake(folder)
    lake.put("manifests/head", b"1")

    killed = python(WRITER_CUT_BY_THE_KERNEL, folder, method, KEY)

    assert killed.returncode < 0, killed.stderr
    assert [file.stat().st_size for file in (folder / ".tmp").iterdir()] == [1_000_000]
    assert lake.get(KEY) is None
    assert list(lake.keys("")) == ["manifests/head"]
    assert lake.put_if_absent(KEY, DATA)
    assert lake.get(KEY) == DATA


def test_bytes_are_on_the_disk_before_their_name_and_then_every_folder_above_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A spy on the system calls, for a power failure cannot be made: the order of these is the promise.
    done: list[tuple[str, int]] = []
    for call in ("link", "replace"):
        monkeypatch.setattr(os, call, _noting(done, "name", getattr(os, call), os.stat))
    monkeypatch.setattr(os, "fsync", _noting(done, "sync", os.fsync, os.fstat))
    lake = FolderLake(folder)

    for method in (lake.put_if_absent, lake.put_if_absent, lake.put):
        done.clear()
        method(KEY, b"x")

        above = [("sync", path.stat().st_ino) for path in (folder / KEY).parents]
        above = above[: above.index(("sync", folder.stat().st_ino)) + 1]
        assert len(above) == 4
        (_, bytes_synced), (_, named), *rest = done
        assert [kind for kind, _ in done[:2]] == ["sync", "name"]
        assert bytes_synced == named
        assert sorted(rest) == sorted(above)


def _noting(
    done: list[tuple[str, int]], kind: str, call: Callable[..., None], stat: Callable[..., Any]
) -> Callable[..., None]:
    def noted(*arguments: Any, **options: Any) -> None:
        done.append((kind, stat(arguments[0]).st_ino))
        call(*arguments, **options)

    return noted


def test_what_killed_writers_left_is_removed_a_day_later_and_not_before(folder: Path) -> None:
    FolderLake(folder).put("manifests/head", b"1")
    old, recent = folder / ".tmp" / "old", folder / ".tmp" / "recent"
    for file in (old, recent):
        file.write_bytes(b"half an obj")
    a_day_ago = time.time() - 86_500
    os.utime(old, (a_day_ago, a_day_ago))

    assert FolderLake(folder).put_if_absent(KEY, DATA)

    assert list((folder / ".tmp").iterdir()) == [recent]
    assert list(FolderLake(folder).keys("")) == [KEY, "manifests/head"]


def test_a_writer_leaves_no_temporary_file_behind(folder: Path) -> None:
    lake = FolderLake(folder)
    lake.put_if_absent(KEY, b"1")
    lake.put_if_absent(KEY, b"2")
    lake.put(KEY, b"3")

    assert list((folder / ".tmp").iterdir()) == []


def test_objects_are_as_readable_as_the_umask_says(folder: Path) -> None:
    before = os.umask(0o027)
    try:
        FolderLake(folder).put_if_absent(KEY, b"x")
    finally:
        os.umask(before)

    assert (folder / KEY).stat().st_mode & 0o777 == 0o640


def test_files_of_the_desktop_and_half_written_ones_are_not_objects(folder: Path) -> None:
    lake = FolderLake(folder)
    lake.put("manifests/head", b"1")
    (folder / ".DS_Store").write_bytes(b"")
    (folder / "manifests" / ".head.swp").write_bytes(b"")

    assert list(lake.keys("")) == ["manifests/head"]
    assert list(lake.keys("manifests/")) == ["manifests/head"]


def test_a_folder_removed_while_it_is_listed_holds_no_objects(folder: Path) -> None:
    lake = FolderLake(folder)
    lake.put("a/1", b"")
    lake.put("b/1", b"")

    listing = lake.keys("")
    assert next(listing) == "a/1"
    shutil.rmtree(folder / "b")

    assert list(listing) == []


@pytest.mark.parametrize("in_the_way", ["data", "data/payment", KEY.rpartition("/")[0]])
def test_a_file_in_place_of_a_folder_is_an_error_that_says_so(folder: Path, in_the_way: str) -> None:
    lake = FolderLake(folder)
    lake.put(in_the_way, b"")

    with pytest.raises(UnavailableError, match=r"cannot write data/.* has a file in place of a"):
        lake.put_if_absent(KEY, b"x")
    assert lake.get(KEY) is None


def test_the_root_is_the_address_of_the_folder(folder: Path) -> None:
    assert FolderLake(folder).root == f"file://{folder}".replace(" ", "%20")


names = st.text(st.characters(codec="utf-8", exclude_characters="/\\", exclude_categories=["C"]))
segments = names.filter(lambda name: name != "" and not name.startswith("."))
some_keys = st.sets(
    # Folders end in `d` and files in `f`: a name is not both, which a folder cannot have.
    st.builds(
        lambda folders, file: "".join(f"{name[:20]}d/" for name in folders) + file[:20] + "f",
        st.lists(segments, max_size=3),
        segments,
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(keys=some_keys, cut=st.integers(0, 12), which=st.integers(0, 11))
def test_a_listing_equals_the_sorted_keys_that_start_with_the_prefix(
    keys: set[str], cut: int, which: int
) -> None:
    prefix = sorted(keys)[which % len(keys)][:cut] if keys else ""
    with tempfile.TemporaryDirectory() as root:
        for key in keys:
            Path(root, key).parent.mkdir(parents=True, exist_ok=True)
            Path(root, key).touch()

        listed = list(FolderLake(root).keys(prefix))

    assert listed == sorted(key for key in keys if key.startswith(prefix))
    assert listed == sorted(listed, key=str.encode)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """An empty folder that every user of the machine can reach; pytest's own are private."""
    path = Path(tempfile.mkdtemp(prefix="starlift-lake-"))
    path.chmod(0o755)
    yield path
    subprocess.run(["chmod", "-R", "u+rwx", path], check=True)  # or only root could remove it
    shutil.rmtree(path)


AS_ANOTHER_USER = """
import atexit
if os.geteuid() == 0:
    os.seteuid(65534)
    atexit.register(os.seteuid, 0)  # or a coverage report could not be written
"""
ALL_CALLS = """
report(lake.get, "manifests/head")
report(lambda: list(lake.keys("")))
report(lake.put_if_absent, "manifests/1.json", b"x")
report(lake.put, "manifests/head", b"x")
"""


def refused(answer: object, path: Path, reason: str) -> bool:
    match answer:
        case [str(message), str(hint)]:
            return (
                str(path) in message
                and reason in message
                and "\n" not in message + hint
                and "STARLIFT_INGESTION or STARLIFT_PROCESSED" in hint
                and hint.endswith(": starlift run")
            )
    return False


def test_a_folder_that_may_only_be_read_is_read_and_refuses_writes(open_folder: Path) -> None:
    FolderLake(open_folder).put("manifests/head", b"7")
    for path in (open_folder, *open_folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)

    read, listed, *writes = answers(AS_ANOTHER_USER + ALL_CALLS, open_folder)

    assert (read, listed) == ("b'7'", "['manifests/head']")
    assert all(refused(answer, open_folder, "closed to this user") for answer in writes)


def test_a_folder_closed_to_this_user_refuses_everything(open_folder: Path) -> None:
    FolderLake(open_folder).put("manifests/head", b"7")
    open_folder.chmod(0o000)

    for answer in answers(AS_ANOTHER_USER + ALL_CALLS, open_folder):
        assert refused(answer, open_folder, "closed to this user")


def test_a_folder_below_one_closed_to_this_user_refuses_everything(open_folder: Path) -> None:
    inner = open_folder / "lake"
    inner.mkdir()
    open_folder.chmod(0o000)

    for answer in answers(AS_ANOTHER_USER + ALL_CALLS, inner):
        assert refused(answer, inner, "closed to this user")


def on_a_disk_of_1_mb(script: str, mount: Path) -> list[object]:
    """Run a script as `answers` does, with `mount` a disk of 1 MB that only its process sees."""
    own = ("unshare", "--user", "--map-root-user", "--mount")
    small = f'mount -t tmpfs -o size=1m tmpfs "{mount}" && exec "$@"'
    in_it = (*own, "sh", "-c", small, "sh")
    if not shutil.which("unshare") or subprocess.run([*in_it, "true"], check=False).returncode:
        pytest.skip("this machine lets no process mount a disk of its own")
    return answers(script, mount, before=in_it)


@linux_only
def test_a_full_disk_is_named_as_such_and_holds_no_part_of_the_object(folder: Path) -> None:
    script = f"""
report(lake.put_if_absent, {KEY!r}, bytes(4_000_000))
report(lake.put, {KEY!r}, bytes(4_000_000))
report(lambda: list(lake.keys("")))
report(lambda: os.listdir(sys.argv[1] + "/.tmp"))
report(lake.put_if_absent, {KEY!r}, bytes(400_000))
"""
    first, second, listed, left, small = on_a_disk_of_1_mb(script, folder)

    assert refused(first, folder, "on a full disk")
    assert refused(second, folder, "on a full disk")
    assert (listed, left, small) == ("[]", "[]", True)


@linux_only
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a mounted disk read-only")
def test_a_read_only_disk_is_named_as_such(folder: Path) -> None:
    script = """
lake.put("manifests/head", b"7")
assert os.system(f"mount -o remount,ro '{sys.argv[1]}'") == 0
"""
    read, listed, *writes = on_a_disk_of_1_mb(script + ALL_CALLS, folder)

    assert (read, listed) == ("b'7'", "['manifests/head']")
    assert all(refused(answer, folder, "on a read-only disk") for answer in writes)


@linux_only
def test_a_file_system_that_makes_no_files_says_so() -> None:
    with pytest.raises(UnavailableError, match=r"lake folder /proc fails: ") as error:
        FolderLake("/proc").put_if_absent(KEY, b"x")

    assert "hard links" in error.value.hint


def calls_on(lake: FolderLake) -> Iterator[UnavailableError]:
    for call in (
        lambda: lake.get(KEY),
        lambda: list(lake.keys("data/")),
        lambda: lake.put_if_absent(KEY, b"x"),
        lambda: lake.put(KEY, b"x"),
    ):
        with pytest.raises(UnavailableError) as error:
            call()
        yield error.value


def test_a_missing_folder_is_an_error_and_is_not_created(tmp_path: Path) -> None:
    path = tmp_path / "not mounted"

    for error in calls_on(FolderLake(path, "STARLIFT_PROCESSED")):
        assert f"{path} does not exist" in error.message
        assert "STARLIFT_PROCESSED" in error.hint
        assert error.hint.endswith(f"mkdir -p '{path}'")

    assert not path.exists()


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_root_that_is_a_file_is_an_error(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("I am no folder")
    path = tmp_path / "file" / below

    for error in calls_on(FolderLake(path, "STARLIFT_INGESTION")):
        assert f"{path} is not a folder" in error.message
        assert "STARLIFT_INGESTION" in error.hint
        assert error.hint.endswith("starlift run")
