"""What must hold of the example: nothing in its network is reached from outside, its warehouse is kept."""

from __future__ import annotations

from collections.abc import Iterator

from tests.terraform.state import State

ANYWHERE = ("0.0.0.0/0", "::/0")
OUTWARD = ("internet_gateway", "nat_gateway", "eip", "route")
LEAST_DAYS = 7


def there_is_no_way_out(state: State) -> Iterator[str]:
    """No gateway to the internet, no address in it, and no rule that is about all the world."""
    for way in state.of(*OUTWARD):
        yield f"{way.address} is a way out"
    for subnet in state.of("subnet"):
        if subnet["map_public_ip_on_launch"]:
            yield f"{subnet.address} gives public addresses"
    for rule in state.of("vpc_security_group_ingress_rule", "vpc_security_group_egress_rule"):
        if rule["cidr_ipv4"] in ANYWHERE or rule["cidr_ipv6"] in ANYWHERE:
            yield f"{rule.address} is about all the world"
    for group in state.of("security_group", "default_security_group"):
        if group["ingress"] or group["egress"]:
            yield f"{group.address} has rules of its own"


def what_stages_ask_for_is_reached_without_one(state: State) -> Iterator[str]:
    """S3 through a gateway, Secrets Manager through an interface with the service's own name."""
    if not state.of("vpc"):
        return
    ends = {e["service_name"].rpartition(".")[2]: e for e in state.of("vpc_endpoint")}
    if "s3" not in ends or ends["s3"]["vpc_endpoint_type"] != "Gateway":
        yield "S3 is not reached through a gateway"
    if "secretsmanager" not in ends or not ends["secretsmanager"]["private_dns_enabled"]:
        yield "Secrets Manager is not reached by its own name"


def the_warehouse_is_private_and_kept(state: State) -> Iterator[str]:
    """Encrypted, TLS forced, backups, no public address, hard to delete, its password known to nobody."""
    groups = {group["name"]: group for group in state.of("db_parameter_group")}
    for database in state.of("db_instance"):
        wrong = {
            "is not encrypted": not database["storage_encrypted"],
            "has a public address": database["publicly_accessible"],
            "keeps backups for too short a time": database["backup_retention_period"] < LEAST_DAYS,
            "can be deleted by mistake": not database["deletion_protection"]
            or database["skip_final_snapshot"],
            "has its password in the state": bool(database["password"]),
        }
        yield from (f"{database.address} {what}" for what, found in wrong.items() if found)
        group = groups.get(database["parameter_group_name"])
        set_to = {each["name"]: each["value"] for each in group["parameter"]} if group else {}
        if set_to.get("rds.force_ssl") != "1":
            yield f"{database.address} is reached without TLS"


NETWORK = (there_is_no_way_out, what_stages_ask_for_is_reached_without_one, the_warehouse_is_private_and_kept)
