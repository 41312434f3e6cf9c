"""Test the watch's reads through the client on a well-behaved Proxmox: the cluster's task list and storages."""

import time
from pathlib import Path

import pytest

from core.guest import Guest, Kind, State, TaskSummary
from core.operations import Operation
from core.proxmox_errors import BadAnswer
from playground.pve.server import Pve
from proxmox_client import ProxmoxClient
from tests.support import client_stage
from tests.support.client_stage import BOTH, VM, Rude, answer, client_of, refusal, until

pve, client = client_stage.pve, client_stage.client


async def only_task(client: ProxmoxClient) -> TaskSummary:
    (task,) = await client.cluster_tasks()
    return task


# -- tasks


async def test_the_task_list_is_one_request(pve: Pve, client: ProxmoxClient) -> None:
    assert await client.cluster_tasks() == ()
    assert pve.requests == [("GET", "/cluster/tasks", {})]


@BOTH
async def test_the_person_who_stopped_a_guest(pve: Pve, client: ProxmoxClient, guest: Guest) -> None:
    prefix = "qm" if guest.kind is Kind.QEMU else "vz"
    upid = pve.stop_as(guest.vmid, "alice@pam")
    task = await only_task(client)
    assert task.upid == upid
    assert (task.type, task.user, task.node) == (f"{prefix}stop", "alice@pam", guest.node)
    assert (task.id, task.status) == (str(guest.vmid), "OK")
    assert task.ended is not None
    assert task.ended >= task.started > 0
    assert (await client.status(guest)).state is State.STOPPED


async def test_the_bots_own_tasks_bear_its_token(client: ProxmoxClient) -> None:
    upid = await client.power(VM, Operation.STOP)
    task = await only_task(client)
    assert (task.upid, task.user) == (upid, client.identity)


@BOTH
async def test_a_backup_runs_with_its_lock_and_ends(pve: Pve, client: ProxmoxClient, guest: Guest) -> None:
    plan = pve.backup_job(guest.vmid, hold=True)
    running = await only_task(client)
    assert (running.upid, running.type, running.id) == (plan.upid, "vzdump", str(guest.vmid))
    assert (running.status, running.ended) == (None, None)
    listed = (await client.cluster()).find(guest.vmid)
    assert listed is not None
    assert (listed.lock, listed.state) == ("backup", State.RUNNING)
    plan.release("job errors")
    await until(lambda: "exitstatus" in pve.tasks[plan.upid])
    ended = await only_task(client)
    assert (ended.status, ended.ended is not None) == ("job errors", True)
    assert (await client.status(guest)).lock is None
    assert await client.recent_tasks(guest, 5) == (ended,)


async def test_a_backup_of_several_guests_has_no_id(pve: Pve, client: ProxmoxClient) -> None:
    pve.backup_job(None, "pve2", ends="job errors", user="alice@pam")
    task = await only_task(client)
    assert (task.id, task.node, task.user, task.status) == ("", "pve2", "alice@pam", "job errors")


async def test_all_running_tasks_and_else_25_of_each_node_newest_first(
    pve: Pve, client: ProxmoxClient
) -> None:
    for _ in range(30):
        pve.backup_job(None, "pve1")
        pve.backup_job(None, "pve2")
    tasks = await client.cluster_tasks()
    assert [task.started for task in tasks] == sorted((task.started for task in tasks), reverse=True)
    assert {node: sum(task.node == node for task in tasks) for node in ("pve1", "pve2")} == {
        "pve1": 25,
        "pve2": 25,
    }
    held = [pve.backup_job(None, "pve1", hold=True) for _ in range(27)]
    assert {task.upid for task in await client.cluster_tasks() if task.status is None} == {
        plan.upid for plan in held
    }
    for plan in held:
        plan.release()


async def test_without_sys_audit_a_token_sees_no_task_not_even_its_own(
    pve: Pve, client: ProxmoxClient
) -> None:
    await client.power(VM, Operation.STOP)
    pve.backup_job(None, "pve1")
    pve.deny("Sys.Audit")
    assert await client.cluster_tasks() == ()


async def test_an_invalid_task_list(tmp_path: Path) -> None:
    with Rude(tmp_path, answer('{"data":{"upid":"x"}}')) as rude:
        assert isinstance(await refusal(client_of(rude).cluster_tasks()), BadAnswer)


# -- storages


async def test_a_shared_storage_is_listed_once_per_node(pve: Pve, client: ProxmoxClient) -> None:
    pve.add_ceph_storage("ceph")
    pve.fill_storage("ceph", 0.95)
    pve.fill_storage("local", 0.25)
    pve.fill_storage("local", 0.75, node="pve2")
    storages = {(s.name, s.node): s for s in (await client.cluster()).storages}
    assert list(storages) == sorted(storages)
    assert {key: (s.shared, s.available) for key, s in storages.items() if s.name != "local-lvm"} == {
        ("ceph", "pve1"): (True, True),
        ("ceph", "pve2"): (True, True),
        ("local", "pve1"): (False, True),
        ("local", "pve2"): (False, True),
    }
    fills = {key: round((s.used or 0) / (s.total or 1), 3) for key, s in storages.items()}
    assert fills["ceph", "pve1"] == fills["ceph", "pve2"] == 0.95
    assert (fills["local", "pve1"], fills["local", "pve2"]) == (0.25, 0.75)


async def test_a_storage_proxmox_cannot_reach_is_not_available(pve: Pve, client: ProxmoxClient) -> None:
    pve.fill_storage("local", None)
    lost = [s for s in (await client.cluster()).storages if s.name == "local"]
    assert [(s.available, s.used, s.total) for s in lost] == [(False, None, None)] * 2
    pve.fill_storage("local", 0.5)
    assert all(s.available for s in (await client.cluster()).storages)


@pytest.mark.parametrize("expired", [False, True])
async def test_an_offline_nodes_storages_are_not_available(
    pve: Pve, client: ProxmoxClient, expired: bool
) -> None:
    """The list may still show figures, because the last ones are broadcast for five minutes."""
    pve.node_offline("pve2", expired=expired)
    storages = (await client.cluster()).storages
    assert {s.node: s.available for s in storages} == {"pve1": True, "pve2": False}
    assert [s.used is None for s in storages if s.node == "pve2"] == [expired] * 2


async def test_without_datastore_audit_no_storage_is_listed(pve: Pve, client: ProxmoxClient) -> None:
    pve.deny("Datastore.Audit", "/storage/local")
    assert {s.name for s in (await client.cluster()).storages} == {"local-lvm"}
    pve.deny("Datastore.Audit")
    cluster = await client.cluster()
    assert (cluster.storages, len(cluster.guests)) == ((), 6)


# -- many


async def test_a_thousand_guests_are_one_read(pve: Pve, client: ProxmoxClient) -> None:
    vmids = pve.add_many(1000)
    pve.crash_all(vmids[:500])
    before = time.monotonic()
    cluster = await client.cluster()
    assert time.monotonic() - before < 30
    assert len(pve.requests) == 1
    states = [guest.state for guest in cluster.guests if guest.vmid in set(vmids)]
    assert (states.count(State.STOPPED), states.count(State.RUNNING)) == (500, 500)
