"""Run what takes too long for every change, or one section of it. This is what `make soak` runs.

.venv/bin/python scripts/soak.py [--only SECTION]
"""

from __future__ import annotations

import sys
from functools import partial

from package_lambdas import ZIPS
from sections import SIMULATED, Section, run, run_sections, tests_on

# all tests on every version that starlift supports
SECTIONS: dict[str, Section] = {
    f"postgres-{version}": partial(tests_on, str(version)) for version in range(13, 19)
}
# a first load of six million rows, killed five times; some ten minutes
SECTIONS["large-load"] = partial(run, "pytest", "-n", "0", "-s", "tests/soak", STARLIFT_SOAK_ORDERS="2000000")
# writers of every kind for ten minutes, and every setting that the peers offer
SECTIONS["stress"] = partial(run, "python", "-m", "tests.stress", "--seconds", "600", "--most", "600")
# a hundred thousand histories, or as many as two hours hold
SECTIONS["simulation"] = partial(
    run, "python", "-m", "tests.simulation", *SIMULATED, "--seconds", "7200", "--most", "100000", "--coverage"
)
# a first load, increments and polls of every contender, each copy compared with the source
SECTIONS["bench"] = partial(
    run, "python", "-m", "bench.speed", "--orders", "100000", "--times", "1", "--lake", "s3"
)
SECTIONS["peers"] = partial(run, "python", "-m", "bench.peers", "--all")

# commands killed at every step they have, and 200 times and more at random, several at once
SECTIONS["kills"] = partial(
    run,
    *("pytest", "-n", "0", "-s", "-k", "killed"),
    *("tests/e2e/test_kills.py", "tests/e2e/test_deletes.py", "tests/e2e/test_rebuild.py"),
    STARLIFT_SOAK_KILLS="200",
)


def check_packages() -> bool:
    """All zips, each the same when it is built again, and a pipeline that runs from them."""
    package = "scripts/package_lambdas.py"
    if not run("python", package):
        return False
    before = {path.name: path.read_bytes() for path in ZIPS.glob("*.zip")}
    again = run("python", package)
    same = before == {path.name: path.read_bytes() for path in ZIPS.glob("*.zip")}
    print("the two builds are", "the same" if same else "NOT the same")
    return again and same and run("pytest", "tests/lambdas/test_packaged.py", STARLIFT_TEST_ZIPS=str(ZIPS))


SECTIONS["packages"] = check_packages

if __name__ == "__main__":
    sys.exit(run_sections("soak", SECTIONS))
