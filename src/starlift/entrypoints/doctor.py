"""`starlift doctor`: what a run would meet, and what may go wrong later, each with its remedy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from starlift.bootstrap import Pipeline
from starlift.core import diagnosis
from starlift.core.diagnosis import Finding
from starlift.core.source_check import check_table, choose_mode
from starlift.entrypoints import local
from starlift.entrypoints.answers import Answer, printable, without_passwords
from starlift.errors import ConfigurationError, StarliftError, worst
from starlift.stages.probing import probe

if TYPE_CHECKING:
    from starlift.adapters.postgres.examination import Read

WIDTH = 13
"""Columns of the name of a part in the report."""


def report(pipeline: Pipeline) -> Answer:
    """Ask each part for itself, and return what was found: exit code 0 where nothing is bad, else the first
    of 5, 2, 7, 4 that a finding has."""
    found = [*_guarded("configuration", lambda: _configuration(pipeline))]
    for part, look in (
        ("source", _source),
        ("warehouse", _warehouse),
        ("ingestion", lambda parts: probe(parts.ingestion, "ingestion")),
        ("processed", lambda parts: probe(parts.processed, "processed")),
    ):
        found += _guarded(part, lambda look=look: look(pipeline))  # type: ignore[misc]
    if not any(finding.level == "bad" for finding in found):
        found += _guarded("pipeline", lambda: _pipeline(pipeline))
    found = _told_once(found)
    code = worst([finding.code for finding in found])
    return Answer({"findings": [_document(finding) for finding in found]}, _text(found), code=code)


def _told_once(found: Iterable[Finding]) -> list[Finding]:
    """What stands in the way of several parts, such as the configuration, is told of the first."""
    told: dict[tuple[str, str], Finding] = {}
    for finding in found:
        told.setdefault(("" if finding.level == "bad" else finding.part, finding.what), finding)
    return list(told.values())


def _guarded(part: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    try:
        return list(look())
    except StarliftError as error:
        return [_of(error, part)]


def _of(error: StarliftError, part: str) -> Finding:
    return Finding("bad", part, error.message, error.hint, error.exit_code)


def _configuration(pipeline: Pipeline) -> Iterable[Finding]:
    tables, models = pipeline.config.tables, pipeline.models
    what = f"{pipeline.settings.config} takes {len(tables)} tables, for {len(models)} models"
    return [Finding("ok", "configuration", what)]


def _source(pipeline: Pipeline) -> Iterable[Finding]:
    from starlift.adapters.postgres.examination import examine_source

    config = pipeline.config
    reads, found = _reads(pipeline)
    facts = examine_source(pipeline.dsn("source"), reads)
    return [*diagnosis.of_source(facts, config.tables, config.limits), *found]


def _reads(pipeline: Pipeline) -> tuple[Mapping[str, Read], list[Finding]]:
    """Return the tables that a poll would read, and why it would not read the others."""
    from starlift.adapters.postgres.examination import Read

    specs, limits = pipeline.config.tables, pipeline.config.limits
    with pipeline.source as source:
        preflight = source.preflight(list(specs.values()))
    reads, found = {}, []
    for name, spec in specs.items():
        table = preflight.tables.get(name)
        try:
            check_table(spec, table, preflight.hmac_key)
            if table:
                reads[name] = Read(spec, table, choose_mode(spec, table, preflight.sees_all, limits))
        except ConfigurationError as error:
            found.append(_of(error, "source"))
    return reads, found


def _warehouse(pipeline: Pipeline) -> Iterable[Finding]:
    from starlift.adapters.postgres.examination import examine_warehouse
    from starlift.adapters.postgres.migrate import read_steps
    from starlift.adapters.postgres.schemas import Schemas
    from starlift.adapters.postgres.warehouse import PIPELINE_SCHEMA

    schemas = Schemas(pipeline.config.warehouse_schema, PIPELINE_SCHEMA)
    steps = read_steps(pipeline.settings.config.parent / "warehouse")
    return diagnosis.of_warehouse(examine_warehouse(pipeline.dsn("warehouse"), schemas, steps))


def _pipeline(pipeline: Pipeline) -> Iterable[Finding]:
    local.check(pipeline)
    return [Finding("ok", "pipeline", "lakes, models and warehouse belong together")]


def _document(finding: Finding) -> dict[str, object]:
    texts = {"what": without_passwords(finding.what), "remedy": without_passwords(finding.remedy)}
    return {**vars(finding), **texts}


def _text(found: Iterable[Finding]) -> str:
    lines = []
    for finding in found:
        lines.append(
            f"{finding.level:4}  {finding.part:{WIDTH}}  {printable(without_passwords(finding.what))}"
        )
        if finding.remedy:
            lines.append(f"{'':{WIDTH + 8}}{printable(without_passwords(finding.remedy))}")
    count = Counter(finding.level for finding in found)
    return "\n".join([*lines, "", f"{count['bad']} bad, {count['note']} to note, {count['ok']} ok"])
