"""One sync with dlt, run by the Python that has it: every table, merged on its key, loaded as CSV.

    python dlt_sync.py TABLE ...

Arrow from the source and CSV into PostgreSQL are the fastest that dlt has for either.
"""

import os
import sys

import dlt  # type: ignore[import-not-found]
from dlt.sources.sql_database import sql_database  # type: ignore[import-not-found]


def main(tables: list[str]) -> None:
    """Run the pipeline once; its state is in the target, and in the working folder."""
    pipeline = dlt.pipeline(
        pipeline_name="speed",
        destination=dlt.destinations.postgres(os.environ["PEERS_TARGET"]),
        dataset_name="copy",
        pipelines_dir="pipelines",
    )
    source = sql_database(os.environ["PEERS_SOURCE"], table_names=tables, backend="pyarrow")
    for table in tables:
        source.resources[table].apply_hints(
            primary_key=f"{table}_id",
            write_disposition="merge",
            incremental=dlt.sources.incremental("last_updated"),
        )
    print(pipeline.run(source, loader_file_format="csv"))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
