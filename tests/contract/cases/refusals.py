"""How Proxmox refuses: for each privilege its words, and the texts by which the bot tells errors apart."""

import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from core.errors import BotError, ChangedMeanwhile
from core.guest import Backups, Guest, Kind, State, Storage
from core.guest_errors import GuestLocked, GuestProtected, VmidTaken
from core.operations import OPERATIONS, Operation
from core.proxmox import Period
from core.proxmox_errors import (
    GuestMoved,
    LockTimeout,
    MissingPrivilege,
    NodeUnreachable,
    NoQuorum,
    Rejected,
    StorageFull,
    TargetNotShared,
    TaskUnknown,
    TokenRefused,
)
from tests.contract import target
from tests.contract.talk import Case, Talk
from tests.contract.target import CT, CT_TEMPLATE, VM, VM_TEMPLATE

Call = Callable[[], Awaitable[object]]
ABSENT = 9199
"""A VMID that nothing has."""
WRONG = "00000000-0000-0000-0000-000000000000"


AGENT = ("VM.GuestAgent.Audit",)
"""Proxmox VE 8 names it VM.Monitor."""


@dataclass(frozen=True)
class Denied:
    """A call without some privileges. `path`, `named`: those in Proxmox' answer; "" where it names none."""

    without: tuple[str, ...]
    call: Call
    path: str
    named: str


def _denied(talk: Talk) -> Iterator[Denied]:
    """List the calls that one missing privilege refuses. Any of several privileges do for some of them."""
    bot, node = talk.bot, talk.facts.node
    for vmid in (VM, CT):
        guest, path = talk.guest(vmid), f"/vms/{vmid}"
        for read in (bot.status, bot.config, bot.pending, bot.snapshots, bot.can_snapshot):
            yield Denied(("VM.Audit",), partial(read, guest), path, "VM.Audit")
        yield Denied(("VM.Audit",), partial(bot.guest_history, guest, Period.HOUR), path, "VM.Audit")
        yield Denied(
            ("VM.Audit", "VM.Snapshot"),
            partial(bot.snapshot_config, guest, "before"),
            path,
            "VM.Snapshot|VM.Snapshot.Rollback|VM.Audit",
        )
        for operation, row in OPERATIONS.items():
            if row.power and guest.kind in row.tasks:
                yield Denied(("VM.PowerMgmt",), partial(bot.power, guest, operation), path, "VM.PowerMgmt")
        yield Denied(
            ("VM.Snapshot",),
            partial(bot.snapshot_create, guest, "before", "", False),
            path,
            "VM.Snapshot",
        )
        yield Denied(
            ("VM.Snapshot",),
            partial(bot.snapshot_rollback, guest, "before"),
            path,
            "VM.Snapshot|VM.Snapshot.Rollback",
        )
        yield Denied(("VM.Snapshot",), partial(bot.snapshot_delete, guest, "before"), path, "VM.Snapshot")
        yield Denied(("VM.Allocate",), partial(bot.delete, guest), path, "VM.Allocate")
        for privilege, cores, memory in (("VM.Config.CPU", 2, None), ("VM.Config.Memory", None, 192)):
            yield Denied((privilege,), partial(bot.resize, guest, cores, memory, None), path, privilege)
    yield Denied(("VM.Audit",), partial(bot.addresses, talk.guest(CT)), f"/vms/{CT}", "VM.Audit")
    agent = talk.facts.agent_privilege
    named = agent if talk.facts.generation < 9 else f"{agent}|VM.GuestAgent.Unrestricted"
    for read_agent in (bot.addresses, bot.file_systems):
        yield Denied(AGENT, partial(read_agent, talk.guest(VM)), f"/vms/{VM}", named)
    for vmid in (VM_TEMPLATE, CT_TEMPLATE):
        template = talk.guest(vmid)

        clone = partial(bot.clone, template, ABSENT, "contract-copy", target=None, full=False)

        yield Denied(("VM.Clone",), clone, f"/vms/{vmid}", "VM.Clone")
        yield Denied(("VM.Allocate",), clone, "", "")  # on the VMID or on a pool: Proxmox names neither
        yield Denied(
            ("Datastore.AllocateSpace",), clone, f"/storage/{target.STORAGE}", "Datastore.AllocateSpace"
        )
        yield Denied(("SDN.Use",), clone, f"/sdn/zones/localnetwork/{target.BRIDGE}", "SDN.Use")
    yield Denied(("Sys.Audit",), partial(bot.node_status, node), f"/nodes/{node}", "Sys.Audit")
    yield Denied(("Sys.Audit",), partial(bot.node_history, node, Period.HOUR), f"/nodes/{node}", "Sys.Audit")
    yield Denied(("Sys.Audit",), partial(bot.ha_status), "/", "Sys.Audit")
    yield Denied(
        ("Datastore.Audit", "Datastore.AllocateSpace"),
        partial(bot.storage_history, Storage(target.BACKUPS, node, False, True)),
        f"/storage/{target.BACKUPS}",
        "Datastore.Audit|Datastore.AllocateSpace",
    )


GROUPS = (
    ("VM.Audit",),
    ("VM.Audit", "VM.Snapshot"),
    ("VM.PowerMgmt",),
    ("VM.Snapshot",),
    ("VM.Clone",),
    ("VM.Allocate",),
    ("VM.Config.CPU",),
    ("VM.Config.Memory",),
    AGENT,
    ("Datastore.AllocateSpace",),
    ("SDN.Use",),
    ("Sys.Audit",),
    ("Datastore.Audit", "Datastore.AllocateSpace"),
)


def _without(group: tuple[str, ...]) -> Case:
    """Each call names the privilege that it lacks, and the path: the bot tells both."""

    async def run(talk: Talk) -> None:
        all_denied = list(_denied(talk))
        assert {denied.without for denied in all_denied} == set(GROUPS)
        talk.host.deny((talk.facts.agent_privilege,) if group == AGENT else group)
        try:
            for denied in all_denied:
                if denied.without == group:
                    await _refuses(talk, denied)
        finally:
            talk.host.allow()

    return Case(f"without {', '.join(group)}", run)


async def _refuses(talk: Talk, denied: Denied) -> None:
    error, words = await talk.refused(denied.call(), 403)
    assert isinstance(error, MissingPrivilege), (denied, error, words)
    assert (error.path, error.privilege) == (denied.path, denied.named), (denied, words)
    named = f" ({denied.path}, {denied.named})" if denied.path else ""
    assert words == f"Permission check failed{named}"


async def _filtered(talk: Talk) -> None:
    """Lists without their privilege are shorter, not refused."""
    bot, vm = talk.bot, talk.guest(VM)
    talk.host.set_running(VM, True)
    talk.host.keep_backup(VM)
    for without in ("VM.Audit", "Datastore.Audit", "Pool.Audit", "Sys.Audit", "VM.Backup"):
        talk.host.deny((without, *(("Datastore.AllocateSpace",) if without == "Datastore.Audit" else ())))
        try:
            cluster = await bot.cluster()
            found = cluster.find(VM)
            assert (found is None) is (without == "VM.Audit")
            assert (cluster.storages == ()) is (without == "Datastore.Audit")
            assert (target.POOL not in cluster.pools) is (without == "Pool.Audit")
            assert found is None or (found.pool is None) is (without == "Pool.Audit")
            assert all((node.memory is None) is (without == "Sys.Audit") for node in cluster.nodes)
            if without == "Sys.Audit":
                assert "root@pam" not in {task.user for task in await bot.cluster_tasks()}
                assert "root@pam" not in {task.user for task in await bot.node_tasks(talk.facts.node, 1)}
            if without in ("VM.Backup", "Datastore.Audit"):
                assert await bot.backups(vm) == Backups()
        finally:
            talk.host.allow()


async def _token(talk: Talk) -> None:
    """A wrong token is refused without a reason."""
    error, _ = await talk.refused(talk.as_other(WRONG).cluster(), 401)
    assert isinstance(error, TokenRefused)


def _texts(talk: Talk) -> Iterator[tuple[str, Call, type[BotError], str]]:
    """List refusals at once: what is the matter, the call, the bot's error, and Proxmox' words."""
    bot, node = talk.bot, talk.facts.node
    for vmid, word, folder in ((VM, "VM", "qemu-server"), (CT, "CT", "lxc")):
        guest = talk.guest(vmid)
        gone = replace(guest, vmid=ABSENT)
        yield (
            "absent",
            partial(bot.status, gone),
            GuestMoved,
            rf"Configuration file 'nodes/{node}/{folder}/{ABSENT}\.conf' does not exist",
        )
        yield (
            "taken",
            partial(
                bot.clone,
                talk.guest(VM_TEMPLATE if vmid == VM else CT_TEMPLATE),
                vmid,
                "x1",
                target=None,
                full=False,
            ),
            VmidTaken,
            rf"unable to create {word} {vmid}(?:: config file already exists|.* already exists on node '{node}')"
            rf"|{word} {vmid} already exists on node '{node}'",
        )
        yield (
            "changed meanwhile",
            partial(bot.resize, guest, 2, None, "0" * 40),
            ChangedMeanwhile,
            r"checksum miss?match \(file change by other user\?\)|detected modified configuration - .+",
        )
        yield (
            "running",
            partial(bot.delete, guest),
            Rejected,
            rf"VM {vmid} is running - destroy failed|CT {vmid} is running\b.*|unable to destroy CT {vmid} - .+",
        )
    yield (
        "running already",
        partial(bot.power, talk.guest(CT), Operation.START),
        Rejected,
        f"CT {CT} already running",
    )
    yield (
        "no agent",
        partial(bot.addresses, talk.guest(VM)),
        Rejected,
        "QEMU guest agent is not running",
    )


async def _at_once(talk: Talk) -> None:
    for vmid in (VM, CT):
        talk.host.set_running(vmid, True)
    for what, call, kind, pattern in _texts(talk):
        error, words = await talk.refused(call())
        assert type(error) is kind, (what, error, words)
        assert re.fullmatch(pattern, words), (what, words)


async def _unknown_task(talk: Talk) -> None:
    """A task whose log is gone is an error of the parameter."""
    upid = f"UPID:{talk.facts.node}:000F4240:00C3D4E5:6716F2A0:qmstart:{VM}:{talk.facts.endpoint.user}:"
    error, words = await talk.refused(talk.bot.task_status(upid), 400)
    assert isinstance(error, TaskUnknown)
    assert re.fullmatch(r"Parameter verification failed\. upid: no such task", words), words


async def _locked(talk: Talk) -> None:
    """A locked guest says by what, at once or at the end of the task."""
    for vmid, word in ((VM, "VM"), (CT, "CT")):
        guest = talk.guest(vmid)
        talk.host.set_running(vmid, True)
        talk.host.set_lock(vmid, True)
        try:
            assert (await talk.bot.status(guest)).lock == "backup"
            for call in (
                talk.bot.snapshot_create(guest, "before", "", False),
                talk.bot.power(guest, Operation.STOP),
                talk.bot.resize(guest, 2, None, None),
            ):
                error, words = await talk.refused(call)
                assert error is None or isinstance(error, GuestLocked)
                assert words == f"{word} is locked (backup)"
        finally:
            talk.host.set_lock(vmid, False)


async def _protected(talk: Talk) -> None:
    for vmid, word in ((VM, "VM"), (CT, "CT")):
        guest = talk.guest(vmid)
        talk.host.set_running(vmid, False)
        talk.host.set_protection(vmid, True)
        try:
            assert (await talk.bot.config(guest)).protection
            error, words = await talk.refused(talk.bot.delete(guest))
            assert isinstance(error, GuestProtected)
            assert words == f"can't remove {word} {vmid} - protection mode enabled"
        finally:
            talk.host.set_protection(vmid, False)
            talk.host.set_running(vmid, True)


async def _held(talk: Talk) -> None:
    """The configuration file stays locked for ten seconds."""
    vm = talk.guest(VM)
    talk.host.hold_config(VM, True)
    try:
        error, words = await talk.refused(talk.bot.power(vm, Operation.STOP))
        assert error is None or isinstance(error, LockTimeout)
        assert re.fullmatch(
            rf"can't lock file '/var/lock/qemu-server/lock-{VM}\.conf' - got timeout", words
        ), words
    finally:
        talk.host.hold_config(VM, False)


async def _already(talk: Talk) -> None:
    """Starting a running VM fails at the end of its task, stopping a stopped one does not."""
    talk.host.set_running(VM, True)
    error, words = await talk.refused(talk.bot.power(talk.guest(VM), Operation.START))
    assert (error, words) == (None, f"VM {VM} already running")
    for vmid in (VM, CT):
        talk.host.set_running(vmid, False)
    await talk.done(talk.bot.power(talk.guest(VM), Operation.STOP))
    for operation in (Operation.STOP, Operation.SHUTDOWN, Operation.REBOOT):
        error, words = await talk.refused(talk.bot.power(talk.guest(CT), operation))
        assert type(error) is Rejected
        assert re.fullmatch(rf"(?:CT|VM) {CT} not running", words), words
    for operation in (Operation.REBOOT, Operation.SUSPEND, Operation.RESET, Operation.RESUME):
        error, words = await talk.refused(talk.bot.power(talk.guest(VM), operation))
        assert re.fullmatch(rf"VM {VM} (?:is )?not running", words), words
    for vmid in (VM, CT):
        talk.host.set_running(vmid, True)


async def _unknown_snapshot(talk: Talk) -> None:
    """A snapshot that does not exist fails at the end of the task."""
    for vmid in (VM, CT):
        for call in (talk.bot.snapshot_rollback, talk.bot.snapshot_delete):
            error, words = await talk.refused(call(talk.guest(vmid), "absent"))
            assert error is None
            assert words == "snapshot 'absent' does not exist"


async def _no_quorum(talk: Talk) -> None:
    talk.host.play("no quorum")
    assert (await talk.bot.ha_status()).quorate is False
    for vmid in (VM, CT):
        error, words = await talk.refused(talk.bot.power(talk.guest(vmid), Operation.STOP))
        assert isinstance(error, NoQuorum)
        assert words == "cluster not ready - no quorum?"


async def _elsewhere(talk: Talk) -> None:
    """A clone to another node needs shared storage, and a lost node answers nothing."""
    template = talk.guest(VM_TEMPLATE)
    error, words = await talk.refused(
        talk.bot.clone(template, ABSENT, "contract-copy", target="pve2", full=False)
    )
    assert isinstance(error, TargetNotShared)
    assert words == "can't clone VM to node 'pve2' (VM uses local storage)"
    talk.host.play("lost node")
    far = Guest(ABSENT, Kind.QEMU, "pve2", State.UNKNOWN)
    error, _ = await talk.refused(talk.bot.status(far), 595)
    assert isinstance(error, NodeUnreachable)


async def _full(talk: Talk) -> None:
    """A full storage fails at the end of the task."""
    talk.host.play("full")
    error, words = await talk.refused(
        talk.bot.clone(talk.guest(VM_TEMPLATE), ABSENT, "contract-copy", target=None, full=True)
    )
    assert error is None or isinstance(error, StorageFull)
    assert re.search(r"free space in thin pool \S+ reached threshold|No space left on device", words), words


REFUSALS = (
    *map(_without, GROUPS),
    Case("lists without a privilege", _filtered),
    Case("a wrong token", _token),
    Case("refusals at once", _at_once),
    Case("a task that is not known", _unknown_task),
    Case("locked guests", _locked),
    Case("protected guests", _protected),
    Case("a configuration file in use", _held),
    Case("a guest that is in that state already", _already),
    Case("a snapshot that does not exist", _unknown_snapshot),
    Case("a cluster without quorum", _no_quorum, needs_play=True),
    Case("another node", _elsewhere, needs_play=True),
    Case("a full storage", _full, needs_play=True),
)
