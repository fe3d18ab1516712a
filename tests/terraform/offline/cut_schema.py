"""Cut the schema of hashicorp/aws to the types that terraform/ uses, which is all that the tests carry.

    terraform providers schema -json > all.json      # in a folder whose lock has the wanted version
    python -m tests.terraform.offline.cut_schema all.json

Descriptions are left out. `SOURCE.md` says where today's is from.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = Path(__file__).with_name("aws_schema.json")

ALSO = {"aws_secretsmanager_secret_version"}
"""What mistakes are made with."""

_USED = re.compile(r'^(resource|data) "(aws_\w+)"', re.MULTILINE)
_KEPT = {"type", "required", "optional", "computed", "sensitive", "write_only"}


def used(folder: Path) -> tuple[set[str], set[str]]:
    """Return the types of resources, and of data sources, that the configurations below a folder have."""
    found = [pair for file in folder.rglob("*.tf") for pair in _USED.findall(file.read_text())]
    kinds = ({name for kind, name in found if kind == wanted} for wanted in ("resource", "data"))
    resources, data = kinds
    return resources, data


def cut(provider: dict[str, Any], resources: set[str], data: set[str]) -> dict[str, Any]:
    """Return a provider's schema with the named types alone. Raises KeyError where it has not all of them."""
    return {
        "provider": _schema(provider["provider"]),
        "resource_schemas": {name: _schema(provider["resource_schemas"][name]) for name in sorted(resources)},
        "data_source_schemas": {
            name: _schema(provider["data_source_schemas"][name]) for name in sorted(data)
        },
    }


def _schema(schema: dict[str, Any]) -> dict[str, Any]:
    return {"version": schema.get("version", 0), "block": _block(schema["block"])}


def _block(block: dict[str, Any]) -> dict[str, Any]:
    attributes, blocks = block.get("attributes", {}), block.get("block_types", {})
    return {
        "attributes": {
            name: {k: v for k, v in attribute.items() if k in _KEPT} for name, attribute in attributes.items()
        },
        "block_types": {name: {**kind, "block": _block(kind["block"])} for name, kind in blocks.items()},
    }


def main() -> None:
    """Write the cut schema beside this file."""
    whole = json.loads(Path(sys.argv[1]).read_text())
    provider = whole["provider_schemas"]["registry.terraform.io/hashicorp/aws"]
    resources, data = used(ROOT / "terraform")
    SCHEMA.write_text(
        json.dumps(cut(provider, resources | ALSO, data), sort_keys=True, separators=(",", ":")) + "\n"
    )


if __name__ == "__main__":
    main()
