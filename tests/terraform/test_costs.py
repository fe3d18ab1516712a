"""What the documents say of costs is reckoned by the script, from what there is."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import pytest

from starlift.entrypoints.lambda_telemetry import UNITS
from tests.terraform.commands import ROOT
from tests.terraform.conftest import Applied
from tests.terraform.function_laws import stage_of


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """scripts/costs.py."""
    spec = importlib.util.spec_from_file_location("costs", ROOT / "scripts" / "costs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["costs"] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


def test_the_table_is_what_the_script_reckons(script: ModuleType) -> None:
    text = script.DOCUMENT.read_text()
    assert text == script.written(text), "write it anew: .venv/bin/python scripts/costs.py --write"


def test_it_is_reckoned_with_what_there_is(script: ModuleType, usual: Applied) -> None:
    state = usual.state
    memory = {stage_of(function): function["memory_size"] for function in state.of("lambda_function")}
    assert {**script.MEMORY, "reconcile": script.MEMORY["extract"]} == memory
    assert len(state.of("cloudwatch_metric_alarm")) == script.ALARMS
    assert len(state.of("secretsmanager_secret")) == script.SECRETS
    assert len(state.of("cloudwatch_dashboard")) == len(state.of("kms_key")) == 1
    rates = {schedule["name"]: schedule["schedule_expression"] for schedule in state.of("scheduler_schedule")}
    assert rates["extract"] == f"rate({script.POLL_MINUTES} minutes)"
    assert rates["sweep-load"] == rates["sweep-transform"] == f"rate({script.SWEEP_MINUTES} minutes)"
    assert {function["architectures"][0] for function in state.of("lambda_function")} == {"arm64"}


def test_alarms_are_about_metrics_that_the_functions_emit(usual: Applied) -> None:
    own = [a for a in usual.state.of("cloudwatch_metric_alarm") if a["namespace"] == "starlift"]
    assert {alarm["metric_name"] for alarm in own} <= UNITS.keys()
    assert own


def test_more_rows_do_not_cost_less(script: ModuleType) -> None:
    little, much = (script.costs(load) for load in script.LOADS)
    assert {what for what in little if much[what] < little[what]} == set()
