"""What the simulation puts in the place of slower parts does what they do."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from starlift.adapters.duckdb_engine import DuckDBEngine
from starlift.stages.processed_files import read_batch
from tests.simulation.codecs import quick
from tests.simulation.history import History
from tests.simulation.pipeline import deterministic
from tests.simulation.star import SmallEngine
from tests.simulation.writing import read


@pytest.mark.parametrize("seed", range(3))
def test_the_small_engine_makes_what_duckdb_makes(seed: int) -> None:
    """And Arrow's format holds what Parquet holds: the star rows of all batches are the same."""
    made = []
    for engine, codec in ((SmallEngine(), quick()), (DuckDBEngine(), nullcontext())):
        with deterministic(), codec:
            history = History(seed, engine)
            history.play()
            history.close()
            lake = history.processed
            batches = [
                read(read_batch(lake, data))
                for key, data in sorted(lake.objects.items())
                if key.startswith("manifests/0")
            ]
        made.append([(batch.star, batch.ledger, batch.listed) for batch in batches])
    assert made[0] == made[1]
    assert len(made[0]) > 3
