"""Test the reads of nodes, HA and the past usage of storages, from answers of every form."""

from typing import Any

from adapters.proxmox.guest_agent import parse_file_systems
from adapters.proxmox.infrastructure import parse_ha_status, parse_node_status, parse_storage_history
from core.guest import Storage
from core.proxmox import HaStatus, NodeStatus, StorageUse
from playground.pve.server import Pve
from proxmox_client import ProxmoxClient
from tests.support.client_stage import client, opened, pve
from tests.support.walked import walked

__all__ = ["client", "opened", "pve"]


async def test_the_status_of_a_node(client: ProxmoxClient, pve: Pve) -> None:
    found = await client.node_status("pve1")
    assert (found.version, found.kernel) == (pve.version, "6.17.2-1-pve")
    assert len(found.load) == 3
    for value in (found.memory_total, found.swap_total, found.root_total, found.uptime):
        assert value
    assert 0 <= (found.cpu or 0) <= 1


async def test_ha_of_both_generations(client: ProxmoxClient, pve: Pve) -> None:
    assert await client.ha_status() == HaStatus(True)
    pve.vm(100).ha_state = "started"
    pve.lose_quorum()
    pve.ha_modes["pve2"] = "maintenance mode"
    expected = HaStatus(False, "", {"pve1": "active", "pve2": "maintenance mode"})
    assert await client.ha_status() == expected
    pve.version, pve.ha_armed = "9.2.1", "disarmed"
    assert (await client.ha_status()).armed == "disarmed"


async def test_the_week_of_a_storage(client: ProxmoxClient, pve: Pve) -> None:
    storage = Storage("local", "pve1", False, True)
    assert len(await client.storage_history(storage)) == 336
    pve.storage_gaps.add("local")
    assert len(await client.storage_history(storage)) == 49
    pve.version = "8.4.5"
    assert 8 <= len(await client.storage_history(storage)) <= 10


@walked(
    ("row", "expected"),
    [
        ({}, NodeStatus()),
        ({"cpu": "x", "memory": [], "loadavg": "1", "pveversion": "odd", "kversion": 7}, NodeStatus()),
        ({"loadavg": ["0.5", None, 2, 9], "kversion": "Linux 6.8.4-2-pve #1"},
         NodeStatus(load=(0.5, 2.0), kernel="6.8.4-2-pve")),
        ({"current-kernel": {"release": ""}, "rootfs": {"used": "7", "total": 9.5}},
         NodeStatus(root=7, root_total=9)),
        ({"cpu": -1, "loadavg": [-1, "1e99", "0.1"], "memory": {"used": -5, "total": 10**19}, "uptime": -9},
         NodeStatus(load=(0.1,))),
    ],
)  # fmt: skip
def test_odd_nodes(row: dict[str, Any], expected: NodeStatus) -> None:
    assert parse_node_status(row) == expected


def test_odd_rows() -> None:
    rows = [7, {}, {"type": "lrm"}, {"type": "lrm", "node": "a", "status": "a (unable to read lrm status)"},
            {"type": "lrm", "node": "b", "status": ["x"]}, {"type": "fencing"}]  # fmt: skip
    assert parse_ha_status(rows) == HaStatus(None, "", {"a": "unable to read lrm status", "b": ""})
    uses = [None, {"time": 9}, {"time": 3, "used": "2", "total": 8}, {"time": 2, "used": 1, "total": 8.0},
            {"time": 4, "used": 1, "total": 0}, {"time": "x", "used": 1, "total": 8},
            {"time": 5, "used": -1, "total": 8}, {"time": 6, "used": 1, "total": -8},
            {"time": 7, "used": "nan", "total": 8}]  # fmt: skip
    assert parse_storage_history(uses) == (StorageUse(2, 1.0, 8.0), StorageUse(3, 2.0, 8.0))


def test_odd_file_systems() -> None:
    def row(**values: object) -> dict[str, object]:
        return {
            "name": "sda1",
            "mountpoint": "/",
            "type": "ext4",
            "used-bytes": 1,
            "total-bytes": 4,
            **values,
        }

    rows = [7, {}, row(), row(mountpoint="/mnt/bind"), row(type="TMPFS"), row(name="a", **{"total-bytes": 0}),
            row(name="b", **{"used-bytes": 9}), row(name="c", **{"used-bytes": None}), row(name="d", mountpoint=""),
            {"mountpoint": "C:\\", "type": "NTFS", "used-bytes": "3", "total-bytes": 4},
            {"mountpoint": "D:\\", "type": "CDFS", "used-bytes": 4, "total-bytes": 4}]  # fmt: skip
    found = parse_file_systems({"result": rows})
    assert [(each.mountpoint, each.fill) for each in found] == [("C:\\", 0.75), ("/", 0.25)]
    for answer in ({}, {"result": None}, {"result": "x"}, {"result": [{"used-bytes": 1}] * 9000}):
        assert parse_file_systems(answer) == ()
