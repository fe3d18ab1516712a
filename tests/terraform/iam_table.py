"""docs/iam.md's table of what each role may do, made of what the applied configuration says of it.

python -m tests.terraform.iam_table        # applies it offline, in a temporary copy, and writes the table
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.terraform.commands import ROOT, Configuration
from tests.terraform.conftest import IN_A_NETWORK
from tests.terraform.state import State

DOCUMENT = ROOT / "docs" / "iam.md"
BEGIN, END = "<!-- made by python -m tests.terraform.iam_table -->", "<!-- until here -->"

ROLES = {
    "extract": "extract, reconcile",
    "transform": "transform",
    "load": "load",
    "scheduler": "the schedules",
}
"""What a role is called. That of reconcile is the same as that of extract, which a test holds."""


def table(state: State) -> str:
    """Return the table, in Markdown."""
    lines = ["| role | statement | may | on | because |", "|---|---|---|---|---|"]
    for role, name in ROLES.items():
        for sid, granted in sorted(state.outputs["permissions"][role].items()):
            where = "<br>".join(sorted({_short(arn) for arn in granted["resources"]}))
            may = "<br>".join(f"`{action}`" for action in granted["actions"])
            lines.append(f"| {name} | {sid} | {may} | {where} | {granted['reason']}{_only(granted)} |")
    return "\n".join(lines)


def _only(granted: Mapping[str, Any]) -> str:
    region = str(IN_A_NETWORK["region"])
    tests = [
        f"`{key}` = `{value.replace(region, 'REGION')}`"
        for operator in granted.get("condition", {}).values()
        for key, value in operator.items()
    ]
    return f" (only where {' and '.join(tests)})" if tests else ""


def _short(arn: str) -> str:
    """What a resource is called in the table: its part in the pipeline, not the account's ARN of it."""
    for pattern, text in _NAMES:
        if found := re.fullmatch(pattern, arn):
            return text.format(*found.groups())
    raise ValueError(f"no name is known for {arn}")


_NAMES: tuple[tuple[str, str], ...] = (
    (r"arn:aws:s3:::[\w-]+?-(ingestion|processed)-\d+-[\w-]+/(.+)", "`{1}` in the {0} lake"),
    (r"arn:aws:s3:::[\w-]+?-(ingestion|processed)-\d+-[\w-]+", "the {0} lake"),
    (r"arn:aws:secretsmanager:.*:secret:[\w-]+/(\w+)-\w{6}", "the secret `{0}`"),
    (r"arn:aws:kms:.*:key/.*", "the key of the secrets"),
    (r"arn:aws:sqs:.*-(transform|load)\.fifo", "the queue of {0}"),
    (r"arn:aws:sqs:.*-schedules-dead", "the dead-letter queue of the schedules"),
    (r"arn:aws:logs:.*:log-group:/aws/lambda/.*", "its own log group"),
    (r"arn:aws:lambda:.*-(extract|reconcile)", "the function {0}"),
    (r"\*", "any (`*`)"),
)


def written(text: str, new: str) -> str:
    """Return the document with another table in it."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{new}\n{END}{after}"


def main() -> None:
    """Write the table of a configuration that is applied for it."""
    with TemporaryDirectory() as scratch:
        applied = Configuration.copied(Path(scratch)).init().apply(**IN_A_NETWORK)
    DOCUMENT.write_text(written(DOCUMENT.read_text(), table(State.read(applied))))


if __name__ == "__main__":
    main()
