"""Check Proxmox' refusals: lists without a privilege, and the texts by which the bot tells errors apart."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from core.errors import BotError, ChangedMeanwhile
from core.guest import Backups, Guest, Kind, State
from core.guest_errors import GuestLocked, GuestProtected, VmidTaken
from core.operations import Operation
from core.proxmox_errors import (
    GuestMoved,
    LockTimeout,
    NodeUnreachable,
    NoQuorum,
    Rejected,
    StorageFull,
    TargetNotShared,
    TaskUnknown,
    TokenRefused,
)
from tests.contract.cases.privileges import ABSENT, GROUPS, Call, case_without
from tests.support.contract import target
from tests.support.contract.talk import Case, Talk
from tests.support.contract.target import CT, CT_TEMPLATE, VM, VM_TEMPLATE

WRONG = "00000000-0000-0000-0000-000000000000"


async def _filtered(talk: Talk) -> None:
    """Check that lists without their privilege show less, and are not refused."""
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
    """Check that a wrong token is refused with 401."""
    error, _ = await talk.refused(talk.as_other(WRONG).cluster(), 401)
    assert isinstance(error, TokenRefused)


def _texts(talk: Talk) -> Iterator[tuple[str, Call, type[BotError], str]]:
    """List the calls that are refused at once: a name, the call, the bot's error, and a pattern of Proxmox' words."""
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
    """Check that a question about a task whose log is gone is refused as a wrong parameter."""
    upid = f"UPID:{talk.facts.node}:000F4240:00C3D4E5:6716F2A0:qmstart:{VM}:{talk.facts.endpoint.user}:"
    error, words = await talk.refused(talk.bot.task_status(upid), 400)
    assert isinstance(error, TaskUnknown)
    assert re.fullmatch(r"Parameter verification failed\. upid: no such task", words), words


async def _locked(talk: Talk) -> None:
    """Check that the refusal for a locked guest names the lock, at once or at the end of the task."""
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
    """Check the refusal while another process holds the lock of the configuration file."""
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


async def _unfit(talk: Talk) -> None:
    """Check power actions that do not fit the state of the guest.

    Starting a running VM fails at the end of its task. On stopped guests only stopping a VM succeeds.
    """
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
    """Check that an action on a snapshot that does not exist fails at the end of its task."""
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
    """Check that a clone to another node needs shared storage, and that a lost node is unreachable."""
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
    """Check that a full storage refuses a clone, at once or at the end of the task."""
    talk.host.play("full")
    error, words = await talk.refused(
        talk.bot.clone(talk.guest(VM_TEMPLATE), ABSENT, "contract-copy", target=None, full=True)
    )
    assert error is None or isinstance(error, StorageFull)
    assert re.search(r"free space in thin pool \S+ reached threshold|No space left on device", words), words


REFUSALS = (
    *map(case_without, GROUPS),
    Case("lists without a privilege", _filtered),
    Case("a wrong token", _token),
    Case("refusals at once", _at_once),
    Case("a task that is not known", _unknown_task),
    Case("locked guests", _locked),
    Case("protected guests", _protected),
    Case("a configuration file in use", _held),
    Case("power actions that do not fit the state", _unfit),
    Case("a snapshot that does not exist", _unknown_snapshot),
    Case("a cluster without quorum", _no_quorum, needs_play=True),
    Case("another node", _elsewhere, needs_play=True),
    Case("a full storage", _full, needs_play=True),
)
