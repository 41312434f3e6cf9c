"""Check the refusal of each call without its privileges: a case for each group of them, and a row for each call."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial

from core.guest import Storage
from core.operations import OPERATIONS
from core.proxmox import Period
from core.proxmox_errors import MissingPrivilege
from tests.support.contract import target
from tests.support.contract.talk import Case, Talk
from tests.support.contract.target import CT, CT_TEMPLATE, VM, VM_TEMPLATE

Call = Callable[[], Awaitable[object]]
ABSENT = 9199
"""A VMID that no guest has."""
AGENT = ("VM.GuestAgent.Audit",)
"""Proxmox VE 8 names it VM.Monitor."""


@dataclass(frozen=True)
class Denied:
    """A call without some privileges. `path`, `named`: the path and the privileges in the answer, "" for none."""

    without: tuple[str, ...]
    call: Call
    path: str
    named: str


def _denied(talk: Talk) -> Iterator[Denied]:
    """Yield the calls that fail without a privilege. If any of several is enough, all of them are taken away."""
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
        partial(bot.storage_history, Storage(target.BACKUPS, node, shared=False, available=True)),
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


def case_without(group: tuple[str, ...]) -> Case:
    """Return the case without these privileges. Each refusal must name the path and privileges of its row."""

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
