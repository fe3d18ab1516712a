"""Run what takes too long for every change, or one section of it. This is what `make soak` runs.

.venv/bin/python scripts/soak.py [--only SECTION]
"""

from __future__ import annotations

import sys
from functools import partial

from sections import Section, run_sections, tests_on

SECTIONS: dict[str, Section] = {
    # all tests on every version that starlift supports
    f"postgres-{version}": partial(tests_on, str(version))
    for version in range(13, 19)
}

if __name__ == "__main__":
    sys.exit(run_sections("soak", SECTIONS))
