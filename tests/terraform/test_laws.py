"""What `terraform apply` makes keeps every law; that each law can be broken is for test_mistakes.py."""

from __future__ import annotations

from tests.terraform.conftest import Applied
from tests.terraform.laws import broken


def test_what_is_made_keeps_every_law(usual: Applied) -> None:
    assert broken(usual.state) == []


def test_what_is_made_in_a_network_keeps_every_law(in_a_network: Applied) -> None:
    assert broken(in_a_network.state) == []
