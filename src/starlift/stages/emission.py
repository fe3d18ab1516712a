"""Makes star rows: runs the models of one driving table and holds them to the law of the star.

The law: every driving row makes exactly one row of each star table its table drives, or is quarantined.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from starlift.core.identity import key_text
from starlift.core.models import REBUILD, Model
from starlift.errors import ConfigurationError, HeldError
from starlift.ports import Engine, RowError
from starlift.stages.snapshots import STALE
from starlift.stages.source_rows import HASH, KEY

MOST_REFUSED = 100_000
"""Rows of one table that a model may refuse in one batch. More are no odd rows but a wrong model, or a
source that has changed; each also costs up to some twenty small runs to find. A batch is never changed,
so the way out is to correct the model and to rebuild."""

_OURS = {KEY, HASH, STALE}
"""Columns that the pipeline adds to a source table's; no model sees them."""

_SHOWN = 5
"""Keys that a message names."""

_BITS = {pa.float32(): pa.int32(), pa.float64(): pa.int64()}


@dataclass(frozen=True)
class Emission:
    """What a driving table's rows became. star: rows by model, `_key` last, in the order of the typed key.
    rejected: reason per key text of the rows that a model refused; they are in no star table."""

    star: dict[str, pa.Table]
    rejected: dict[str, str]


def emit(
    engine: Engine,
    models: Sequence[Model],
    driving: pa.Table,
    key: Sequence[str],
    joined: Mapping[str, pa.Table],
) -> Emission:
    """Run all models of one driving table over its rows.

    driving: typed rows with their key text under `_key`. joined: typed rows of the tables they join.
    Raises ConfigurationError, naming model and keys, where a model breaks the law; HeldError where it
    refuses more than MOST_REFUSED rows.
    """
    rows = in_key_order(driving, key)
    rejected: dict[str, str] = {}
    star: dict[str, pa.Table] = {}
    for model in models:
        inputs = {name: visible(joined[name]) for name in model.joins}

        def run(part: pa.Table, model: Model = model, inputs: dict[str, pa.Table] = inputs) -> pa.Table:
            return engine.run(model, {**inputs, model.driving: visible(part)})

        try:
            made = run(rows)
        except RowError:
            refused = _refused(model, run, rows)
            rejected |= {name: f"{model.name}: {reason}" for name, reason in refused.items()}
            rows = without(rows, refused)
            made = _run_together(model, run, rows)
        star[model.name] = keyed(model, made, rows, key)
    return Emission({name: without(table, rejected) for name, table in star.items()}, rejected)


def in_key_order(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    """Sort by numbered columns: Arrow reads a name such as `.x` or `[1]` as a path."""
    numbered = {str(number): rows[name] for number, name in enumerate(key)}
    by = [(number, "ascending") for number in numbered]
    order = pc.sort_indices(pa.table(numbered), sort_keys=by)
    # extract mostly reads in the order of the key, and a copy of all rows is dear
    rises = pc.greater(order.slice(1), order.slice(0, max(len(order) - 1, 0)))
    return rows if pc.all(rises).as_py() else rows.take(order)


def visible(rows: pa.Table) -> pa.Table:
    """Return what a model sees of typed rows."""
    return rows.select([name for name in rows.column_names if name not in _OURS])


def _refused(model: Model, run: Callable[[pa.Table], pa.Table], rows: pa.Table) -> dict[str, str]:
    """Return the rows that fail, each with the reason of its own run; `rows` together are known to fail.

    Finds them by halves: where the first half does not fail, the second must.
    """
    refused: dict[str, str] = {}
    failing = [rows]
    while failing:
        part = failing.pop()
        if part.num_rows == 1:
            reason = _failure(run, part)
            if reason is not None:
                refused[part[KEY][0].as_py()] = reason
        else:
            middle = part.num_rows // 2
            first, second = part.slice(0, middle), part.slice(middle)
            first_fails = _failure(run, first) is not None
            if not first_fails or _failure(run, second) is not None:
                failing.append(second)
            if first_fails:
                failing.append(first)
        if len(refused) > MOST_REFUSED:
            raise _too_many(model, refused)
    return refused


def _failure(run: Callable[[pa.Table], pa.Table], rows: pa.Table) -> str | None:
    try:
        run(rows)
    except RowError as error:
        return str(error)
    return None


def _too_many(model: Model, refused: Mapping[str, str]) -> HeldError:
    key, reason = next(iter(refused.items()))
    return HeldError(
        f"model {model.name} refuses more than {MOST_REFUSED} rows of a batch; the first is {key}: {reason}",
        f"correct sql/models/{model.name}.sql and rebuild: {REBUILD}",
    )


def _run_together(model: Model, run: Callable[[pa.Table], pa.Table], rows: pa.Table) -> pa.Table:
    try:
        return run(rows)
    except RowError as error:
        raise ConfigurationError(
            f"model {model.name} fails over rows together that it takes one by one: {error}",
            "make each star row depend on its own driving row, then: starlift run",
        ) from error


def without(rows: pa.Table, keys: Mapping[str, str]) -> pa.Table:
    """Return the rows whose key text is none of these."""
    if not keys:
        return rows
    return rows.filter(pc.invert(pc.is_in(rows[KEY], pa.array(list(keys), pa.string()))))


def keyed(model: Model, star: pa.Table, rows: pa.Table, key: Sequence[str]) -> pa.Table:
    """Give star rows their driving rows' key text. Both are in the order of the key, so they match by
    position, or the model broke the law."""
    check_key(model, star.schema, rows.schema, key)
    made, expected = star.select(list(model.key)), rows.select(list(key)).rename_columns(list(model.key))
    if not _bits(made).equals(_bits(expected)):
        raise _broken(model, made, expected)
    return star.append_column(KEY, rows[KEY])


def _bits(keys: pa.Table) -> pa.Table:
    """Return floats as their bits: NaN equals no NaN, and 0 equals -0, which is another key text."""
    columns = [
        pa.chunked_array([chunk.view(_BITS[column.type]) for chunk in column.chunks], _BITS[column.type])
        if column.type in _BITS
        else column
        for column in keys.columns
    ]
    return pa.Table.from_arrays(columns, names=keys.column_names)


def check_key(model: Model, star: pa.Schema, driving: pa.Schema, key: Sequence[str]) -> None:
    """Raise ConfigurationError unless the model's key is the driving table's in number and types."""
    if len(model.key) != len(key):
        raise ConfigurationError(
            f"model {model.name}: its key has {len(model.key)} columns, that of {model.driving} {len(key)}",
            f"write `-- key:` with the columns for {', '.join(key)}, then: starlift run",
        )
    for own, name in zip(model.key, key, strict=True):
        if star.field(own).type != driving.field(name).type:
            raise ConfigurationError(
                f"model {model.name}: its key column {own} is {star.field(own).type}, "
                f"{name} of {model.driving} is {driving.field(name).type}",
                f"select {name} as it is for the key, then: starlift run",
            )


def _broken(model: Model, made: pa.Table, expected: pa.Table) -> ConfigurationError:
    got, wanted = _counted(made), _counted(expected)
    faults = [
        f"{word} {keys.total()} ({', '.join(sorted(keys)[:_SHOWN])}{', …' if len(keys) > _SHOWN else ''})"
        for word, keys in (("drops", wanted - got), ("repeats or invents", got - wanted))
        if keys
    ]
    return ConfigurationError(
        f"model {model.name} does not make one row of each row of {model.driving}: it {' and '.join(faults)}",
        "use LEFT JOIN on a unique key and no WHERE, then: starlift run",
    )


def _counted(keys: pa.Table) -> Counter[str]:
    return Counter(key_text(str(value) for value in row.values()) for row in keys.to_pylist())
