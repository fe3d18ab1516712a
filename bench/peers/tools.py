"""The tools: how each is installed, set up and told to sync, and where its rows are then.

Every sync is a process of its own, in a folder of its own, without telemetry; its proxy is a closed port, so
that nothing it does can need the network.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.peers.changes import CHANGES
from bench.peers.environments import HERE, environment, locked_version

NOWHERE = "http://127.0.0.1:9"


@dataclass
class Tool:
    """A tool with one setting, over its own copy of the source.

    settings: what was chosen, in a line. said: what its commands printed, newest last.
    """

    name: str
    settings: str
    source: str
    target: str
    folder: Path
    said: list[str] = field(default_factory=list)

    @property
    def version(self) -> str:
        """The product, and its version where another decides it."""
        return "starlift"

    def install(self) -> None:
        """Make it runnable. Raises Unavailable."""

    def set_up(self) -> None:
        """Do what is done once, before the first sync."""

    def command(self) -> list[str]:
        """Return the words of one sync."""
        raise NotImplementedError

    def relation(self, table: str) -> str:
        """Return what the copy of a table is called in the target."""
        raise NotImplementedError

    def variables(self) -> Mapping[str, str]:
        """Return the variables of its environment."""
        return {}

    def shown(self) -> str:
        """Return the command of a sync as a person would type it."""
        return " ".join(
            word.replace(f"{HERE}/", "bench/peers/").rpartition("/bin/")[2] for word in self.command()
        )

    def sync(self) -> None:
        """Run one sync, which must succeed."""
        self.run(*self.command())

    def environment(self) -> dict[str, str]:
        """Return the whole environment of its processes."""
        inherited = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), NOWHERE)
        return {**inherited, **proxies, "HOME": str(self.folder), **self.variables()}

    def run(self, *command: str) -> str:
        """Run a command in the tool's folder and return its stdout."""
        ended = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        self.said.append(ended.stdout + ended.stderr)
        if ended.returncode != 0:
            raise RuntimeError(
                f"{self.name}: {' '.join(command)} ended with {ended.returncode}:\n{self.said[-1]}"
            )
        return ended.stdout


class Starlift(Tool):
    """This project, as it is installed, with what `starlift init --source` drafts."""

    def set_up(self) -> None:
        """Draft the configuration and make the star."""
        facts = [word for table in CHANGES for word in ("--fact", table)]
        self.run(sys.executable, "-m", "starlift", "init", "--source", *facts)
        self.run(sys.executable, "-m", "starlift", "migrate")

    def command(self) -> list[str]:
        return [sys.executable, "-m", "starlift", "run"]

    def shown(self) -> str:
        return "starlift run"

    def relation(self, table: str) -> str:
        return f"current_fact_{table}"

    def variables(self) -> Mapping[str, str]:
        lakes = {name: self.folder / name for name in ("ingestion", "processed")}
        for lake in lakes.values():
            lake.mkdir(exist_ok=True)
        return {
            "STARLIFT_SOURCE_URL": self.source,
            "STARLIFT_WAREHOUSE_URL": self.target,
            **{f"STARLIFT_{name.upper()}": lake.as_uri() for name, lake in lakes.items()},
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        }


@dataclass
class Dlt(Tool):
    """dlt; see `dlt_sync.py`."""

    setting: str = "merge"

    @property
    def version(self) -> str:
        return f"dlt {locked_version('dlt', 'dlt')}"

    def install(self) -> None:
        self.python = environment("dlt") / "bin" / "python"

    def command(self) -> list[str]:
        return [str(self.python), str(HERE / "dlt_sync.py"), self.setting, *CHANGES]

    def relation(self, table: str) -> str:
        return f"copy.{table}"

    def variables(self) -> Mapping[str, str]:
        return {
            "PEERS_SOURCE": self.source.replace("://", "+psycopg2://"),
            "PEERS_TARGET": self.target,
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "DLT_DATA_DIR": str(self.folder / "dlt"),
        }


@dataclass
class Sling(Tool):
    """sling: `sling run -r peers.json`. defaults: of the replication."""

    defaults: Mapping[str, object] = field(default_factory=dict)

    @property
    def version(self) -> str:
        return f"sling {locked_version('sling', 'sling-linux-amd64')}"

    def install(self) -> None:
        (self.program,) = environment("sling").glob(
            "lib/python*/site-packages/sling_linux_*/bin/sling-linux-*"
        )
        self.program.chmod(0o755)

    def set_up(self) -> None:
        replication = {
            "source": "PEERS_SOURCE",
            "target": "PEERS_TARGET",
            "defaults": {"object": "copy.{stream_table}", **self.defaults},
            "streams": {f"public.{table}": {} for table in CHANGES},
        }
        (self.folder / "peers.json").write_text(json.dumps(replication))

    def command(self) -> list[str]:
        return [str(self.program), "run", "-r", "peers.json"]

    def relation(self, table: str) -> str:
        return f"copy.{table}"

    def variables(self) -> Mapping[str, str]:
        return {
            "PEERS_SOURCE": f"{self.source}?sslmode=disable",
            "PEERS_TARGET": f"{self.target}?sslmode=disable",
            "SLING_DISABLE_TELEMETRY": "true",
            "SLING_HOME_DIR": str(self.folder),
        }


ON_THE_KEY = {"mode": "incremental", "primary_key": "id"}
BY_STAMP = {**ON_THE_KEY, "update_key": "last_updated"}

CHOICES: dict[str, tuple[type[Tool], str, dict[str, Any]]] = {
    "dlt": (Dlt, "incremental('last_updated'), write_disposition='merge', primary_key='id'", {}),
    "dlt, lag 1 h": (Dlt, "the same with incremental('last_updated', lag=3600)", {"setting": "lag"}),
    "dlt, replace": (Dlt, "write_disposition='replace': every row in every sync", {"setting": "replace"}),
    "sling": (Sling, "mode: incremental, primary_key: id, update_key: last_updated", {"defaults": BY_STAMP}),
    "sling, all rows": (
        Sling,
        "mode: incremental, primary_key: id, without update_key: every row in every sync",
        {"defaults": ON_THE_KEY},
    ),
    "sling, full": (
        Sling,
        "mode: full-refresh: every row in every sync",
        {"defaults": {"mode": "full-refresh"}},
    ),
    "starlift": (Starlift, "what `starlift init --source` drafts", {}),
}
"""Tool, its settings in words, and what it is made with, by the name in the table."""

USUAL = ("dlt", "dlt, lag 1 h", "sling", "starlift")
"""Each as its documentation sets up an incremental sync, and the one setting that reads a stretch again."""


def tool(name: str, source: str, target: str, folder: Path) -> Tool:
    """Return a tool with a folder of its own, which is made."""
    kind, settings, parts = CHOICES[name]
    folder.mkdir()
    return kind(name, settings, source, target, folder, **parts)
