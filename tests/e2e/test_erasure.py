"""Erasure: after the commands of docs/erasure.md a value is in no object of the lakes and in no table."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from starlift.core import paths
from starlift.entrypoints.cli import main
from tests.e2e import privacy
from tests.e2e.project import Project

DOCUMENT = Path(__file__).parents[2] / "docs" / "erasure.md"

CANARY = "Canary7391"

LEAVES_TRACES = f"""
UPDATE staff SET first_name = '{CANARY}' WHERE staff_id = 1;
UPDATE address SET address_line_1 = '{CANARY}' WHERE address_id IN (
    SELECT legal_address_id FROM counterparty
);
UPDATE sales_order SET agreed_delivery_date = '{CANARY}' WHERE sales_order_id = 6;
"""
"""In a dimension, in one that joins another table, and in a row that goes into quarantine."""

ERASED_AT_THE_SOURCE = f"""
UPDATE staff SET first_name = 'erased' WHERE staff_id = 1;
UPDATE address SET address_line_1 = 'erased' WHERE address_line_1 = '{CANARY}';
UPDATE sales_order SET agreed_delivery_date = '2024-11-30' WHERE sales_order_id = 6;
"""


def holders(project: Project) -> set[str]:
    """Return which lakes and schemas of the warehouse have the value somewhere."""
    found = {
        name
        for name, folder in project.lakes.items()
        if any(CANARY in text for _, text in privacy.of_lake(folder))
    }
    kept = privacy.of_database(project.warehouse.owner)
    return found | {"starlift" if "." in name else "star" for name, text in kept if CANARY in text}


def commands() -> list[str]:
    """Return the commands of the document."""
    block = re.search(r"```sh\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert block
    return block[1].splitlines()


def test_after_the_commands_of_the_document_a_value_is_nowhere(
    lived: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(lived.folder)
    for name, value in lived.values.items():
        monkeypatch.setenv(name, value)
    with lived.application() as application:
        application.run(LEAVES_TRACES)
    lived.cycle()
    litter = lived.lakes["ingestion"] / paths.data("staff", 5, "20241120T120000Z-dead", 0)
    litter.parent.mkdir(parents=True, exist_ok=True)
    litter.write_bytes((next(lived.lakes["ingestion"].glob(f"data/staff/seq={4:020d}/*"))).read_bytes())
    assert holders(lived) == {"ingestion", "processed", "star", "starlift"}
    with lived.application() as application:
        application.run(ERASED_AT_THE_SOURCE)
    seq = ""
    for command in commands():
        assert main([*command.replace("SEQ", seq).split()[1:], "--json"]) == 0, command
        seq = seq or str(json.loads(capsys.readouterr().out)["checkpoint"])
    assert seq == "5"
    assert holders(lived) == set()
    assert not litter.exists()
    assert [main(["verify"]), main(["verify-log"])] == [0, 0]
