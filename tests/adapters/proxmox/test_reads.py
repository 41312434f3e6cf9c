"""Test the client's reads for QEMU and LXC alike: right answers, missing rights, and a few absurd answers."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.proxmox.parse import parse_backup_storages, parse_backups
from core.guest import Backup, Backups, Cluster, Guest, Kind, State
from core.operations import Operation
from core.proxmox import TaskStatus
from core.proxmox_errors import BadAnswer, Rejected, TaskUnknown
from playground.pve.server import Pve
from proxmox_client import ProxmoxClient
from tests.support import client_stage
from tests.support.client_stage import (
    BOTH,
    CT,
    CT_STOPPED,
    VM,
    VM_STOPPED,
    Rude,
    answer,
    client_of,
    refusal,
    sent,
)

pve, client = client_stage.pve, client_stage.client


async def found(client: ProxmoxClient, vmid: int) -> Guest:
    guest = (await client.cluster()).find(vmid)
    assert guest is not None
    return guest


# -- the cluster


async def test_the_cluster_is_one_request(pve: Pve, client: ProxmoxClient) -> None:
    cluster = await client.cluster()
    assert pve.requests == [("GET", "/cluster/resources", {})]
    assert [(g.vmid, g.kind, g.node, g.state, g.name, g.template) for g in cluster.guests] == [
        (100, Kind.QEMU, "pve1", State.RUNNING, "web01", False),
        (101, Kind.QEMU, "pve2", State.STOPPED, "db01", False),
        (200, Kind.LXC, "pve1", State.RUNNING, "dns", False),
        (201, Kind.LXC, "pve1", State.STOPPED, "proxy", False),
        (900, Kind.QEMU, "pve1", State.STOPPED, "debian13", True),
        (901, Kind.LXC, "pve1", State.STOPPED, "alpine", True),
    ]
    assert [(node.name, node.online) for node in cluster.nodes] == [("pve1", True), ("pve2", True)]


async def test_with_sys_audit_nodes_have_figures(client: ProxmoxClient) -> None:
    nodes = (await client.cluster()).nodes
    assert len(nodes) == 2
    assert all(node.cpus and node.memory and node.memory_total for node in nodes)


@BOTH
async def test_a_listed_guest_has_its_figures(pve: Pve, client: ProxmoxClient, guest: Guest) -> None:
    pve.guest(guest.vmid).config["tags"] = "prod;web"
    pve.snapshot_lock(guest.vmid, "backup")
    pve.guest(guest.vmid).ha_state = "started"
    listed = await found(client, guest.vmid)
    assert 0 < (listed.cpu or 0) <= 1
    assert listed.cpus
    assert 0 < (listed.memory or 0) < (listed.memory_total or 0)
    assert listed.disk_total
    assert (listed.disk is None) == (guest.kind is Kind.QEMU)
    assert listed.uptime is not None
    assert (listed.tags, listed.lock, listed.ha_managed) == (("prod", "web"), "backup", True)


async def test_without_sys_audit_nodes_have_no_figures(pve: Pve, client: ProxmoxClient) -> None:
    pve.deny("Sys.Audit")
    (first, _) = (await client.cluster()).nodes
    assert (first.online, first.cpu, first.memory) == (True, None, None)


async def test_guests_of_an_offline_node_are_unknown_despite_the_list(
    pve: Pve, client: ProxmoxClient
) -> None:
    pve.revive(101)
    pve.node_offline("pve2")
    cluster = await client.cluster()
    guest = cluster.find(101)
    assert guest is not None
    assert (guest.state, guest.name, cluster.node_online("pve2")) == (State.UNKNOWN, "db01", False)
    pve.node_offline("pve2", expired=True)
    forgotten = await found(client, 101)
    assert (forgotten.state, forgotten.name, forgotten.label) == (State.UNKNOWN, None, "101")


async def test_a_guest_just_made_has_no_name_yet(pve: Pve, client: ProxmoxClient) -> None:
    pve.hold_pvestatd()
    pve.add_ct(300, "new", node="pve1", status="running")
    listed = await found(client, 300)
    assert (listed.state, listed.name, listed.memory_total) == (State.UNKNOWN, None, None)
    now = await client.status(listed)
    assert (now.state, now.name) == (State.RUNNING, "new")


async def test_a_token_without_rights_sees_an_empty_list_not_a_refusal(
    pve: Pve, client: ProxmoxClient
) -> None:
    pve.deny("VM.Audit")
    assert (await client.cluster()).guests == ()


async def test_an_empty_cluster_is_a_cluster(tmp_path: Path) -> None:
    with Rude(tmp_path) as rude:
        cluster = await client_of(rude).cluster()
    assert (cluster.guests, cluster.nodes, cluster.find(100)) == ((), (), None)
    assert isinstance(cluster, Cluster)


# -- one guest


@BOTH
async def test_status_is_the_truth_of_this_moment(pve: Pve, client: ProxmoxClient, guest: Guest) -> None:
    pve.hold_pvestatd()
    pve.crash(guest.vmid)
    assert (await found(client, guest.vmid)).state is State.RUNNING
    stopped = await client.status(guest)
    assert (stopped.state, stopped.name, stopped.vmid) == (State.STOPPED, guest.name, guest.vmid)
    pve.revive(guest.vmid)
    running = await client.status(guest)
    assert running.state is State.RUNNING
    assert running.memory
    assert running.cpus


async def test_a_paused_vm_says_running_and_is_paused(pve: Pve, client: ProxmoxClient) -> None:
    pve.pause_vm(100)
    assert (await client.status(VM)).state is State.PAUSED
    assert (await found(client, 100)).state is State.PAUSED


@BOTH
async def test_status_knows_lock_and_ha(pve: Pve, client: ProxmoxClient, guest: Guest) -> None:
    assert not (await client.status(guest)).ha_managed
    pve.snapshot_lock(guest.vmid, "snapshot")
    pve.guest(guest.vmid).ha_state = "started"
    now = await client.status(guest)
    assert (now.lock, now.ha_managed) == ("snapshot", True)


async def test_the_config_of_a_vm_is_the_current_one(pve: Pve, client: ProxmoxClient) -> None:
    pve.vm(100).config.update(
        {"sockets": 2, "protection": 1, "ide2": "none,media=cdrom", "description": "mail", "balloon": 1024}
    )
    upid = await client.resize(VM, 4, 4096, (await client.config(VM)).digest)
    assert upid is not None
    assert (await client.task_status(upid)).exit == "OK"
    config = await client.config(VM)
    assert (config.cores, config.sockets, config.total_cores, config.memory_mb) == (2, 2, 4, 2048)
    assert (config.balloon_mb, config.protection, config.description) == (1024, True, "mail")
    assert [(disk.key, disk.size) for disk in config.disks] == [("scsi0", "8G")]
    waiting = {row.key: (row.value, row.pending) for row in await client.pending(VM)}
    assert (waiting["cores"], waiting["memory"]) == (("2", "4"), ("2048", "4096"))
    assert waiting["sockets"] == ("2", None)
    await client.power(VM, Operation.REBOOT)
    config = await client.config(VM)
    assert (config.cores, config.memory_mb) == (4, 4096)
    assert [row for row in await client.pending(VM) if row.pending] == []


async def test_config_of_a_container(pve: Pve, client: ProxmoxClient) -> None:
    pve.ct(200).config.update({"cores": 3, "memory": 768, "mp0": "local-lvm:vm-200-disk-1,mp=/srv,size=2G"})
    pve.ct(200).config["mp1"] = "/mnt/host,mp=/host"
    config = await client.config(CT)
    assert (config.cores, config.sockets, config.memory_mb, config.balloon_mb) == (3, 1, 768, None)
    assert [disk.key for disk in config.disks] == ["mp0", "rootfs"]
    assert not config.protection
    assert len(config.digest or "") == 40
    assert "cores" in {row.key for row in await client.pending(CT)}


@BOTH
async def test_snapshots_are_sorted_by_time_and_current_is_none(
    pve: Pve, client: ProxmoxClient, guest: Guest
) -> None:
    assert await client.snapshots(guest) == ()
    for at, name in enumerate(("zeta", "alpha", "mid")):
        await client.snapshot_create(guest, name, name.upper(), guest.kind is Kind.QEMU and name == "mid")
        pve.guest(guest.vmid).snapshots[name]["snaptime"] = 1_700_000_000 + at
    snapshots = await client.snapshots(guest)
    assert [(s.name, s.taken, s.description, s.parent) for s in snapshots] == [
        ("zeta", 1_700_000_000, "ZETA", None),
        ("alpha", 1_700_000_001, "ALPHA", "zeta"),
        ("mid", 1_700_000_002, "MID", "alpha"),
    ]
    assert [s.memory for s in snapshots] == [False, False, guest.kind is Kind.QEMU]
    assert not any(s.incomplete for s in snapshots)


@BOTH
async def test_whether_the_storage_can_take_snapshots(pve: Pve, client: ProxmoxClient, guest: Guest) -> None:
    assert await client.can_snapshot(guest)
    config = pve.guest(guest.vmid).config
    for key in ("scsi0", "rootfs"):
        if key in config:
            config[key] = f"local:{guest.vmid}/vm-{guest.vmid}-disk-0.raw,size=8G"
    assert not await client.can_snapshot(guest)


async def test_addresses_of_both_kinds(pve: Pve, client: ProxmoxClient) -> None:
    assert str(await refusal(client.addresses(VM))) == str(Rejected(500, "QEMU guest agent is not running"))
    pve.vm(100).agent = {}
    assert await client.addresses(VM) == ("192.0.2.10",)
    pve.ct(200).config["net0"] = "name=eth0,bridge=vmbr0,ip=192.0.2.20/24,ip6=2001:db8::20/64"
    assert await client.addresses(CT) == ("192.0.2.20", "2001:db8::20")


# -- tasks


@BOTH
async def test_recent_tasks_hold_running_and_ended_ones_of_this_guest(
    pve: Pve, client: ProxmoxClient, guest: Guest
) -> None:
    prefix = "qm" if guest.kind is Kind.QEMU else "vz"
    await client.power(guest, Operation.STOP)
    await client.power(VM if guest is CT else CT, Operation.STOP)
    pve.next_task(f"{prefix}start", ends="boom")
    await client.power(guest, Operation.START)
    held = pve.next_task(f"{prefix}start", hold=True)
    running = await client.power(guest, Operation.START)
    tasks = await client.recent_tasks(guest, 10)
    assert {(task.type, task.status) for task in tasks} == {
        (f"{prefix}stop", "OK"),
        (f"{prefix}start", "boom"),
        (f"{prefix}start", None),
    }
    assert {task.user for task in tasks} == {client.identity}
    assert [(task.upid, task.ended) for task in tasks if task.status is None] == [(running, None)]
    assert len(await client.recent_tasks(guest, 1)) == 1
    held.release()


async def test_a_task_runs_and_ends(pve: Pve, client: ProxmoxClient) -> None:
    plan = pve.next_task("qmstart", hold=True)
    upid = await client.power(VM_STOPPED, Operation.START)
    assert upid.split(":")[1] == "pve2"
    assert await client.task_status(upid) == TaskStatus(True, None)
    plan.say("one")
    plan.say("two")
    assert await client.task_log(upid, 0, 50) == ("one", "two")
    assert await client.task_log(upid, 1, 50) == ("two",)
    assert await client.task_log(upid, 0, 1) == ("one",)
    plan.release()
    await client_stage.until(lambda: pve.vm(101).status == "running" and "exitstatus" in pve.tasks[upid])
    assert await client.task_status(upid) == TaskStatus(False, "OK")


@pytest.mark.parametrize("ends", ["WARNINGS: 2", "start failed: QEMU exited with code 1"])
async def test_how_a_task_ended(pve: Pve, client: ProxmoxClient, ends: str) -> None:
    pve.next_task("vzstart", ends=ends, lines=["WARN: nesting"])
    upid = await client.power(CT_STOPPED, Operation.START)
    assert await client.task_status(upid) == TaskStatus(False, ends)
    assert (await client.task_log(upid, 0, 50))[0] == "WARN: nesting"


async def test_a_task_is_asked_where_it_runs_after_its_guest_has_moved(
    pve: Pve, client: ProxmoxClient
) -> None:
    upid = await client.power(CT, Operation.STOP)
    pve.move_guest(200, "pve2")
    assert (await client.task_status(upid)).exit == "OK"
    assert (await client.status(replace(CT, node="pve2"))).state is State.STOPPED


async def test_unknown_tasks(pve: Pve, client: ProxmoxClient) -> None:
    upid = await client.power(VM, Operation.STOP)
    pve.vanish_task(upid)
    assert str(await refusal(client.task_status(upid))) == str(TaskUnknown(upid))
    before = list(pve.requests)
    assert str(await refusal(client.task_status("UPID:nonsense"))) == str(TaskUnknown("UPID:nonsense"))
    assert pve.requests == before


async def test_a_task_without_an_exit_word_ended_in_an_unknown_way(tmp_path: Path) -> None:
    with Rude(tmp_path, answer('{"data":{"status":"stopped"}}')) as rude:
        status = await client_of(rude).task_status(client_stage.UPID)
    assert status == TaskStatus(False, "unexpected status")


async def test_next_id(pve: Pve, client: ProxmoxClient) -> None:
    assert await client.next_id() == 102
    pve.add_vm(102, "taken", node="pve1")
    assert await client.next_id() == 103
    assert sent(pve, "GET") == [("GET", "/cluster/nextid", {})] * 2


@pytest.mark.parametrize("said", ['"102"', "102"])
async def test_next_id_as_text_or_number(tmp_path: Path, said: str) -> None:
    with Rude(tmp_path, answer(f'{{"data":{said}}}')) as rude:
        assert await client_of(rude).next_id() == 102


@pytest.mark.parametrize("said", ['"5"', '"web01"', "99", "1000000000", "true", '"-100"', "102.5"])
async def test_an_invalid_next_id(tmp_path: Path, said: str) -> None:
    with Rude(tmp_path, answer(f'{{"data":{said}}}')) as rude:
        assert isinstance(await refusal(client_of(rude).next_id()), BadAnswer)


# -- backups


@BOTH
async def test_backups_of_this_guest_on_all_storages_newest_first(
    pve: Pve, client: ProxmoxClient, guest: Guest
) -> None:
    pve.storages["nas"] = {
        "type": "nfs",
        "active": 1,
        "content": "images,backup",
        "shared": 1,
        "files": set(),
    }
    pve.storages["plain"] = {"type": "dir", "active": 1, "content": "iso", "files": set()}
    for days, storage in ((3, "local"), (1, "nas"), (2, "nas")):
        pve.keep_backup(guest.vmid, days, 2.0, storage)
    pve.keep_backup(101, 0.5, 2.0, "nas")
    backups = await client.backups(guest)
    assert [(backup.storage, backup.size) for backup in backups.found] == [
        ("nas", 2 * 1024**3),
        ("nas", 2 * 1024**3),
        ("local", 2 * 1024**3),
    ]
    assert [round((time.time() - backup.taken) / 86400) for backup in backups.found] == [1, 2, 3]
    assert all(str(guest.vmid) in backup.volume for backup in backups.found)
    assert backups.unread == ()
    assert "plain" not in str(pve.requests)


async def test_a_storage_that_is_away_or_refuses_is_named(pve: Pve, client: ProxmoxClient) -> None:
    for name in ("away", "nas"):
        pve.storages[name] = {"type": "nfs", "active": 1, "content": "backup", "shared": 1, "files": set()}
    pve.keep_backup(VM.vmid, 1.0, 2.0, "nas")
    pve.fill_storage("away", None)
    pve.fail("GET", "/storage/local/content", 500, "got timeout")
    backups = await client.backups(VM)
    assert [backup.storage for backup in backups.found] == ["nas"]
    assert sorted(backups.unread) == ["away", "local"]


async def test_no_more_than_twenty_storages_are_asked_and_the_others_are_named(
    pve: Pve, client: ProxmoxClient
) -> None:
    for number in range(50):
        name = f"share{number}"
        pve.storages[name] = {"type": "nfs", "active": 1, "content": "backup", "shared": 1, "files": set()}
    backups = await client.backups(VM)
    assert len([path for _, path, _ in pve.requests if path.endswith("/content")]) == 20
    assert len(backups.unread) == 50 + 1 - 20


async def test_without_the_privileges_there_is_no_backup_to_be_seen(pve: Pve, client: ProxmoxClient) -> None:
    pve.keep_backup(VM.vmid, 1.0, 2.0, "local")
    assert len((await client.backups(VM)).found) == 1
    pve.deny("VM.Backup")
    assert await client.backups(VM) == Backups()
    pve.deny("Datastore.Audit")
    pve.deny("Datastore.AllocateSpace")
    assert await client.backups(VM) == Backups()


def test_rows_of_storages_and_backups_that_make_no_sense() -> None:
    rows = [None, 7, {}, {"storage": ""}, {"storage": "../x", "active": 1}, {"storage": "a b", "active": 1}]
    assert parse_backup_storages([*rows, {"storage": "pbs", "active": 1}, {"storage": "nas"}]) == (
        ("pbs",),
        ("nas",),
    )
    bad: list[object] = [
        None,
        [],
        {},
        {"volid": "x"},
        {"volid": "x", "ctime": "soon"},
        {"ctime": 5},
        {"volid": "", "ctime": 5},
    ]
    odd = {"volid": "pbs:b", "ctime": "5", "size": "much"}
    assert parse_backups(Kind.QEMU, "pbs", [*bad, odd]) == (Backup("pbs", "pbs:b", 5, None),)
