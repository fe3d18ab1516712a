"""Whether two lakes and a warehouse hold together: read from the bytes, without the pipeline's own code."""

from __future__ import annotations

import hashlib
import json
from itertools import count
from pathlib import Path
from typing import Any

from tests.e2e.project import Project


def faults(project: Project) -> list[str]:
    """Return what is wrong with the manifests of both lakes and with what the warehouse has applied.

    Both logs are numbered from 1 without gaps and chained by hash, name whole objects only, and are
    equally long; the warehouse has applied all of it, in order.
    """
    logs = {name: log_of(folder) for name, folder in project.lakes.items()}
    wrong = [f"{name}: {fault}" for name, folder in project.lakes.items() for fault in _faults(folder)]
    landed, made = logs["ingestion"], logs["processed"]
    if [_sha256(data) for data in landed] != [json.loads(data)["ingestion_sha256"] for data in made]:
        wrong.append("the processed lake was not made of the ingestion lake")
    applied = project.query("SELECT seq, manifest_sha256 FROM starlift.applied ORDER BY applied_at")
    if applied != [[seq, _sha256(data)] for seq, data in enumerate(made, 1)]:
        wrong.append(f"applied are {[seq for seq, _ in applied]} of {len(made)} batches, or other ones")
    return wrong


def log_of(folder: Path) -> list[bytes]:
    found = []
    for seq in count(1):
        file = folder / f"manifests/{seq:020d}.json"
        if not file.exists():
            break
        found.append(file.read_bytes())
    return found


def _faults(folder: Path) -> list[str]:
    wrong, before = [], None
    log = log_of(folder)
    for seq, data in enumerate(log, 1):
        manifest = json.loads(data)
        if (manifest["seq"], manifest["previous_sha256"]) != (seq, before):
            wrong.append(f"manifest {seq} does not follow the one before it")
        wrong += [f"manifest {seq}: {fault}" for file in _files(manifest) for fault in _broken(folder, file)]
        before = _sha256(data)
    stored = {file.name for file in (folder / "manifests").iterdir()} - {"head"}
    if stored != {f"{seq:020d}.json" for seq in range(1, len(log) + 1)}:
        wrong.append(f"there are manifests behind a gap: {sorted(stored)}")
    return wrong


def _files(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    named = [manifest.get(part, []) for part in ("files", "star", "ledger", "quarantine")]
    named += [snapshot["files"] for snapshot in manifest.get("snapshots", {}).values()]
    named += [inventory["files"] for inventory in manifest["inventory"].values()]
    return [file for files in named for file in files]


def _broken(folder: Path, file: dict[str, Any]) -> list[str]:
    data = (folder / file["key"]).read_bytes()
    whole = (len(data), _sha256(data)) == (file["bytes"], file["sha256"])
    return [] if whole else [f"{file['key']} is not what was promised"]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
