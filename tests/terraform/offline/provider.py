"""The provider hashicorp/aws without AWS: the true schema, served to the real terraform; nothing is made.

    python -m tests.terraform.offline.provider terraform -chdir=terraform plan

runs a command with it, so that terraform asks no registry and no account. Ids and ARNs are known in the plan
already, which makes policies readable there; with STARLIFT_OFFLINE_IDS=unknown they are known after the apply
alone, as with AWS. It needs what `provider.txt` locks.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import msgpack

from tests.terraform.offline import answers, limits

HERE = Path(__file__).parent
SOURCE = "registry.terraform.io/hashicorp/aws"

sys.path.insert(0, str(HERE))
pb, rpc = grpc.protos_and_services("tfplugin5.proto")

Servicer: Any = rpc.ProviderServicer
UNKNOWN = msgpack.ExtType(0, b"\0")
_EMPTY: dict[str, Any] = {"string": "", "number": 0, "bool": False, "list": [], "set": [], "map": {}}

Block = dict[str, Any]
Value = dict[str, Any]


def is_unknown(value: object) -> bool:
    """Whether a value is known after the apply alone."""
    return isinstance(value, msgpack.ExtType)


def packed(value: Value | None) -> Any:
    """Return a value as terraform takes it."""
    return pb.DynamicValue(msgpack=msgpack.packb(value))


def unpacked(value: Any) -> Any:
    """Return a value as terraform sends it."""
    if value.msgpack:
        return msgpack.unpackb(value.msgpack, strict_map_key=False)
    return json.loads(value.json) if value.json else None


def block_message(block: Block) -> Any:
    """Return a block of the schema as terraform takes it."""
    message = pb.Schema.Block()
    flags = ("required", "optional", "computed", "sensitive", "write_only")
    for name, attribute in block["attributes"].items():
        kind = json.dumps(attribute["type"]).encode()
        message.attributes.add(name=name, type=kind, **{flag: attribute.get(flag, False) for flag in flags})
    for name, nested in block["block_types"].items():
        message.block_types.add(
            type_name=name,
            block=block_message(nested["block"]),
            nesting=nested["nesting_mode"].upper(),
            min_items=nested.get("min_items", 0),
            max_items=nested.get("max_items", 0),
        )
    return message


def schema_message(schema: Value) -> Any:
    """Return a type's schema as terraform takes it."""
    return pb.Schema(version=schema["version"], block=block_message(schema["block"]))


def items(nested: Block, value: Any) -> Iterator[Value]:
    """Yield what a nested block holds, however it is nested."""
    found = value if isinstance(value, list) else [value]
    if isinstance(value, dict) and nested["nesting_mode"] == "map":
        found = list(value.values())
    yield from (item for item in found if isinstance(item, dict))


def computed(block: Block, resource: Value) -> Value:
    """Mark as unknown what the provider decides and nobody has set."""
    for name, attribute in block["attributes"].items():
        if attribute.get("computed") and resource.get(name) is None:
            resource[name] = UNKNOWN
    for name, nested in block["block_types"].items():
        for item in items(nested, resource.get(name)):
            computed(nested["block"], item)
    return resource


def settled(block: Block, resource: Value) -> Value:
    """Put an empty value of its type wherever one is still unknown."""
    for name, attribute in block["attributes"].items():
        kind = attribute["type"]
        if attribute.get("write_only"):
            resource[name] = None
        elif is_unknown(resource.get(name)):
            resource[name] = _EMPTY.get(kind if isinstance(kind, str) else kind[0])
    for name, nested in block["block_types"].items():
        for item in items(nested, resource.get(name)):
            settled(nested["block"], item)
    return resource


class Provider(Servicer):  # type: ignore[misc]
    """Answers terraform's questions. Names are those of the protocol."""

    def __init__(self, schema: Value) -> None:
        self.schema = schema
        self.region = "us-east-1"
        self.default_tags: dict[str, str] = {}
        self.foresees = os.environ.get("STARLIFT_OFFLINE_IDS") != "unknown"

    def GetSchema(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """What types there are."""
        meta = pb.Schema(block=pb.Schema.Block())
        answer = pb.SchemaResponse(provider=schema_message(self.schema["provider"]), provider_meta=meta)
        for kinds in ("resource_schemas", "data_source_schemas"):
            for name, schema in self.schema[kinds].items():
                getattr(answer, kinds)[name].CopyFrom(schema_message(schema))
        return answer

    def PrepareProviderConfig(self, request: Any, _context: Any) -> Any:  # noqa: N802
        """Take the provider block as it is."""
        return pb.PrepareResponse(prepared_config=request.config)

    def Configure(self, request: Any, _context: Any) -> Any:  # noqa: N802
        """Take note of region and default tags."""
        config = unpacked(request.config) or {}
        self.region = config["region"] if isinstance(config.get("region"), str) else self.region
        for found in config.get("default_tags") or []:
            self.default_tags = found.get("tags") or {}
        return pb.DiagResponse()

    def ValidateResourceTypeConfig(self, request: Any, _context: Any) -> Any:  # noqa: N802
        """Name what AWS would refuse."""
        answer = pb.DiagResponse()
        for place, message in limits.faults(
            request.type_name, self._block(request.type_name), unpacked(request.config)
        ):
            found = answer.diagnostics.add(severity=1, summary="AWS would refuse this", detail=message)
            for step in place:
                key = "element_key_int" if isinstance(step, int) else "attribute_name"
                found.attribute.steps.add(**{key: step})
        return answer

    def ValidateDataSourceConfig(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """Let everything pass."""
        return pb.DiagResponse()

    def UpgradeResourceState(self, request: Any, _context: Any) -> Any:  # noqa: N802
        """There is one version of a state alone."""
        return pb.StateResponse(state=packed(json.loads(request.raw_state.json)))

    def ReadResource(self, request: Any, _context: Any) -> Any:  # noqa: N802
        """Nobody has changed anything."""
        return pb.StateResponse(state=request.current_state)

    def PlanResourceChange(self, request: Any, _context: Any) -> Any:  # noqa: N802
        """Say what a resource will be."""
        new = unpacked(request.proposed_new_state)
        if new is None:
            return pb.PlanResponse(planned_state=request.proposed_new_state)
        made = unpacked(request.prior_state) is None
        if made:
            computed(self._block(request.type_name), new)
        if is_unknown(new.get("region")):
            new["region"] = self.region
        if "tags_all" in new and not is_unknown(new.get("tags")):
            new["tags_all"] = {**self.default_tags, **(new.get("tags") or {})}
        if made and self.foresees and answers.is_named(new):
            self._foresee(request.type_name, new)
        return pb.PlanResponse(planned_state=packed(new), legacy_type_system=True)

    def ApplyResourceChange(self, request: Any, _context: Any) -> Any:  # noqa: N802
        """Say what a resource has become."""
        new = unpacked(request.planned_state)
        if new is None:
            return pb.ApplyResponse(new_state=request.planned_state)
        self._foresee(request.type_name, new)
        state = packed(settled(self._block(request.type_name), new))
        return pb.ApplyResponse(new_state=state, legacy_type_system=True)

    def ReadDataSource(self, request: Any, _context: Any) -> Any:  # noqa: N802
        """Say what the account is like."""
        block = self.schema["data_source_schemas"][request.type_name]["block"]
        found = computed(block, unpacked(request.config))
        known = answers.of_data(request.type_name, self.region)
        found.update({name: value for name, value in known.items() if name in found})
        return pb.StateResponse(state=packed(settled(block, found)))

    def Stop(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """There is nothing to stop."""
        return pb.StopResponse()

    def _block(self, kind: str) -> Block:
        block: Block = self.schema["resource_schemas"][kind]["block"]
        return block

    def _foresee(self, kind: str, resource: Value) -> None:
        for name, value in answers.predicted(kind, resource, self.region).items():
            if is_unknown(resource[name]):
                resource[name] = value


@contextlib.contextmanager
def served(schema: Value) -> Iterator[dict[str, str]]:
    """Serve the provider while a block runs, and yield the environment by which terraform finds it."""
    server = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.max_send_message_length", -1)])
    rpc.add_ProviderServicer_to_server(Provider(schema), server)
    with tempfile.TemporaryDirectory() as folder:
        socket = f"{folder}/provider"
        server.add_insecure_port(f"unix:{socket}")
        server.start()
        where = {
            "Protocol": "grpc",
            "ProtocolVersion": 5,
            "Pid": os.getpid(),
            "Test": True,
            "Addr": {"Network": "unix", "String": socket},
        }
        try:
            yield {"TF_REATTACH_PROVIDERS": json.dumps({SOURCE: where})}
        finally:
            server.stop(0)


def main() -> int:
    """Run the command that the arguments are. Return its exit code."""
    schema = json.loads((HERE / "aws_schema.json").read_text())
    schema["provider"]["block"]["attributes"].pop("alias", None)  # terraform's own
    with served(schema) as environment:
        return subprocess.run(sys.argv[1:], env={**os.environ, **environment}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
