"""Check that later answers show every change of the bot: power, configuration, snapshots, clones, deletion."""

import re
from dataclasses import replace

from core.guest import Guest, State
from core.operations import Operation
from core.proxmox_errors import GuestMoved
from tests.support.contract import target
from tests.support.contract.forms import GIB
from tests.support.contract.talk import Case, Talk
from tests.support.contract.target import CT, CT_TEMPLATE, VM, VM_TEMPLATE

DEAF = re.compile(r"VM quit/powerdown failed(?: - got timeout)?")
"""Exit text of a shutdown that a VM without an operating system ignores."""

WHY = "Before the change – 変更前"


async def _becomes(talk: Talk, guest: Guest, state: State) -> Guest:
    return await talk.until(lambda: talk.bot.status(guest), lambda found: found.state is state)


async def _power(talk: Talk, vmid: int, *steps: tuple[Operation, State]) -> None:
    talk.host.set_running(vmid, True)
    guest = talk.guest(vmid)
    for operation, state in steps:
        await talk.done(talk.bot.power(guest, operation))
        await _becomes(talk, guest, state)


async def _vm_power(talk: Talk) -> None:
    await _power(
        talk,
        VM,
        (Operation.SUSPEND, State.PAUSED),
        (Operation.RESUME, State.RUNNING),
        (Operation.RESET, State.RUNNING),
        (Operation.STOP, State.STOPPED),
        (Operation.START, State.RUNNING),
    )


async def _ct_power(talk: Talk) -> None:
    await _power(
        talk,
        CT,
        (Operation.SHUTDOWN, State.STOPPED),
        (Operation.START, State.RUNNING),
        (Operation.REBOOT, State.RUNNING),
        (Operation.STOP, State.STOPPED),
        (Operation.START, State.RUNNING),
    )


async def _deaf(talk: Talk) -> None:
    """Check that a shutdown that the guest ignores ends as a failed task, and the guest runs on."""
    talk.host.set_running(VM, True)
    vm = talk.guest(VM)
    for operation in (Operation.SHUTDOWN, Operation.REBOOT):
        error, words = await talk.refused(talk.bot.power(vm, operation))
        assert error is None
        assert DEAF.fullmatch(words), words
        await _becomes(talk, vm, State.RUNNING)


async def _log(talk: Talk) -> None:
    """Check that a task's log ends with its result, and that the guest's tasks name its user and its end."""
    talk.host.set_running(CT, False)
    ct = talk.guest(CT)
    upid = await talk.bot.power(ct, Operation.START)
    assert await talk.end_of(upid) == "OK"
    log = await talk.bot.task_log(upid, 0, 500)
    assert log[-1] == "TASK OK"
    task = next(task for task in await talk.bot.recent_tasks(ct, 50) if task.upid == upid)
    assert (task.type, task.id, task.node) == ("vzstart", str(CT), talk.facts.node)
    assert task.user == f"{talk.facts.endpoint.user}!{talk.facts.endpoint.token_name}"
    assert task.status == "OK"
    assert task.ended is not None
    assert task.started <= task.ended


async def _ct_resize(talk: Talk) -> None:
    """Check that a container takes other cores and memory at once."""
    talk.host.set_running(CT, True)
    ct = talk.guest(CT)
    digest = (await talk.bot.config(ct)).digest
    await talk.done(talk.bot.resize(ct, 2, 192, digest))
    changed = await talk.bot.config(ct)
    assert (changed.cores, changed.memory_mb) == (2, 192)
    assert changed.digest != digest
    await talk.done(talk.bot.resize(ct, target.CORES, target.MEMORY, None))


async def _vm_resize(talk: Talk) -> None:
    """Check that a running VM keeps its cores until its next start, and the change is pending."""
    talk.host.set_running(VM, True)
    vm = talk.guest(VM)
    digest = (await talk.bot.config(vm)).digest
    await talk.done(talk.bot.resize(vm, 2, None, digest))
    config, waiting = await talk.bot.config_with_pending(vm)
    assert config.cores == target.CORES
    assert [(row.key, row.value, row.pending, row.delete) for row in waiting] == [("cores", "1", "2", False)]
    assert (await talk.bot.config(vm)).cores == target.CORES
    await talk.done(talk.bot.resize(vm, target.CORES, None, None))
    assert (await talk.bot.config_with_pending(vm))[1] == ()


async def _snapshots(talk: Talk, vmid: int, *, memory: bool) -> None:
    talk.host.set_running(vmid, True)
    guest = talk.guest(vmid)
    assert await talk.bot.can_snapshot(guest)
    assert await talk.bot.snapshots(guest) == ()
    config = await talk.bot.config(guest)
    await talk.done(talk.bot.snapshot_create(guest, "before", WHY, memory))
    await talk.done(talk.bot.snapshot_create(guest, "Later_2", "", False))
    found = {snapshot.name: snapshot for snapshot in await talk.bot.snapshots(guest)}
    assert set(found) == {"before", "Later_2"}
    first, second = found["before"], found["Later_2"]
    assert (first.description, first.memory, first.parent) == (WHY, memory, None)
    assert (second.description, second.memory, second.parent) == ("", False, "before")
    assert not first.incomplete
    assert not second.incomplete
    assert first.taken is not None
    assert second.taken is not None
    kept = await talk.bot.snapshot_config(guest, "before")
    assert (kept.description or "").strip() == WHY
    assert replace(kept, digest=None, description=None) == replace(config, digest=None, description=None)
    assert (await talk.bot.config(guest)).parent == "Later_2"
    await talk.done(talk.bot.snapshot_delete(guest, "Later_2"))
    await talk.done(talk.bot.snapshot_rollback(guest, "before"))
    assert (await talk.bot.config(guest)).parent == "before"
    await _becomes(talk, guest, State.RUNNING if memory else State.STOPPED)
    await talk.done(talk.bot.snapshot_delete(guest, "before"))
    assert await talk.bot.snapshots(guest) == ()


async def _vm_snapshots(talk: Talk) -> None:
    await _snapshots(talk, VM, memory=True)


async def _ct_snapshots(talk: Talk) -> None:
    await _snapshots(talk, CT, memory=False)


async def _no_snapshot(talk: Talk) -> None:
    """Check that no snapshot can be taken of a VM template."""
    assert not await talk.bot.can_snapshot(talk.guest(VM_TEMPLATE))


async def _clone(talk: Talk, vmid: int, *, full: bool) -> None:
    template = talk.guest(vmid)
    new = await talk.bot.next_id()
    await talk.done(talk.bot.clone(template, new, "contract-copy", target=None, full=full))
    copy = Guest(new, template.kind, talk.facts.node, State.UNKNOWN)
    found = await talk.bot.status(copy)
    assert (found.name, found.state, found.template) == ("contract-copy", State.STOPPED, False)
    assert found.disk_total == target.DISK_GIB * GIB
    assert sorted(found.tags) == sorted(target.TAGS)
    (disk,) = (await talk.bot.config(copy)).disks
    assert disk.volume.startswith(f"{target.STORAGE}:")
    assert str(new) in disk.volume
    await talk.done(talk.bot.delete(copy))
    error, _ = await talk.refused(talk.bot.status(copy))
    assert isinstance(error, GuestMoved)


def _clones(vmid: int, *, full: bool) -> Case:
    async def run(talk: Talk) -> None:
        await _clone(talk, vmid, full=full)

    return Case(f"a {'full' if full else 'linked'} clone of {target.name_of(vmid)}", run)


CHANGING = (
    Case("the power of a VM", _vm_power),
    Case("the power of a container", _ct_power),
    Case("a VM that ignores the power button", _deaf),
    Case("the log of a task", _log),
    Case("other cores and memory for a container", _ct_resize),
    Case("other cores for a running VM", _vm_resize),
    Case("snapshots of a VM, with its memory", _vm_snapshots),
    Case("snapshots of a container", _ct_snapshots),
    Case("a template has no snapshots", _no_snapshot),
    *(_clones(vmid, full=full) for vmid in (VM_TEMPLATE, CT_TEMPLATE) for full in (False, True)),
)
