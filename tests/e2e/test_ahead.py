"""What the later stages need is imported while extract waits, and only if they will have work."""

from __future__ import annotations

import subprocess
import sys

from starlift.bootstrap import Pipeline
from starlift.entrypoints import local
from starlift.settings import Settings
from starlift.stages.watch import Watch
from tests.e2e.project import Project

SCRIPT = """
import sys, threading
from starlift.entrypoints.ahead import PACKAGES, Ahead
from starlift.stages.watch import UNWATCHED
def there(): return [name for name in PACKAGES if name in sys.modules]
ahead = Ahead(UNWATCHED)
ahead('extract', 'item', 0, 5)
ahead.end()
assert there() == [], there()
ahead.found()
ahead.end()
assert there() == [*PACKAGES], there()
before = threading.active_count()
again = Ahead(UNWATCHED)
again.found()
assert threading.active_count() == before
again.end()
"""


def test_packages_are_imported_once_something_is_found_and_not_twice() -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)


def test_a_package_that_is_broken_is_left_to_the_stage_that_needs_it() -> None:
    broken = "import sys; sys.modules['duckdb'] = None; " + (
        "from starlift.entrypoints.ahead import Ahead; from starlift.stages.watch import UNWATCHED; "
        "ahead = Ahead(UNWATCHED); sys.modules.pop('pyarrow', None); ahead.found(); ahead.end()"
    )
    ran = subprocess.run([sys.executable, "-c", broken], check=True, capture_output=True, text=True)
    assert ran.stderr == ""


class Told(Watch):
    """Counts how often it is told that something was found."""

    times = 0

    def found(self) -> None:
        self.times += 1


def test_a_cycle_tells_that_something_was_found_only_where_it_was(unloaded: Project) -> None:
    watch = Told()
    pipeline = Pipeline(Settings(unloaded.values))
    assert local.cycle(pipeline, watch).outcome == "applied"
    assert watch.times == 1
    assert local.cycle(pipeline, watch).outcome == "nothing"
    assert watch.times == 1
