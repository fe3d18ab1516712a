"""The applied state, as `terraform show -json` prints it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Resource:
    """A resource of the state. values: its attributes."""

    address: str
    type: str
    values: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        """Return an attribute."""
        return self.values[name]

    def document(self, name: str) -> Any:
        """Return an attribute that is JSON, read."""
        return json.loads(self.values[name] or "{}")


@dataclass(frozen=True)
class State:
    """What there is after an apply."""

    resources: tuple[Resource, ...]
    outputs: dict[str, Any]

    @staticmethod
    def read(shown: dict[str, Any]) -> State:
        """Read what `terraform show -json` printed."""
        values = shown["values"]
        outputs = {name: output["value"] for name, output in values.get("outputs", {}).items()}
        return State(tuple(_resources(values["root_module"])), outputs)

    def of(self, *types: str) -> list[Resource]:
        """Return the resources of some types; `aws_` is put before them."""
        wanted = {f"aws_{name}" for name in types}
        return [resource for resource in self.resources if resource.type in wanted]

    def about(self, type_: str, attribute: str, value: object) -> Resource | None:
        """Return the resource of a type that has a value, such as the policy of a bucket."""
        return next((found for found in self.of(type_) if found.values.get(attribute) == value), None)


def _resources(module: dict[str, Any]) -> Iterator[Resource]:
    for found in module.get("resources", ()):
        if found["mode"] == "managed":
            yield Resource(found["address"], found["type"], found["values"])
    for child in module.get("child_modules", ()):
        yield from _resources(child)
