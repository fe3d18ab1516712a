"""Who takes part: the tools of `bench.peers`, set up to copy all of Totesys, and the floors."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
from tests.postgres import SQL

from bench.peers import tools
from bench.peers.tools import Tool
from bench.speed import moto_s3
from bench.speed.floors import Floor, Pipe
from starlift import __version__
from starlift.totesys.loading import TABLES, key

HERE = Path(__file__).parent


class Starlift(tools.Starlift):
    """This project, with the configuration that it comes with: the whole star, its ledger and history."""

    program = str(Path(sys.executable).with_name("starlift"))

    @property
    def version(self) -> str:
        return f"starlift {__version__}"

    def set_up(self) -> None:
        """Make the star."""
        self.run(self.program, "migrate")

    def command(self) -> list[str]:
        return [self.program, "run", "--json"]

    def shown(self) -> str:
        return "starlift run --json"

    def variables(self) -> Mapping[str, str]:
        return {**super().variables(), "STARLIFT_CONFIG": str(SQL / "pipeline.toml")}


class ByStage(Starlift):
    """The same as three commands, so that each stage has figures of its own, as in a function of its own."""

    steps = ("extract", "transform", "load")

    def shown(self) -> str:
        return "; ".join(f"starlift {step} --json" for step in self.steps)


class OnS3(Starlift):
    """The same with both lakes in S3, at an endpoint on this machine."""

    endpoint = ""

    def set_up(self) -> None:
        """Make the star and a bucket."""
        session = boto3.session.Session("testing", "testing", region_name="eu-west-2")
        client = session.client("s3", endpoint_url=self.endpoint)
        self.bucket = f"lake-{uuid4().hex}"
        client.create_bucket(
            Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-2"}
        )
        super().set_up()

    def variables(self) -> Mapping[str, str]:
        lakes = {
            f"STARLIFT_{name.upper()}": f"s3://{self.bucket}/{name}" for name in ("ingestion", "processed")
        }
        return {**super().variables(), **moto_s3.variables(self.endpoint), **lakes}


class Dlt(tools.Dlt):
    """dlt; see `dlt_sync.py` beside this."""

    def command(self) -> list[str]:
        return [str(self.python), str(HERE / "dlt_sync.py"), *TABLES]

    def shown(self) -> str:
        return "python bench/speed/dlt_sync.py TABLE ..."


class Sling(tools.Sling):
    """sling: `sling run -r peers.json`."""

    def set_up(self) -> None:
        """Write the replication."""
        replication = {
            "source": "PEERS_SOURCE",
            "target": "PEERS_TARGET",
            "defaults": {
                "object": "copy.{stream_table}",
                "mode": "incremental",
                "update_key": "last_updated",
            },
            "streams": {f"public.{table}": {"primary_key": key(table)} for table in TABLES},
        }
        (self.folder / "peers.json").write_text(json.dumps(replication))

    def shown(self) -> str:
        return "sling run -r peers.json"


@dataclass(frozen=True)
class Contender:
    """kind: what runs it. settings: in a line. lakes: folders, below the tool's, of what it keeps of its
    rows, by name. polls: whether it can follow a change without copying all again."""

    kind: type[Tool]
    settings: str
    lakes: Mapping[str, str]
    polls: bool = True

    def make(self, name: str, source: str, target: str, folder: Path) -> Tool:
        """Return it with a folder of its own, which is made."""
        folder.mkdir()
        return self.kind(name, self.settings, source, target, folder)


def steps(tool: Tool) -> dict[str, list[str]]:
    """Return the commands of one sync, one after the other, by what tells them apart."""
    if isinstance(tool, ByStage):
        return {step: [tool.program, step, "--json"] for step in tool.steps}
    return {"": tool.command()}


CONTENDERS: dict[str, Contender] = {
    "starlift": Contender(
        Starlift,
        "sql/pipeline.toml, folder lakes: JSON lines and Parquet kept, all constraints, ledger and history",
        {"ingestion": "ingestion", "processed": "processed"},
    ),
    "stages": Contender(ByStage, "starlift again, each stage a command of its own", {}),
    "s3": Contender(OnS3, "starlift again, both lakes in moto's S3 over loopback", {}),
    "sling": Contender(
        Sling, "mode: incremental, primary_key, update_key: last_updated; merges; keeps no files", {}
    ),
    "dlt": Contender(
        Dlt,
        "sql_database, backend='pyarrow', incremental('last_updated'), write_disposition='merge', CSV",
        {"load packages": "pipelines/speed/load/loaded"},
    ),
    "floor": Contender(
        Floor, "COPY of newer rows into a temporary table, INSERT ... ON CONFLICT; keeps no files", {}
    ),
    "pipe": Contender(
        Pipe,
        "COPY out, COPY into tables with a primary key: a first load only; keeps no files",
        {},
        polls=False,
    ),
}
"""By the name in the table."""

USUAL = tuple(name for name in CONTENDERS if name != "s3")
"""Those that need no S3."""


def stages(stdout: str) -> dict[str, float]:
    """Return the seconds of each stage that `starlift run --json` tells; none where it told nothing."""
    document: dict[str, Any] = json.loads(stdout) if stdout else {}
    told = document.get("seconds", {})
    return {str(stage): float(seconds) for stage, seconds in told.items()} if isinstance(told, dict) else {}


def size(folder: Path) -> int:
    """Return the bytes of all files below a folder, which need not exist."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
