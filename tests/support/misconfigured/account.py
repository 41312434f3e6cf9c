"""Plant faults of the token (its validity and its privileges), and of the cluster that it sees."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Sequence

from playground.pve.server import BOT_PRIVILEGES, BOT_USER
from tests.support.misconfigured.fault import BAD, DOUBT, Faults, Settings
from tests.support.process_stage import ProcessStage

TOKEN = f"{BOT_USER}!bot"
DAY = 86400.0  # seconds

FAULTS = Faults()
fault = FAULTS.add


@fault("token_refused", BAD, f"PROXMOX_TOKEN_VALUE.*pveum user token list {BOT_USER}.*--regenerate 1")
def secret_is_wrong(_s: ProcessStage) -> Iterator[Settings]:
    yield {"PROXMOX_TOKEN_VALUE": "b1946ac9-2491-4f0a-9c7e-0f1d2c3b4a59"}


@fault("token_refused", BAD, "pveum user token list")
def token_has_expired(s: ProcessStage) -> Iterator[Settings]:
    s.pve.ends[TOKEN] = time.time() - 60
    yield {}
    del s.pve.ends[TOKEN]


@fault("token_ends_soon", DOUBT, f"pveum user token modify {BOT_USER} bot --expire 0")
def token_expires_soon(s: ProcessStage) -> Iterator[Settings]:
    s.pve.ends[TOKEN] = time.time() + 5.5 * DAY
    yield {}
    del s.pve.ends[TOKEN]


@fault("token_ends_soon", DOUBT, f"pveum user modify {BOT_USER} --expire 0")
def user_expires_soon(s: ProcessStage) -> Iterator[Settings]:
    s.pve.ends[BOT_USER] = time.time() + 5.5 * DAY
    yield {}
    del s.pve.ends[BOT_USER]


@contextlib.contextmanager
def granted(s: ProcessStage, path: str, privileges: Sequence[str]) -> Iterator[None]:
    before = {who: list(rows) for who, rows in s.pve.acl.items()}
    for who in (BOT_USER, TOKEN):
        s.pve.grant(who, path, *privileges)
    try:
        yield
    finally:
        s.pve.acl.clear()
        s.pve.acl.update(before)


def without(*names: str) -> list[str]:
    return [name for name in BOT_PRIVILEGES if name not in names]


@contextlib.contextmanager
def denied(s: ProcessStage, privilege: str, path: str = "/") -> Iterator[None]:
    s.pve.deny(privilege, path)
    try:
        yield
    finally:
        s.pve.allow_again()


@fault(
    "privilege_missing",
    DOUBT,
    r'[^;]*VM.Snapshot[^;]*"; pveum acl modify /vms/102 --users \S+ --tokens \'\S+!bot\' --roles',
)
def privilege_is_missing_on_one_path(s: ProcessStage) -> Iterator[Settings]:
    # a guest without a pool: rights on its pool would count too
    with granted(s, "/vms/102", without("VM.Snapshot")):
        yield {}


@fault("privilege_missing", DOUBT, 'VM.PowerMgmt[^;]*"; pveum acl modify /vms --users')
def privilege_is_missing_everywhere(s: ProcessStage) -> Iterator[Settings]:
    with denied(s, "VM.PowerMgmt"):
        yield {}


@fault("privilege_missing", DOUBT, 'VM.Monitor[^;]*"; pveum acl modify /vms --users')
def privilege_of_8_is_missing(s: ProcessStage) -> Iterator[Settings]:
    s.pve.version, s.pve.release_version = "8.4.5", "8.4"
    yield {}
    s.pve.version, s.pve.release_version = "9.1.4", "9.1"


@fault("privilege_missing", DOUBT, 'Sys.Audit[^;]*"; pveum acl modify / --users')
def tasks_cannot_be_seen(s: ProcessStage) -> Iterator[Settings]:
    with denied(s, "Sys.Audit"):
        yield {}


@fault("privilege_missing", DOUBT, 'Datastore.AllocateSpace[^;]*"; pveum acl modify /storage/')
def no_storage_for_clones(s: ProcessStage) -> Iterator[Settings]:
    with denied(s, "Datastore.AllocateSpace"):
        yield {}


@fault("pool_privilege_missing", DOUBT, r'Pool.Audit[^;]*"; pveum acl modify /pool/lab --users')
def pools_cannot_be_seen(s: ProcessStage) -> Iterator[Settings]:
    role = str(s.guild.create_role("lab").id)
    with denied(s, "Pool.Audit"):
        yield {"OPERATOR_ROLE_IDS": role, "ROLE_SCOPES": json.dumps({role: ["pool:lab"]})}


@fault("no_guests", BAD, "VM.Audit")
def no_guest_is_visible(s: ProcessStage) -> Iterator[Settings]:
    with denied(s, "VM.Audit"):
        yield {}


@fault("token_of_root", DOUBT, r"docs/proxmox\.md")
def token_is_of_root(s: ProcessStage) -> Iterator[Settings]:
    s.pve.apitokens["root@pam!bot"] = "b1946ac9-2491-4f0a-9c7e-0f1d2c3b4a59"
    yield {"PROXMOX_USER": "root@pam", "PROXMOX_TOKEN_VALUE": "b1946ac9-2491-4f0a-9c7e-0f1d2c3b4a59"}
    del s.pve.apitokens["root@pam!bot"]


@fault("token_is_administrator", DOUBT, "pveum acl modify / .*--roles Administrator --delete 1")
def token_is_administrator(s: ProcessStage) -> Iterator[Settings]:
    with granted(s, "/", ["Permissions.Modify", "User.Modify", "Sys.Modify"]):
        yield {}


@fault("privilege_too_much", DOUBT, "Permissions.Modify.*pveum acl list")
def token_may_change_rights(s: ProcessStage) -> Iterator[Settings]:
    with granted(s, "/", ["Permissions.Modify"]):
        yield {}


@fault("version_old", BAD, r"8\.4")
def version_is_old(s: ProcessStage) -> Iterator[Settings]:
    s.pve.version, s.pve.release_version = "8.2.4", "8.2"
    yield {}
    s.pve.version, s.pve.release_version = "9.1.4", "9.1"


@fault("version_new", DOUBT, r"11\.0")
def version_is_newer_than_the_bot(s: ProcessStage) -> Iterator[Settings]:
    s.pve.version, s.pve.release_version = "11.0.1", "11.0"
    yield {}
    s.pve.version, s.pve.release_version = "9.1.4", "9.1"


@fault("node_offline", DOUBT, "NODE_NAME.*pve2")
def node_is_offline(s: ProcessStage) -> Iterator[Settings]:
    s.pve.node_offline("pve2")
    yield {"NODE_NAME": "pve2"}
    s.pve.node_online("pve2")


@fault("no_node", BAD, "NODE_NAME.*pve1(, |・)pve2")
def node_is_unknown(_s: ProcessStage) -> Iterator[Settings]:
    yield {"NODE_NAME": "pve9"}


@fault("tags_open", DOUBT, r"pvesh set /cluster/options --registered-tags \S*owner-4242")
def everybody_may_set_owners(s: ProcessStage) -> Iterator[Settings]:
    guest = s.pve.guest(101)
    before = guest.config.get("tags")
    guest.config["tags"] = "owner-4242"
    yield {}
    guest.config.pop("tags") if before is None else guest.config.update(tags=before)
