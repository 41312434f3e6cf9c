"""Test the targets of a mute: a completion's value, a VMID or a name, and the refusals."""

import pytest

from core.guest import Cluster, Node, Storage
from core.wanted_errors import UnknownTarget
from core.watch.subjects import target_of
from tests.support.fakes import guest
from tests.support.walked import walked

CLUSTER = Cluster(
    (
        guest(101, name="web01"),
        guest(102, name="twin"),
        guest(103, name="twin"),
        guest(104, name="pve2"),
        guest(105, name="12345"),
        guest(106, name=None),
        guest(107, name="all"),
    ),
    (Node("pve1", True), Node("pve2", True), Node("pve3", False)),
    0.0,
    (
        Storage("nfs", "pve1", True, True),
        Storage("nfs", "pve2", True, True),
        Storage("local", "pve1", False, True),
    ),
)


@walked(
    ("text", "subject"),
    [
        ("all", "all"),
        (" ALL ", "all"),
        ("everything", "all"),
        ("すべて", "all"),
        ("source", "source"),
        ("101", "guest/101"),
        ("guest/101", "guest/101"),
        ("web01", "guest/101"),
        (" web01 ", "guest/101"),
        ("999", "guest/999"),
        ("guest/999", "guest/999"),
        ("pve1", "node/pve1"),
        ("node/pve2", "node/pve2"),
        ("pve3", "node/pve3"),
        ("storage/nfs", "storage/nfs"),
        ("storage/pve1/local", "storage/pve1/local"),
        ("12345", "guest/105"),
    ],
)
def test_the_meaning_of_a_typed_target(text: str, subject: str) -> None:
    """999 is on the watch list although it is gone."""
    assert target_of(text, CLUSTER, {101, 999}) == subject


@walked(
    "text",
    [
        "",
        "998",
        "99",
        "guest/0",
        "guest/998",
        "guest/",
        "Web01",
        "web",
        "twin",
        "pve2",
        "pve9",
        "node/pve9",
        "node/",
        "storage/nope",
        "storage/pve2/local",
        "storage/pve1/nfs",
        "1" * 5000,
        "@everyone",
        "None",
    ],
)
def test_unknown_and_ambiguous_targets(text: str) -> None:
    """A name shared by two guests, or by a guest and a node, is ambiguous."""
    with pytest.raises(UnknownTarget) as caught:
        target_of(text, CLUSTER, {101, 999})
    assert caught.value.value == text


@walked("text", ["all", "source", "guest/101", "node/pve1"])
def test_well_formed_values_are_accepted_while_proxmox_is_away(text: str) -> None:
    assert target_of(text, None) == text


@walked("text", ["web01", "node/a b", "node/-", "storage/nfs", "guest/1", ""])
def test_other_values_are_refused_while_proxmox_is_away(text: str) -> None:
    with pytest.raises(UnknownTarget):
        target_of(text, None)
