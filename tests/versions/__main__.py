"""`python -m tests.versions 13` prints the folder of a version's programs; 3 means that there are none."""

from __future__ import annotations

import sys

from tests.versions.choice import programs
from tests.versions.npm import Unavailable

if __name__ == "__main__":
    try:
        sys.stdout.write(f"{programs(sys.argv[1])}\n")
    except Unavailable as reason:
        sys.stderr.write(f"{reason}\n")
        sys.exit(3)
