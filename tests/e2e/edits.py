"""What somebody does to the files of a pipeline: changes of the models, the star and what is taken."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.project import Project


def replace(file: Path, old: str, new: str) -> None:
    """Replace a text of a file, which must be there."""
    text = file.read_text()
    assert old in text, old
    file.write_text(text.replace(old, new, 1))


def add_manager(project: Project) -> None:
    """Show in dim_staff who manages the department, a column that was not taken so far."""
    sql = project.own_sql()
    replace(
        sql / "pipeline.toml",
        '"department_name", "location", "created_at"',
        '"department_name", "location", "manager", "created_at"',
    )
    replace(sql / "pipeline.toml", 'drop = ["manager"]\n', "")
    replace(
        sql / "models/dim_staff.sql",
        "    department.location,\n",
        "    department.location,\n    department.manager,\n",
    )
    (sql / "warehouse/040_manager.sql").write_text(
        "-- schema: star\nALTER TABLE dim_staff ADD COLUMN manager varchar;\n"
        "COMMENT ON COLUMN dim_staff.manager IS 'Who manages the department.';\n"
    )


def drop_location(project: Project) -> None:
    """Show in dim_staff no more where the department is."""
    sql = project.own_sql()
    replace(sql / "models/dim_staff.sql", "    department.location,\n", "")
    (sql / "warehouse/050_no_location.sql").write_text(
        "-- schema: star\nALTER TABLE dim_staff DROP COLUMN location;\n"
    )


def add_margin(project: Project) -> None:
    """Give a fact a column that may not be NULL, and a column of it another type."""
    sql = project.own_sql()
    replace(
        sql / "models/fact_sales_order.sql",
        "    unit_price,\n",
        "    unit_price,\n    CASE WHEN units_sold > 50000 THEN 'large' ELSE 'small' END AS size,\n",
    )
    (sql / "warehouse/040_size.sql").write_text(
        "-- schema: star\nALTER TABLE fact_sales_order ADD COLUMN size varchar NOT NULL, "
        "ALTER COLUMN units_sold TYPE bigint, ALTER COLUMN unit_price TYPE numeric(14,4);\n"
    )


def add_channel(project: Project) -> None:
    """Give the source's orders a column, and take it into the fact."""
    sql = project.own_sql()
    with project.application() as application:
        application.run("ALTER TABLE sales_order ADD COLUMN channel text DEFAULT 'shop'")
        application.run("UPDATE sales_order SET channel = NULL WHERE sales_order_id = 1")
    replace(sql / "pipeline.toml", '"units_sold", "unit_price"', '"units_sold", "channel", "unit_price"')
    replace(sql / "models/fact_sales_order.sql", "    unit_price,\n", "    unit_price,\n    channel,\n")
    (sql / "warehouse/040_channel.sql").write_text(
        "-- schema: star\nALTER TABLE fact_sales_order ADD COLUMN channel varchar;\n"
    )


def add_region(project: Project) -> None:
    """Take a table that the source has had for long, and make a dimension of it."""
    sql = project.own_sql()
    with project.application() as application:
        application.run(
            "CREATE TABLE region (region_id integer PRIMARY KEY, region_name text NOT NULL);"
            "INSERT INTO region VALUES (1, 'North'), (2, 'South')"
        )
        application.run("GRANT SELECT ON region TO starlift_source")
    with (sql / "pipeline.toml").open("a") as file:
        file.write('\n[tables.region]\nkey = ["region_id"]\ncolumns = ["region_id", "region_name"]\n')
    (sql / "models/dim_region.sql").write_text(
        "-- One row per region.\n-- kind: dimension\n-- key: region_id\n-- from: region\n"
        "SELECT region_id, region_name FROM region\n"
    )
    (sql / "warehouse/040_region.sql").write_text(
        "-- schema: star\n"
        "CREATE TABLE dim_region (region_id integer PRIMARY KEY, region_name varchar NOT NULL);\n"
    )


def remove_payments(project: Project) -> None:
    """Take the payments and what only they refer to no longer, and have no table of them."""
    sql = project.own_sql()
    text = (sql / "pipeline.toml").read_text()
    for table in ("payment", "payment_type"):
        start = text.index(f"[tables.{table}]")
        end = text.find("[tables.", start + 1)
        text = text[:start] + (text[end:] if end > 0 else "")
    (sql / "pipeline.toml").write_text(text)
    for name in ("fact_payment", "dim_payment_type"):
        (sql / f"models/{name}.sql").unlink()
    (sql / "warehouse/040_no_payments.sql").write_text(
        "-- schema: star\nDROP TABLE fact_payment, dim_payment_type;\n"
    )
    for law in ("deleted_rows_are_not_current", "fact_rows_have_versions", "live_rows_are_in_the_star"):
        (sql / f"checks/{law}.sql").unlink()
