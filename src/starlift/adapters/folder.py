"""A lake in a folder: the store of a laptop, a single server and the demo."""

from __future__ import annotations

import errno
import os
import shlex
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from starlift.adapters.addresses import EITHER
from starlift.adapters.keys import checked, checked_prefix
from starlift.errors import UnavailableError
from starlift.ports import Stored

_TEMPORARY = ".tmp"  # no key has a part that starts with a dot, so nothing in here is ever an object
_ABANDONED = 24 * 3600  # seconds; no write takes as long, so the writer of an older file is dead

_NOTHING_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class FolderLake:
    """Keeps the promises of `starlift.ports.Lake` on a file system with hard links.

    An object is written and fsynced under a temporary name, then linked to its own, which fails where
    that is taken; then the folders above it are fsynced. The folder itself is never created: an
    unmounted disk must not look like an empty lake. UnavailableError names it and `variable`.
    """

    def __init__(self, path: Path | str, variable: str = EITHER) -> None:
        self._path = Path(path).absolute()
        self._variable = variable
        self._swept = False

    @property
    def root(self) -> str:
        """The folder as a `file://` address."""
        return self._path.as_uri()

    def get(self, key: str) -> bytes | None:
        """Return an object's bytes, or None where there is none."""
        file = self._file(key)
        with self._explained(f"read {key}"):
            try:
                return file.read_bytes()
            except _NOTHING_THERE:
                self._require_folder()
                return None

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Store an object under a free key (True); leave a taken one as it is (False). Durable."""
        file = self._file(key)
        with self._explained(f"write {key}"), self._temporary(data) as temporary:
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(temporary, file)
                return True
            except FileExistsError:
                return False
            finally:
                # Also when it is taken: whoever linked it may have died before this step.
                self._sync_folders(file)

    def put(self, key: str, data: bytes) -> None:
        """Store or replace an object. Durable."""
        file = self._file(key)
        with self._explained(f"write {key}"), self._temporary(data) as temporary:
            file.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(file)
            self._sync_folders(file)

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that start with `prefix`, in ascending order."""
        checked_prefix(prefix)
        with self._explained(f"list {prefix or 'everything'}"):
            self._require_folder()
            yield from _walk(self._path, "", prefix)

    def stored(self, prefix: str) -> Iterator[Stored]:
        """Yield the objects whose keys start with `prefix`, in the order of `keys`."""
        for key in self.keys(prefix):
            with self._explained(f"list {key}"), suppress(FileNotFoundError):  # removed since
                status = self._file(key).stat()
                yield Stored(key, status.st_size, status.st_mtime)

    def delete(self, key: str) -> None:
        """Remove an object, if it is there. Durable."""
        file = self._file(key)
        with self._explained(f"remove {key}"):
            try:
                file.unlink()
            except _NOTHING_THERE:
                self._require_folder()
            else:
                self._sync_folders(file)

    def _file(self, key: str) -> Path:
        return self._path / checked(key)

    def _require_folder(self) -> None:
        if not stat.S_ISDIR(self._path.stat().st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))

    @contextmanager
    def _temporary(self, data: bytes) -> Iterator[Path]:
        """Give a durable file that holds `data`; what the caller leaves of it is removed."""
        folder = self._path / _TEMPORARY
        folder.mkdir(exist_ok=True)
        self._sweep(folder)
        temporary = folder / uuid4().hex
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    def _sweep(self, folder: Path) -> None:
        """Remove, once per lake object, what writers killed long ago left behind."""
        if self._swept:
            return
        self._swept = True
        for file in folder.iterdir():
            with suppress(FileNotFoundError):  # its writer lives, and has just removed it
                if file.stat().st_mtime < time.time() - _ABANDONED:
                    file.unlink()

    def _sync_folders(self, file: Path) -> None:
        """Make the names from the root down to `file` durable, whoever created the folders."""
        folder = file.parent
        while True:
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if folder == self._path:
                return
            folder = folder.parent

    @contextmanager
    def _explained(self, action: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._unavailable(action, error) from error

    def _unavailable(self, action: str, error: OSError) -> UnavailableError:
        path, variable = self._path, self._variable
        try:
            self._require_folder()
        except FileNotFoundError:
            reason = "does not exist"
            hint = f"mount it, correct {variable}, or create it: mkdir -p {shlex.quote(str(path))}"
        except NotADirectoryError:
            reason, hint = "is not a folder", f"point {variable} to a folder, then: starlift run"
        except OSError as of_root:
            reason, hint = _diagnosis(of_root, variable)
        else:
            reason, hint = _diagnosis(error, variable)
        return UnavailableError(f"cannot {action}: the lake folder {path} {reason}", hint)


def _diagnosis(error: OSError, variable: str) -> tuple[str, str]:
    """Return what is wrong with a folder that exists, and what to do about it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        reason, remedy = "is on a full disk", f"free some space or move {variable} to another disk"
    elif error.errno == errno.EROFS:
        reason, remedy = "is on a read-only disk", f"remount it or move {variable} to another disk"
    elif error.errno == errno.EACCES:
        reason, remedy = "is closed to this user", f"let this user read and write all of {variable}"
    elif error.errno in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
        reason, remedy = "has a file in place of a folder", f"move what is no object out of {variable}"
    else:
        reason = f"fails: {error.strerror or type(error).__name__}"
        remedy = f"check the disk of {variable}; its file system must have hard links"
    return reason, f"{remedy}, then: starlift run"


def _walk(folder: Path, above: str, prefix: str) -> Iterator[str]:
    """Yield the keys below `folder`, whose own key is `above`. With its slash a folder's name sorts
    where its keys do: `a-b/x` comes before `a/x`."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(
                above + entry.name + ("/" if entry.is_dir() else "")
                for entry in entries
                if not entry.name.startswith(".")
            )
    except FileNotFoundError:  # removed since its parent was listed
        return
    for name in names:
        if name.endswith("/") and (name.startswith(prefix) or prefix.startswith(name)):
            yield from _walk(folder / name[len(above) : -1], name, prefix)
        elif not name.endswith("/") and name.startswith(prefix):
            yield name
