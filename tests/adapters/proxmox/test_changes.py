"""Test the client's changes on a well-behaved Proxmox: the requests, their effects and the refusals."""

from typing import Any

import pytest

from core.errors import BotError, ChangedMeanwhile
from core.guest import Guest, Kind, State
from core.guest_errors import GuestLocked, GuestProtected, VmidTaken
from core.operations import OPERATIONS, Operation
from core.proxmox_errors import GuestMoved, LockTimeout, MissingPrivilege, NoQuorum, Rejected, TargetNotShared
from playground.pve.server import Pve
from proxmox_client import ProxmoxClient
from tests.support import client_stage
from tests.support.catalogue import ACTION
from tests.support.client_stage import (
    BOTH,
    CT,
    CT_STOPPED,
    TEMPLATES,
    VM,
    VM_STOPPED,
    VM_TEMPLATE,
    changes_of,
    refusal,
    sent,
)

pve, client = client_stage.pve, client_stage.client


async def ended(client: ProxmoxClient, upid: str | None) -> str | None:
    assert upid is not None
    return (await client.task_status(upid)).exit


def task_type(upid: str | None) -> str:
    return (upid or "").split(":")[5]


def prefix(guest: Guest) -> str:
    return "qm" if guest.kind is Kind.QEMU else "vz"


def root(guest: Guest) -> str:
    return f"/nodes/{guest.node}/{guest.kind}/{guest.vmid}"


# -- power


@pytest.mark.parametrize(
    ("guest", "operation"),
    [
        (guest, operation)
        for operation, does in ACTION.items()
        for guest in (VM, CT)
        if does.power and guest.kind in does.tasks
    ],
)
async def test_power(pve: Pve, client: ProxmoxClient, guest: Guest, operation: Operation) -> None:
    does = ACTION[operation]
    if does.begins is State.STOPPED:
        pve.crash(guest.vmid)
    elif does.begins is State.PAUSED:
        pve.pause_vm(guest.vmid)
    upid = await client.power(guest, operation)
    assert pve.requests == [("POST", f"{root(guest)}/{does.request}", {})]
    assert task_type(upid) in does.tasks[guest.kind]
    assert await ended(client, upid) == "OK"
    assert (await client.status(guest)).state is does.becomes


async def test_operations_other_than_power_have_no_status_command(client: ProxmoxClient) -> None:
    for operation in Operation:
        if OPERATIONS[operation].power:
            continue
        with pytest.raises(ValueError, match="has no status command"):
            await client.power(VM, operation)


async def test_ha_takes_the_order_and_acts_later(pve: Pve, client: ProxmoxClient) -> None:
    pve.vm(100).ha_state, pve.ha_held = "started", True
    upid = await client.power(VM, Operation.STOP)
    assert (task_type(upid), await ended(client, upid)) == ("hastop", "OK")
    assert (await client.status(VM)).state is State.RUNNING
    pve.ha_round()
    assert (await client.status(VM)).state is State.STOPPED


async def test_the_same_mistake_is_a_task_error_or_a_refusal(client: ProxmoxClient) -> None:
    assert await ended(client, await client.power(VM, Operation.START)) == "VM 100 already running"
    assert isinstance(await refusal(client.power(CT, Operation.START)), Rejected)


async def test_a_task_ends_with_warnings_or_an_error(pve: Pve, client: ProxmoxClient) -> None:
    pve.next_task("qmstop", ends="WARNINGS: 1")
    assert await ended(client, await client.power(VM, Operation.STOP)) == "WARNINGS: 1"
    pve.next_task("vzstop", ends="unable to stop")
    assert await ended(client, await client.power(CT, Operation.STOP)) == "unable to stop"


# -- clone


@TEMPLATES
@pytest.mark.parametrize("full", [True, False])
async def test_clone(pve: Pve, client: ProxmoxClient, template: Guest, full: bool) -> None:
    upid = await client.clone(template, 120, "new.example.jp", target=None, full=full)
    name = "name" if template.kind is Kind.QEMU else "hostname"
    wanted = {"newid": "120", name: "new.example.jp"} | ({"full": "1"} if full else {})
    assert pve.requests == [("POST", f"{root(template)}/clone", wanted)]
    assert (task_type(upid), await ended(client, upid)) == (prefix(template) + "clone", "OK")
    new = (await client.cluster()).find(120)
    assert new is not None
    assert (new.name, new.kind, new.state) == ("new.example.jp", template.kind, State.STOPPED)
    assert (120 in pve.linked) is not full


@TEMPLATES
async def test_somebody_took_the_vmid(pve: Pve, client: ProxmoxClient, template: Guest) -> None:
    pve.take_vmid_on_next_clone()
    error = await refusal(client.clone(template, 120, "new", target=None, full=False))
    assert str(error) == str(VmidTaken(120))
    assert isinstance(error, VmidTaken)


async def test_local_storage_does_not_go_to_another_node(pve: Pve, client: ProxmoxClient) -> None:
    error = await refusal(client.clone(VM_TEMPLATE, 120, "new", target="pve2", full=True))
    assert str(error) == str(TargetNotShared("can't clone VM to node 'pve2' (VM uses local storage)"))
    assert sent(pve)[0][2]["target"] == "pve2"
    assert isinstance(await refusal(client.clone(VM_TEMPLATE, 99, "new", target=None, full=True)), BotError)
    assert len(sent(pve)) == 1


@TEMPLATES
async def test_a_full_storage_is_a_task_error(pve: Pve, client: ProxmoxClient, template: Guest) -> None:
    pve.full_storage("local-lvm")
    words = await ended(client, await client.clone(template, 120, "new", target=None, full=True))
    assert "free space" in str(words) or "No space left" in str(words)
    assert pve.guest(120) is None


# -- resize


async def test_resize_of_a_vm_is_a_task(pve: Pve, client: ProxmoxClient) -> None:
    digest = (await client.config(VM_STOPPED)).digest
    upid = await client.resize(VM_STOPPED, 4, 4096, digest)
    wanted = {"cores": "4", "memory": "4096", "digest": digest}
    assert sent(pve) == [("POST", f"{root(VM_STOPPED)}/config", wanted)]
    assert (task_type(upid), await ended(client, upid)) == ("qmconfig", "OK")
    await client.power(VM_STOPPED, Operation.START)
    config = await client.config(VM_STOPPED)
    assert (config.cores, config.memory_mb) == (4, 4096)


async def test_resize_of_a_container_takes_effect_at_once(pve: Pve, client: ProxmoxClient) -> None:
    digest = (await client.config(CT)).digest
    assert await client.resize(CT, None, 1024, digest) is None
    assert sent(pve, "PUT") == [("PUT", f"{root(CT)}/config", {"memory": "1024", "digest": digest})]
    assert await client.resize(CT, 3, None, None) is None
    assert sent(pve, "PUT")[1:] == [("PUT", f"{root(CT)}/config", {"cores": "3"})]
    config = await client.config(CT)
    assert (config.cores, config.memory_mb) == (3, 1024)


@pytest.mark.parametrize(
    "words",
    [
        "checksum mismatch (file change by other user?)",
        "checksum missmatch (file change by other user?)",
        "detected modified configuration - file changed by other user? Try again.",
    ],
)
@BOTH
async def test_a_configuration_changed_by_somebody_else(
    pve: Pve, client: ProxmoxClient, guest: Guest, words: str
) -> None:
    pve.fail("PUT" if guest.kind is Kind.LXC else "POST", "/config", 500, words)
    error = await refusal(client.resize(guest, 4, None, "0" * 40))
    assert isinstance(error, ChangedMeanwhile), error
    assert error.vmid == guest.vmid


async def test_an_old_digest_changes_nothing(pve: Pve, client: ProxmoxClient) -> None:
    before = pve.copy_guest_state(200)
    assert isinstance(await refusal(client.resize(CT, 4, None, "0" * 40)), ChangedMeanwhile)
    assert pve.copy_guest_state(200) == before


async def test_parameters_that_proxmox_refuses_are_reported_in_its_words(client: ProxmoxClient) -> None:
    error = await refusal(client.resize(CT, 9999, None, None))
    assert isinstance(error, Rejected)
    assert error.status == 400
    assert "cores: " in error.message


# -- snapshots


@BOTH
async def test_snapshots_are_made_rolled_back_and_deleted(
    pve: Pve, client: ProxmoxClient, guest: Guest
) -> None:
    description = "vor dem Umbau\n更新前 & 50 % + <b>"
    upid = await client.snapshot_create(guest, "before", description, False)
    wanted = {"snapname": "before", "description": description}
    assert pve.requests == [("POST", f"{root(guest)}/snapshot", wanted)]
    assert (task_type(upid), await ended(client, upid)) == (f"{prefix(guest)}snapshot", "OK")
    (made,) = await client.snapshots(guest)
    assert (made.description, made.memory) == (description, False)
    upid = await client.snapshot_rollback(guest, "before")
    assert sent(pve)[1:] == [("POST", f"{root(guest)}/snapshot/before/rollback", {})]
    assert (task_type(upid), await ended(client, upid)) == (f"{prefix(guest)}rollback", "OK")
    assert (await client.status(guest)).state is State.STOPPED
    upid = await client.snapshot_delete(guest, "before")
    assert sent(pve, "DELETE") == [("DELETE", f"{root(guest)}/snapshot/before", {})]
    assert (task_type(upid), await ended(client, upid)) == (f"{prefix(guest)}delsnapshot", "OK")
    assert await client.snapshots(guest) == ()


async def test_a_snapshot_with_memory(pve: Pve, client: ProxmoxClient) -> None:
    await client.snapshot_create(VM, "ram", "", True)
    assert sent(pve)[0][2] == {"snapname": "ram", "vmstate": "1"}
    (made,) = await client.snapshots(VM)
    assert (made.memory, made.description) == (True, "")


async def test_a_missing_snapshot_is_a_task_error(client: ProxmoxClient) -> None:
    words = await ended(client, await client.snapshot_rollback(VM, "never"))
    assert words == "snapshot 'never' does not exist"


# -- delete


@pytest.mark.parametrize("guest", [VM_STOPPED, CT_STOPPED], ids=["qemu", "lxc"])
async def test_delete_also_removes_the_entries_elsewhere(
    pve: Pve, client: ProxmoxClient, guest: Guest
) -> None:
    upid = await client.delete(guest)
    assert pve.requests == [("DELETE", root(guest), {"purge": "1", "destroy-unreferenced-disks": "0"})]
    assert (task_type(upid), await ended(client, upid)) == (f"{prefix(guest)}destroy", "OK")
    assert (await client.cluster()).find(guest.vmid) is None


@pytest.mark.parametrize("guest", [VM_STOPPED, CT_STOPPED], ids=["qemu", "lxc"])
async def test_a_protected_guest_is_not_deleted(pve: Pve, client: ProxmoxClient, guest: Guest) -> None:
    pve.guest(guest.vmid).config["protection"] = 1
    error = await refusal(client.delete(guest))
    assert str(error) == str(GuestProtected(guest.vmid, guest.label))
    assert pve.guest(guest.vmid) is not None


async def test_a_running_guest_is_not_deleted(client: ProxmoxClient) -> None:
    assert str(await refusal(client.delete(VM))) == str(Rejected(500, "VM 100 is running - destroy failed"))


# -- refusals that any change may meet


@pytest.mark.parametrize(
    ("guest", "name"),
    [
        pytest.param(guest, name, id=f"{name}-{guest.kind}")
        for guest in (VM, CT)
        for name in changes_of(guest)
    ],
)
async def test_the_common_obstacles_of_every_change(
    pve: Pve, client: ProxmoxClient, guest: Guest, name: str
) -> None:
    before = pve.copy_guest_state(guest.vmid)
    change: Any = changes_of(guest)[name]
    pve.lose_quorum()
    assert isinstance(await refusal(change(client, guest)), NoQuorum)
    pve.regain_quorum()
    method = {"delete": "DELETE", "snapshot_delete": "DELETE"}.get(name, "POST")
    if name == "resize" and guest.kind is Kind.LXC:
        method = "PUT"
    path = {
        "clone": "/clone",
        "snapshot_create": "/snapshot",
        "snapshot_rollback": "/snapshot/before/rollback",
        "snapshot_delete": "/snapshot/before",
        "delete": root(guest),
    }.get(name) or f"/{ACTION[Operation(name)].request}"
    word, lockfile = ("VM", "qemu-server/lock-100.conf") if guest is VM else ("CT", "pve-config-200.lock")
    for words, expected in (
        (f"{word} is locked (backup)", GuestLocked(guest.vmid, guest.label, "backup")),
        (f"can't lock file '/var/lock/{lockfile}' - got timeout", LockTimeout(guest.vmid)),
        (
            f"Configuration file 'nodes/pve1/lxc/{guest.vmid}.conf' does not exist",
            GuestMoved(guest.vmid, "pve1"),
        ),
    ):
        pve.fail(method, path, 500, words, times=1)
        assert str(await refusal(change(client, guest))) == str(expected)
    pve.fail(method, path, 403, "Permission check failed (/vms/1, VM.Some|VM.Other)", times=1)
    assert str(await refusal(change(client, guest))) == str(MissingPrivilege("VM.Some|VM.Other", "/vms/1"))
    assert pve.copy_guest_state(guest.vmid) == before


@BOTH
async def test_a_guest_on_another_node(pve: Pve, client: ProxmoxClient, guest: Guest) -> None:
    """No power action is called: LXC's say that the container is not running, without a look elsewhere."""
    pve.move_guest(guest.vmid, "pve2")
    for call in (client.status(guest), client.config(guest), client.delete(guest)):
        assert str(await refusal(call)) == str(GuestMoved(guest.vmid, "pve1"))


@BOTH
async def test_a_missing_privilege_names_itself_and_its_path(
    pve: Pve, client: ProxmoxClient, guest: Guest
) -> None:
    pve.deny("VM.PowerMgmt")
    error = await refusal(client.power(guest, Operation.STOP))
    assert str(error) == str(MissingPrivilege("VM.PowerMgmt", f"/vms/{guest.vmid}"))
    pve.deny("VM.Audit", f"/vms/{guest.vmid}")
    error = await refusal(client.status(guest))
    assert str(error) == str(MissingPrivilege("VM.Audit", f"/vms/{guest.vmid}"))


@BOTH
async def test_a_locked_guest(pve: Pve, client: ProxmoxClient, guest: Guest) -> None:
    pve.snapshot_lock(guest.vmid, "backup")
    assert "is locked (backup)" in str(
        await ended(client, await client.snapshot_create(guest, "ab", "", False))
    )
