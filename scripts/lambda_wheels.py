"""The wheels of a function's package: those of its lock, by hash, downloaded once for each architecture."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from lambda_bytecode import PYTHON
from sections import ROOT

FUNCTIONS = ("extract", "transform", "load")
PLATFORMS = {
    arch: tuple(f"{tag}_{machine}" for tag in ("manylinux_2_28", "manylinux2014"))
    for arch, machine in (("arm64", "aarch64"), ("x86_64", "x86_64"))
}
"""Architectures as Lambda calls them, with the tags of the wheels that run there: Amazon Linux 2023 has glibc
2.34. pip takes neither of the two for the other."""

WHEELS = ROOT / "dist" / "wheels"

_PIN = re.compile(r"^([\w.-]+)==([\w.]+)((?:\s*\\\n\s+--hash=sha256:[0-9a-f]{64})+)", re.MULTILINE)


class Unavailable(Exception):
    """The package index gives no wheels, with what pip says."""


def lock_of(function: str) -> Path:
    """Return the lock of a function."""
    return ROOT / "requirements" / f"lambda-{function}.lock"


def pins(lock: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Return version and SHA-256 of what a lock allows, by the name that wheels have."""
    found = _PIN.findall(lock.read_text())
    return {
        re.sub(r"[-_.]+", "_", name).lower(): (version, frozenset(re.findall(r"[0-9a-f]{64}", hashes)))
        for name, version, hashes in found
    }


def wheels_of(function: str, arch: str) -> list[Path]:
    """Return the wheels of a function, whose hashes are those of its lock, in the order of their names.

    What is not there is downloaded by pip, as it is configured. Raises Unavailable."""
    folder = WHEELS / arch
    wanted = pins(lock_of(function))
    if len(_found(folder, wanted)) < len(wanted):
        _download(function, arch, folder)
    found = _found(folder, wanted)
    if missing := sorted(wanted.keys() - found.keys()):
        raise Unavailable(f"pip brought no wheel of {', '.join(missing)} with a hash of {lock_of(function)}")
    return [found[name] for name in sorted(found)]


def _found(folder: Path, wanted: dict[str, tuple[str, frozenset[str]]]) -> dict[str, Path]:
    wheels = {}
    for wheel in sorted(folder.glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        pinned, hashes = wanted.get(name.lower(), ("", frozenset()))
        if version == pinned and hashlib.sha256(wheel.read_bytes()).hexdigest() in hashes:
            wheels[name.lower()] = wheel
    return wheels


def _download(function: str, arch: str, folder: Path) -> None:
    platforms = (word for tag in PLATFORMS[arch] for word in ("--platform", tag))
    version = ("--python-version", PYTHON, "--implementation", "cp", "--only-binary", ":all:")
    command = ("download", "--quiet", "--no-deps", "--require-hashes", *version, *platforms)
    ended = subprocess.run(
        [sys.executable, "-m", "pip", *command, "--requirement", lock_of(function), "--dest", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        raise Unavailable((ended.stderr.strip().splitlines() or ["pip failed"])[-1])


def files_in(wheel: Path) -> Iterator[tuple[str, bytes]]:
    """Yield what a wheel installs, by its path beside the other packages; scripts are none of it."""
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            if entry.is_dir():
                continue
            data, _, rest = entry.filename.partition("/")
            if data.endswith(".data"):
                kind, _, path = rest.partition("/")
                if kind not in ("purelib", "platlib"):
                    continue
            else:
                path = entry.filename
            yield path, archive.read(entry)
