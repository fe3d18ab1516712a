"""The process behind `starlift` leaves memory to the rows."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys
from starlift.entrypoints import process
sys.argv[1:] = [{command!r}]
try:
    process.main()
except SystemExit:
    pass
import pyarrow as pa
pa.array([1])  # looks for pandas
print('numpy' in sys.modules, 'pandas' in sys.modules, pa.default_memory_pool().backend_name)
"""


@pytest.mark.parametrize(("command", "there"), [("run", False), ("transform", False), ("status", True)])
def test_a_stage_keeps_numpy_pandas_and_arrows_own_allocator_out(command: str, there: bool) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(command=command)], capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines()[-1] == f"{there} {there} system"
