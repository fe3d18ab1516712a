"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """memory: bytes. load: processes that ran or waited, on average over the minute before."""

    processor: str
    cores: int
    memory: int
    system: str
    load: float

    def __str__(self) -> str:
        return (
            f"{self.cores} cores ({self.processor}), {self.memory / 2**30:.0f} GB, {self.system}, "
            f"load average at the start {self.load:.2f}"
        )


def machine() -> Machine:
    """Return this machine as it is now."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return Machine(
        names[0] if names else platform.machine(),
        os.cpu_count() or 1,
        os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        os.getloadavg()[0],
    )
