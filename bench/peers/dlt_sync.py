"""One sync with dlt, run by the Python that has it: every table, merged on its key.

    python dlt_sync.py merge|lag|replace TABLE ...

merge: incremental on last_updated, as dlt's guide to SQL databases has it. lag: the same, with an hour that
is read again. replace: everything, every time.
"""

import os
import sys

import dlt  # type: ignore[import-not-found]
from dlt.sources.sql_database import sql_database  # type: ignore[import-not-found]

HOUR = 3600.0


def main(setting: str, tables: list[str]) -> None:
    """Run the pipeline once; its state is in the target, and in the working folder."""
    pipeline = dlt.pipeline(
        pipeline_name=f"peers_{setting}",
        destination=dlt.destinations.postgres(os.environ["PEERS_TARGET"]),
        dataset_name="copy",
        pipelines_dir="pipelines",
    )
    source = sql_database(os.environ["PEERS_SOURCE"], table_names=tables, backend="pyarrow")
    for table in tables:
        if setting == "replace":
            source.resources[table].apply_hints(write_disposition="replace")
            continue
        cursor = dlt.sources.incremental("last_updated", **({"lag": HOUR} if setting == "lag" else {}))
        source.resources[table].apply_hints(primary_key="id", write_disposition="merge", incremental=cursor)
    print(pipeline.run(source))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
