"""Test docs/proxmox.md: its commands give the token the privileges that the bot's calls need, and no others."""

import re
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.proxmox.health_reads import HealthReads
from core.clock import Clock
from core.entry_point import EntryPoint
from core.guest import Guest, Kind, State
from core.health.privileges import NEEDS, ON_8, Inventory, Token, judge_token
from core.operations import Operation
from core.proxmox import Proxmox
from core.proxmox_errors import ProxmoxError
from core.tasks import TaskEnd, follow
from playground.pve.server import BOT_PRIVILEGES, Pve
from proxmox_client import Endpoint, ProxmoxClient
from tests.support import stage
from tests.support.documents.halves import DOCS, in_code, made, table

pve = stage.pve

BOTH = pytest.mark.parametrize("language", ["ja", "en"])
DOCUMENT = DOCS / "proxmox.md"
USER, TOKEN = "discord-bot@pve", "discord-bot@pve!bot"
# From the published schemas' `permissions` of 8.4, 9.1 and 9.2, and from Proxmox' own checks of single parameters:
# cores and memory of a configuration, storage and bridge of a clone. With VM.Snapshot a rollback needs no
# VM.Snapshot.Rollback. A guest's tasks are the bot's own; the lists are filtered by VM.Audit, Datastore.Audit,
# Pool.Audit and, for all tasks, Sys.Audit.
NEEDED: dict[str, set[str]] = {
    "close": set(),
    "cluster": {"VM.Audit", "Datastore.Audit", "Pool.Audit"},
    "cluster_tasks": {"Sys.Audit"},
    "status": {"VM.Audit"},
    "config": {"VM.Audit"},
    "pending": {"VM.Audit"},
    "config_with_pending": {"VM.Audit"},
    "snapshots": {"VM.Audit"},
    "snapshot_config": {"VM.Audit"},
    "can_snapshot": {"VM.Audit"},
    "backups": {"VM.Backup", "Datastore.AllocateSpace", "Datastore.Audit"},
    "addresses": {"VM.Audit", "VM.GuestAgent.Audit"},
    "file_systems": {"VM.GuestAgent.Audit"},
    "guest_history": {"VM.Audit"},
    "node_history": {"Sys.Audit"},
    "recent_tasks": set(),
    "node_tasks": {"Sys.Audit"},
    "node_status": {"Sys.Audit"},
    "ha_status": {"Sys.Audit"},
    "storage_history": {"Datastore.Audit"},
    "failed_backups": {"Sys.Audit"},
    "task_status": set(),
    "task_log": set(),
    "next_id": set(),
    "power": {"VM.PowerMgmt"},
    "clone": {"VM.Clone", "VM.Allocate", "Datastore.AllocateSpace", "SDN.Use"},
    "resize": {"VM.Config.CPU", "VM.Config.Memory"},
    "delete": {"VM.Allocate"},
    "snapshot_create": {"VM.Snapshot"},
    "snapshot_rollback": {"VM.Snapshot"},
    "snapshot_delete": {"VM.Snapshot"},
}
OPTIONAL = {"Sys.Audit", "Datastore.Audit", "Pool.Audit", "VM.Backup"}
"""The optional privileges. If they are missing, only /graph node is refused, and less is visible."""


def granted(language: str, part: str = "pveum") -> dict[str, dict[str, set[str]]]:
    """Parse the commands of a part into who -> path -> privileges."""
    block = made(language, part, DOCUMENT)
    roles = {
        name: set(privileges.split())
        for name, privileges in re.findall(r'^pveum role add (\S+) --privs "([^"]+)"$', block, re.M)
    }
    acl: dict[str, dict[str, set[str]]] = {USER: {}, TOKEN: {}}
    grants = re.findall(
        r"^pveum acl modify (\S+) --users (\S+) --tokens '([^']+)' --roles (\w+)$", block, re.M
    )
    assert len(grants) == block.count("pveum acl")
    for path, user, token, role in grants:
        for who in (user, token):
            acl[who].setdefault(path, set()).update(roles[role])
    return acl


@BOTH
def test_the_commands_make_the_user_and_a_token_with_rights_of_its_own(language: str) -> None:
    block = made(language, "pveum", DOCUMENT)
    assert re.search(rf"^pveum user add {USER} ", block, re.M)
    assert re.search(rf"^pveum user token add {USER} bot --privsep 1$", block, re.M)


def test_every_call_of_the_client_has_its_privileges() -> None:
    calls = {name for name, what in vars(Proxmox).items() if callable(what) and not name.startswith("_")}
    assert calls == set(NEEDED)
    assert {name for need in NEEDS for name in need.privileges} == set().union(*NEEDED.values())


def test_the_pveum_lines_grant_exactly_the_privileges_of_the_calls() -> None:
    acl, needed = granted("ja"), set().union(*NEEDED.values())
    assert acl == granted("en")
    assert acl[USER] == acl[TOKEN]
    assert set().union(*acl[USER].values()) == needed


@BOTH
def test_the_table_has_every_privilege_and_says_which_are_optional(language: str) -> None:
    rows = table(made(language, "privileges", DOCUMENT))
    assert {name for row in rows for name in in_code(row[0])} == set().union(*NEEDED.values(), ON_8.values())
    word = ("任意", "optional")[language == "en"]
    assert {name for row in rows if word in row[1] for name in in_code(row[0])} == OPTIONAL


def test_the_demo_and_the_tests_have_these_privileges_too() -> None:
    """With other privileges a command could work in the demo, and be refused for a reader of the document."""
    assert sorted(BOT_PRIVILEGES) == sorted(set().union(*NEEDED.values()))


async def everything(pve: Pve, client: ProxmoxClient) -> list[str]:
    """Use the bot's privileges on a VM and on a container. Return the failures, or what is not visible."""
    trouble: list[str] = []
    pve.pools.setdefault("lab", set())

    async def done(call: Awaitable[object]) -> None:
        try:
            answer = await call
            if isinstance(answer, str):
                result = await follow(client, Clock(), answer)
                if result.end not in (TaskEnd.OK, TaskEnd.WARNINGS):
                    trouble.append(result.message)
        except ProxmoxError as error:
            trouble.append(repr(error))

    for vmid, template, kind in ((101, 9000, Kind.QEMU), (201, 9100, Kind.LXC)):
        guest = Guest(vmid, kind, pve.guest(vmid).node, State.RUNNING)
        source = Guest(template, kind, pve.guest(template).node, State.STOPPED)
        copy = replace(source, vmid=await client.next_id())
        for read in (client.status, client.config, client.pending, client.snapshots, client.can_snapshot):
            await done(read(guest))
        await done(client.addresses(guest))
        pve.keep_backup(vmid, 1.0, storage="local")
        if not (await client.backups(guest)).found:
            trouble.append("its backup is not visible: VM.Backup, Datastore.AllocateSpace, Datastore.Audit")
        await done(client.snapshot_create(guest, "before", "", False))
        await done(client.snapshot_rollback(guest, "before"))
        await done(client.snapshot_delete(guest, "before"))
        for operation in (Operation.START, Operation.REBOOT, Operation.STOP):
            await done(client.power(guest, operation))
        await done(client.resize(guest, 3, None, None))
        await done(client.resize(guest, None, 1536, None))
        await done(client.clone(source, copy.vmid, "copy", target=None, full=False))
        if pve.guest(copy.vmid) is not None:
            await done(client.delete(copy))
        if not (await client.cluster()).guests:
            trouble.append("nothing visible: VM.Audit")
    if {storage.name for storage in (await client.cluster()).storages} != set(pve.storages):
        trouble.append("not every storage is visible: Datastore.Audit")
    if set((await client.cluster()).pools) != {*pve.pools}:
        trouble.append("not every pool is visible: Pool.Audit")
    pve.backup_job(None, "pve1")
    if "root@pam" not in {task.user for task in await client.cluster_tasks()}:
        trouble.append("another's task is not visible: Sys.Audit")
    return trouble


@pytest.mark.parametrize(
    ("part", "without"),
    [("features", None), ("pveum", None), *(("pveum", name) for name in sorted(BOT_PRIVILEGES))],
)
async def test_the_pveum_lines_are_enough_and_each_is_needed(
    pve: Pve, part: str, without: str | None
) -> None:
    """Let fakepve check every request against the privileges in Proxmox' own schema."""
    pve.apitokens[TOKEN] = "secret"
    for who, paths in granted("ja", part).items():
        for path, privileges in paths.items():
            pve.grant(who, path, *(privileges - {without}))
    endpoint = Endpoint((EntryPoint(pve.host, pve.port),), USER, "bot", "secret", Path(str(pve.ca_file)))
    client = ProxmoxClient(endpoint, Clock())
    reads = HealthReads(endpoint)
    try:
        seen = await client.cluster()
        guests = {guest.vmid: guest.pool for guest in seen.guests}
        inventory = Inventory(guests, tuple(storage.name for storage in seen.storages), ("lab",))
        judged = judge_token(Token(USER, "bot", await reads.rights(), 9), inventory, "")
        trouble = await everything(pve, client)
    finally:
        client.close()
        reads.close()
    missing = {
        name for each in judged if each.level != "ok" for name in each.values["privileges"].split(", ")
    }
    assert missing == ({without} if without else set()), "the check says otherwise"
    if without is None:
        assert trouble == []
    else:
        # where either of two privileges would do (VM.Allocate on the VMID or the pool) Proxmox names none
        assert any(without in words or "privilege=''" in words for words in trouble), trouble
