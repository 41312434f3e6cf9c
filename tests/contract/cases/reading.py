"""Check every read of the bot: the cluster, guests, nodes, storages, tasks, and its own rights."""

import time
from collections.abc import Iterable
from functools import partial

from core.guest import Cluster, Guest, GuestConfig, Kind, State, Storage
from core.health.privileges import Inventory, Token, judge_token
from core.health.proxmox import judge_tags, version_numbers
from core.proxmox import Period
from tests.support.contract import documented, target
from tests.support.contract.forms import GIB, MIB
from tests.support.contract.talk import Case, Talk
from tests.support.contract.target import CT, CT_TEMPLATE, VM, VM_TEMPLATE

GUESTS = (VM, VM_TEMPLATE, CT, CT_TEMPLATE)
HOUR = 3600  # seconds


async def _version(talk: Talk) -> None:
    version = await talk.health.version()
    assert version_numbers(version)[0] == talk.facts.generation
    assert version_numbers(version) >= (8, 4)


async def _rights(talk: Talk) -> None:
    """Check that the commands of the documentation give every needed privilege, and no other."""
    endpoint = talk.facts.endpoint
    rights = await talk.health.rights()
    cluster = await talk.bot.cluster()
    inventory = Inventory(
        {guest.vmid: guest.pool for guest in cluster.guests},
        tuple(sorted({storage.name for storage in cluster.storages})),
        (target.POOL,),
    )
    token = Token(endpoint.user, endpoint.token_name, rights, talk.facts.generation)
    judged = judge_token(token, inventory, "")
    assert {result.level for result in judged} == {"ok"}, judged
    assert all(str(propagates) == "1" for held in rights.values() for propagates in held.values())
    granted = documented.granted(talk.facts.generation)
    assert set(rights) >= set(granted)
    for path, held in rights.items():  # a role on a path replaces those from above it
        above = max((at for at in granted if path == at or path.startswith(at.rstrip("/") + "/")), key=len)
        assert set(held) == granted[above], path


async def _options(talk: Talk) -> None:
    """Check that the tags that give rights are registered, so that not everybody may set them."""
    options = await talk.health.options()
    judged = judge_tags(options, target.TAGS, (), "")
    assert (judged.level, judged.word) == ("ok", "tags_ok")


async def _account(talk: Talk) -> None:
    account = await talk.health.account()
    assert account.known
    assert (account.user_ends, account.token_ends) == (0, 0)


def _broadcast(cluster: Cluster) -> bool:
    """Return whether the list has the names of the contract's guests, and only VM and CT as running."""
    found = [cluster.find(vmid) for vmid in GUESTS]
    states = [guest.state if guest else None for guest in found]
    return states == [State.RUNNING, State.STOPPED] * 2 and all(guest.name for guest in found if guest)


async def _cluster(talk: Talk) -> None:
    for vmid in (VM, CT):
        talk.host.set_running(vmid, True)
    cluster = await talk.until(talk.bot.cluster, _broadcast)
    for vmid in GUESTS:
        guest, expected = cluster.find(vmid), talk.guest(vmid)
        assert guest is not None
        assert (guest.kind, guest.node, guest.name) == (expected.kind, talk.facts.node, expected.name)
        assert guest.template is (vmid in (VM_TEMPLATE, CT_TEMPLATE))
        assert guest.memory_total == target.MEMORY * MIB
        assert guest.cpus == target.cpus_of(vmid)
        assert sorted(guest.tags) == sorted(target.TAGS)
        assert guest.pool == (target.POOL if vmid == VM else None)
        assert not guest.ha_managed
        assert guest.lock is None
        if vmid in (VM, VM_TEMPLATE):
            assert guest.disk_total == target.DISK_GIB * GIB
        _check_use(guest)
    _check_rows(talk)
    assert target.POOL in cluster.pools
    nodes = {node.name: node for node in cluster.nodes}
    assert {guest.node for guest in cluster.guests} <= set(nodes)
    assert all(node.online and node.known and node.cpu is not None for node in cluster.nodes)
    stored = {(storage.name, storage.node): storage for storage in cluster.storages}
    assert {name for name, _ in stored} >= {target.STORAGE, target.BACKUPS}
    assert {node for _, node in stored} == set(nodes)
    for storage in cluster.storages:
        assert storage.available
        assert not storage.shared
        assert storage.used is not None
    here = stored[target.STORAGE, talk.facts.node], stored[target.BACKUPS, talk.facts.node]
    assert "images" in here[0].content
    assert "backup" in here[1].content
    assert here[1].type == "dir"
    assert here[1].used is not None
    assert here[1].used >= GIB


FIGURES = {
    "qemu": {"cpu", "maxcpu", "mem", "maxmem", "disk", "maxdisk", "uptime", "name"},
    "lxc": {"cpu", "maxcpu", "mem", "maxmem", "disk", "maxdisk", "uptime", "name"},
    "node": {"cpu", "maxcpu", "mem", "maxmem", "disk", "maxdisk", "uptime"},
    "storage": {"disk", "maxdisk"},
}


def _check_rows(talk: Talk) -> None:
    """Check that all rows have their figures, and some figures of VM and CT in the right unit."""
    for row in talk.data():
        wanted = FIGURES.get(row["type"], set())
        if row["type"] == "qemu" and talk.facts.generation >= 9:
            wanted = wanted | {"memhost"}
        assert wanted <= row.keys(), row
        if row.get("vmid") == VM and talk.facts.generation >= 9:
            assert MIB <= row["memhost"] <= 16 * row["maxmem"]
        if row.get("vmid") == CT:
            assert row["disk"] >= MIB


def _check_use(guest: Guest) -> None:
    """Check that a running guest has an uptime and at least 256 KiB of memory in use, and a stopped one neither."""
    if guest.state is State.RUNNING:
        assert guest.memory
        assert guest.memory >= MIB // 4
        assert guest.uptime is not None
        assert guest.uptime > 0
    else:
        assert (guest.memory, guest.uptime, guest.cpu) == (0, 0, 0)


async def _status(talk: Talk) -> None:
    talk.host.set_running(VM, True)
    talk.host.set_running(CT, True)
    for vmid in GUESTS:
        guest = talk.guest(vmid)
        found = await talk.until(partial(talk.bot.status, guest), _has_use)
        assert found.state is (State.RUNNING if vmid in (VM, CT) else State.STOPPED)
        assert found.name == guest.name
        assert found.cpus == target.cpus_of(vmid)
        assert found.memory_total == target.MEMORY * MIB
        assert found.template is (vmid in (VM_TEMPLATE, CT_TEMPLATE))
        assert sorted(found.tags) == sorted(target.TAGS)
        assert found.lock is None
        assert not found.ha_managed
        _check_use(found)
        row = talk.data()
        assert vmid != CT or row["disk"] >= MIB
        if vmid == VM and talk.facts.generation >= 9:
            assert MIB <= row["memhost"] <= 16 * row["maxmem"]


def _has_use(guest: Guest) -> bool:
    return guest.state is not State.RUNNING or bool(guest.memory and guest.uptime)


async def _managed(talk: Talk) -> None:
    talk.host.play("ha")
    assert (await talk.bot.status(talk.guest(VM))).ha_managed
    status = await talk.bot.ha_status()
    assert status.nodes == {"pve1": "active", "pve2": "idle"}
    cluster = await talk.bot.cluster()
    assert [guest.vmid for guest in cluster.guests if guest.ha_managed] == [VM]


async def _config(talk: Talk) -> None:
    for vmid in GUESTS:
        guest = talk.guest(vmid)
        config = await talk.bot.config(guest)
        _check_config(guest.kind, config)
        effective, pending = await talk.bot.config_with_pending(guest)
        assert pending == ()
        assert effective == config
        rows = await talk.bot.pending(guest)
        assert {row.key for row in rows} >= {"cores", "memory", "tags"}


def _check_config(kind: Kind, config: GuestConfig) -> None:
    assert config.cores == target.CORES
    assert config.sockets == (target.SOCKETS if kind is Kind.QEMU else 1)
    assert config.memory_mb == target.MEMORY
    assert (config.description or "").strip() == target.NOTES
    assert sorted(config.tags) == sorted(target.TAGS)
    assert config.agent is (kind is Kind.QEMU)
    assert not config.protection
    assert config.balloon_mb is None
    assert config.parent is None
    (disk,) = config.disks
    assert disk.key == ("scsi0" if kind is Kind.QEMU else "rootfs")
    assert disk.volume.startswith(f"{target.STORAGE}:")
    assert disk.size == f"{target.DISK_GIB}G"
    assert config.digest is not None


async def _addresses(talk: Talk) -> None:
    talk.host.set_running(CT, True)
    found = await talk.bot.addresses(talk.guest(CT))
    assert found == (target.ADDRESS,)
    (row,) = (row for row in talk.data() if row["name"] == "eth0")
    assert row["inet"] == f"{target.ADDRESS}/24"
    assert target.ADDRESS in {address["ip-address"] for address in row["ip-addresses"]}


async def _agent(talk: Talk) -> None:
    talk.host.set_running(VM, True)
    talk.host.play("agent")
    vm = talk.guest(VM)
    assert await talk.bot.addresses(vm) == ("192.0.2.10",)
    (system,) = await talk.bot.file_systems(vm)
    assert (system.mountpoint, system.type) == ("/", "ext4")
    assert (system.used, system.total) == (2 * GIB, 10 * GIB)


GUEST_SAMPLE = ["cpu", "mem", "maxmem", "disk", "maxdisk", "netin", "netout", "diskread", "diskwrite"]
NODE_SAMPLE = ["cpu", "iowait", "memused", "memtotal", "rootused", "roottotal", "netin", "netout"]
PRESSURES = [
    "pressurecpusome",
    "pressureiosome",
    "pressureiofull",
    "pressurememorysome",
    "pressurememoryfull",
]
"""Figures that guests and nodes have from Proxmox VE 9 on. Guests also have `pressurecpufull`."""


def _samples(talk: Talk, names: Iterable[str]) -> list[dict[str, float]]:
    """Return the rows of the last answer that have all of these figures."""
    return [row for row in talk.data() if all(name in row for name in names)]


def _sampled(talk: Talk, names: Iterable[str], _read: object) -> bool:
    return bool(_samples(talk, names))


async def _history(talk: Talk) -> None:
    """Check an hour of VM, CT and the node. The first figures of a new guest come after one or two minutes."""
    new = talk.facts.generation >= 9
    for vmid in (VM, CT):
        talk.host.set_running(vmid, True)
        guest = talk.guest(vmid)
        own = ["memhost"] if new and vmid == VM else []
        names = [*GUEST_SAMPLE, *own, *((*PRESSURES, "pressurecpufull") if new else ())]
        await talk.until(partial(talk.bot.guest_history, guest, Period.HOUR), partial(_sampled, talk, names))
        last = _samples(talk, names)[-1]
        assert last["mem"] >= MIB
        assert vmid == VM or last["disk"] >= MIB
        assert MIB <= last.get("memhost", MIB) <= 16 * last["maxmem"]
    node = talk.facts.node
    names = [*NODE_SAMPLE, *(PRESSURES if new else ())]
    await talk.until(lambda: talk.bot.node_history(node, Period.HOUR), lambda _: _samples(talk, names))


async def _storage_history(talk: Talk) -> None:
    storage = Storage(target.BACKUPS, talk.facts.node, shared=False, available=True)
    uses = await talk.until(lambda: talk.bot.storage_history(storage), len)
    assert uses[-1].used >= GIB


async def _node(talk: Talk) -> None:
    status = await talk.bot.node_status(talk.facts.node)
    assert len(status.load) == 3
    assert None not in (status.cpu, status.cpus, status.memory, status.root, status.uptime, status.kernel)
    assert version_numbers(status.version or "")[0] == talk.facts.generation


async def _quorum(talk: Talk) -> None:
    assert (await talk.bot.ha_status()).quorate is True


async def _tasks(talk: Talk) -> None:
    """Check that a failed backup is in the lists of the node and the cluster, with its end and its user."""
    talk.host.fail_backup()
    since = int(time.time()) - HOUR
    node = talk.facts.node
    failed = await talk.until(lambda: talk.bot.failed_backups(node, since), len)
    assert {task.type for task in failed} == {"vzdump"}
    assert all(task.status and task.status != "OK" and task.ended for task in failed)
    upid = failed[0].upid
    assert failed[0].status == "job errors"
    assert upid in {task.upid for task in await talk.bot.node_tasks(node, since)}
    listed = await talk.until(talk.bot.cluster_tasks, lambda tasks: any(task.upid == upid for task in tasks))
    assert all(task.node in {node, "pve2"} for task in listed)
    (same,) = (task for task in listed if task.upid == upid)
    assert (same.user, same.status, same.type, same.id) == ("root@pam", "job errors", "vzdump", str(VM))
    assert same.ended is not None
    assert all(task.ended is None or task.ended >= task.started for task in listed)


async def _next_id(talk: Talk) -> None:
    assert await talk.bot.next_id() not in GUESTS


async def _backups(talk: Talk) -> None:
    for vmid in (VM, CT):
        talk.host.keep_backup(vmid)
        backups = await talk.bot.backups(talk.guest(vmid))
        assert backups.unread == ()
        assert {backup.storage for backup in backups.found} == {target.BACKUPS}
        assert all(backup.size and f"-{vmid}-" in backup.volume for backup in backups.found)
        if vmid == CT:  # the backup of an empty disk may be very small
            assert all((backup.size or 0) >= MIB // 2 for backup in backups.found)


READING = (
    Case("the version", _version),
    Case("the token's rights", _rights),
    Case("the options of the datacenter", _options),
    Case("the account and its token", _account),
    Case("the list of everything", _cluster),
    Case("the state of guests", _status),
    Case("guests that HA manages", _managed, needs_play=True),
    Case("the configuration of guests", _config),
    Case("the addresses of a container", _addresses),
    Case("the guest agent's answers", _agent, needs_play=True),
    Case("the history of guests and nodes", _history),
    Case("the history of a storage", _storage_history),
    Case("the state of a node", _node),
    Case("the state of HA", _quorum),
    Case("lists of tasks", _tasks),
    Case("the next free VMID", _next_id),
    Case("backups", _backups),
)
