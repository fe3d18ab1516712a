"""Three questions an analyst would ask of the star, with pandas through SQLAlchemy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

QUESTIONS = {
    "What did we sell in the latest month, by currency?": """
        SELECT c.currency_name AS currency, count(*) AS orders, sum(f.units_sold) AS units,
               sum(f.units_sold * f.unit_price) AS revenue
        FROM current_fact_sales_order f
        JOIN dim_currency c USING (currency_id)
        JOIN dim_date d ON d.date_id = f.created_date
        WHERE (d.year, d.month) = (SELECT extract(year FROM max(created_date)),
                                          extract(month FROM max(created_date))
                                   FROM current_fact_sales_order)
        GROUP BY 1 ORDER BY revenue DESC""",
    "Which department sells most?": """
        SELECT s.department_name AS department, count(DISTINCT s.staff_id) AS sellers, count(*) AS orders,
               sum(f.units_sold * f.unit_price) AS revenue
        FROM current_fact_sales_order f
        JOIN dim_staff s ON s.staff_id = f.sales_staff_id
        GROUP BY 1 ORDER BY revenue DESC LIMIT 3""",
    "Which sales changed after they were placed, and in which batch was it seen?": """
        SELECT sales_order_id AS sale, count(*) AS versions,
               count(DISTINCT sales_staff_id) AS sellers,
               count(DISTINCT agreed_delivery_date) AS delivery_dates,
               max(seq) AS seen_in_batch
        FROM history_fact_sales_order
        GROUP BY 1 HAVING count(*) > 1 ORDER BY versions DESC, sale LIMIT 3""",
}


def answers(url: str) -> Iterator[tuple[str, str]]:
    """Yield each question and its answer as a table of text, asked of the star at `url`."""
    import pandas as pd
    from sqlalchemy import create_engine, text

    engine = create_engine(url.replace("postgresql://", "postgresql+pg8000://", 1))
    try:
        with engine.connect() as connection:
            for question, query in QUESTIONS.items():
                frame = pd.read_sql(text(query), connection)
                yield (
                    question,
                    frame.to_string(index=False, float_format="{:,.2f}".format, formatters=_money(frame)),
                )
    finally:
        engine.dispose()


def _money(columns: Iterable[str]) -> dict[str, Callable[[object], str]]:
    formats = {"revenue": "{:,.2f}".format, "units": "{:,}".format}
    return {name: formats[name] for name in columns if name in formats}
