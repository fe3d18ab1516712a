"""An S3 on this machine, moto's, in a process of its own, so that its work is nobody's who is timed."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast


@contextmanager
def server() -> Iterator[str]:
    """Serve for a block; yields the endpoint."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.speed.moto_s3"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield cast(IO[str], process.stdout).readline().strip()
        process.communicate()


def variables(endpoint: str) -> dict[str, str]:
    """Return what leads a client there, and nowhere else whatever this machine has set up."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-west-2",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def main() -> None:
    """Serve until stdin ends."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)  # noqa: T201
    sys.stdin.read()
    moto.stop()


if __name__ == "__main__":
    main()
