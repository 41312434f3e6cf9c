"""Test the translation of Proxmox' refusals into the bot's errors.

It covers everything that Proxmox' source can say; the known refusals are checked exactly.
"""

from fakepve import errors as catalogue

from adapters.proxmox.transport.errors import CallContext, make_error
from core.errors import BotError, ChangedMeanwhile
from core.guest import Guest, Kind, State
from core.guest_errors import GuestLocked, GuestProtected, VmidTaken
from core.proxmox_errors import (
    GuestMoved,
    LinkedCloneUnsupported,
    LockTimeout,
    MissingPrivilege,
    NodeUnreachable,
    NoQuorum,
    Rejected,
    StorageFull,
    TargetNotShared,
    TaskUnknown,
    TimedOut,
    TokenRefused,
)
from tests.support.walked import walked

VM = Guest(100, Kind.QEMU, "pve1", State.RUNNING, "web01")
CT = Guest(200, Kind.LXC, "pve2", State.STOPPED, "dns")


def told(
    status: int, reason: str, fields: object = None, guest: Guest | None = VM, *, changing: bool = False
) -> BotError:
    return make_error(status, reason, fields, CallContext(guest), "pve.example.jp", changing)


@walked(
    ("status", "reason", "expected"),
    [
        (401, "Authentication failed!", TokenRefused()),
        (401, "permission denied - invalid PVE ticket", TokenRefused()),
        (
            403,
            "Permission check failed (/vms/100, VM.PowerMgmt)",
            MissingPrivilege("VM.PowerMgmt", "/vms/100"),
        ),
        (
            403,
            "Permission check failed (/vms/100, VM.Snapshot|VM.Snapshot.Rollback)",
            MissingPrivilege("VM.Snapshot|VM.Snapshot.Rollback", "/vms/100"),
        ),
        (
            403,
            "Permission check failed (/storage/local-lvm, Datastore.AllocateSpace)",
            MissingPrivilege("Datastore.AllocateSpace", "/storage/local-lvm"),
        ),
        (
            403,
            "Permission check failed (/sdn/zones/localnetwork/vmbr0, SDN.Use)",
            MissingPrivilege("SDN.Use", "/sdn/zones/localnetwork/vmbr0"),
        ),
        (403, "Permission check failed (/pool/web)", MissingPrivilege("", "/pool/web")),
        (403, "Permission check failed (user != root@pam)", MissingPrivilege("", "")),
        (500, "VM is locked (backup)", GuestLocked(100, "web01", "backup")),
        (500, "VM is locked (snapshot-delete)", GuestLocked(100, "web01", "snapshot-delete")),
        (500, "CT is locked (disk)", GuestLocked(100, "web01", "disk")),
        (500, "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout", LockTimeout(100)),
        (500, "can't lock file '/run/lock/lxc/pve-config-200.lock' - got timeout", LockTimeout(100)),
        (500, "cluster not ready - no quorum?", NoQuorum()),
        (500, "can't remove VM 100 - protection mode enabled", GuestProtected(100, "web01")),
        (500, "can't remove CT 200 - protection mode enabled", GuestProtected(100, "web01")),
        (500, "Configuration file 'nodes/pve1/qemu-server/100.conf' does not exist", GuestMoved(100, "pve1")),
        (500, "unable to find configuration file for CT 200 on node 'pve1'", GuestMoved(100, "pve1")),
        (500, "unable to create VM 105: config file already exists", VmidTaken(105)),
        (500, "unable to create CT 105: config file already exists", VmidTaken(105)),
        (500, "CT 105 already exists on node 'pve2'", VmidTaken(105)),
        (500, "VM 105 already exists on node 'pve2'", VmidTaken(105)),
        (
            500,
            "can't clone VM to node 'pve2' (VM uses local storage)",
            TargetNotShared("can't clone VM to node 'pve2' (VM uses local storage)"),
        ),
        (
            500,
            "can't clone to non-shared storage 'local'",
            TargetNotShared("can't clone to non-shared storage 'local'"),
        ),
        (
            500,
            "Linked clone feature for 'scsi0' is not available",
            LinkedCloneUnsupported("Linked clone feature for 'scsi0' is not available"),
        ),
        (
            500,
            "unable to create image: No space left on device",
            StorageFull("unable to create image: No space left on device"),
        ),
        (
            500,
            "Cannot create new thin volume, free space in thin pool pve/data reached threshold.",
            StorageFull("Cannot create new thin volume, free space in thin pool pve/data reached threshold."),
        ),
        (
            500,
            "detected modified configuration - file changed by other user? Try again.",
            ChangedMeanwhile(100),
        ),
        (500, "checksum mismatch (file change by other user?)", ChangedMeanwhile(100)),
        (500, "checksum missmatch (file change by other user?)", ChangedMeanwhile(100)),
        (500, "VM 100 is running - destroy failed", Rejected(500, "VM 100 is running - destroy failed")),
        (500, "snapshot name 'a' already used", Rejected(500, "snapshot name 'a' already used")),
        (500, "custom CPU model 'x' already exists", Rejected(500, "custom CPU model 'x' already exists")),
        (500, "", Rejected(500, "")),
        (595, "No route to host", NodeUnreachable("pve1", changing=False)),
        (596, "Connection timed out", NodeUnreachable("pve1", changing=True)),
        (599, "Too many redirections", NodeUnreachable("pve1", changing=True)),
        (502, "Bad Gateway", TimedOut("pve.example.jp", changing=True)),
        (504, "Gateway Timeout", TimedOut("pve.example.jp", changing=True)),
    ],
)
def test_each_refusal_of_proxmox_becomes_its_error(status: int, reason: str, expected: BotError) -> None:
    assert str(told(status, reason, changing=True)) == str(expected)


def test_a_taken_vmid_is_recognized_by_the_parameters_error() -> None:
    error = told(400, "Parameter verification failed.", {"vmid": "VM 105 already exists"})
    assert str(error) == str(VmidTaken(105))


def test_the_errors_of_parameters_are_reported_on_one_line() -> None:
    error = told(400, "Parameter verification failed.\n", {"cores": "too\nmany", "errors": b"<html>", "x": 5})
    assert str(error) == str(Rejected(400, "Parameter verification failed. cores: too many"))


def test_without_a_guest_no_guest_is_named() -> None:
    for reason in (
        "VM is locked (backup)",
        "Configuration file 'x' does not exist",
        "protection mode enabled",
    ):
        assert isinstance(told(500, reason, guest=None), Rejected)
    assert str(told(500, "can't lock file 'x' - got timeout", guest=None)) == str(LockTimeout(None))
    assert str(told(595, "No route to host", guest=None)) == str(NodeUnreachable("pve.example.jp"))


def test_an_unknown_object_is_the_error_of_the_caller() -> None:
    asked = CallContext(None, TaskUnknown("UPID:x"))
    for status in (400, 404, 500):
        error = make_error(
            status, "Parameter verification failed.", {"upid": "no such task"}, asked, "h", False
        )
        assert error is asked.not_found
    assert isinstance(make_error(403, "no such task", None, asked, "h", False), MissingPrivilege)


# -- all that Proxmox' source can say

EVERYTHING = [
    (method, path, *catalogue.render(entry, path, {"node": "pve1", "vmid": "100", "newid": "105"}))
    for key, entries in catalogue.catalogue().items()
    for method, path in [key.split(" ", 1)]
    for entry in entries
]
FAMILIES: dict[str, tuple[type[BotError], ...]] = {
    " is locked (": (GuestLocked,),
    "got timeout": (LockTimeout, Rejected),
    "no quorum": (NoQuorum,),
    "Configuration file '": (GuestMoved,),
    "unable to find configuration file": (GuestMoved,),
    "config file already exists": (VmidTaken,),
    "protection mode enabled": (GuestProtected,),
    "not enough free space": (StorageFull,),
    "can't clone": (TargetNotShared,),
    "checksum mismatch": (ChangedMeanwhile,),
    "detected modified configuration": (ChangedMeanwhile,),
}
PLAIN = {
    GuestLocked,
    GuestMoved,
    GuestProtected,
    VmidTaken,
    StorageFull,
    TargetNotShared,
    ChangedMeanwhile,
    NoQuorum,
}


def test_every_text_of_proxmox_becomes_an_error_of_ours() -> None:
    assert len(EVERYTHING) == 2314
    for method, path, status, message, params in EVERYTHING:
        for guest in (VM, CT, None):
            error = told(status, message, params, guest, changing=method != "GET")
            assert isinstance(error, BotError), (method, path, message)
            assert str(error)
            if status == 401:
                assert isinstance(error, TokenRefused)
            if status == 403:
                assert isinstance(error, MissingPrivilege)
            if isinstance(error, Rejected):
                assert error.message


@walked("words", list(FAMILIES))
def test_each_family_of_texts_becomes_its_error(words: str) -> None:
    known = {message: (status, params) for _, _, status, message, params in EVERYTHING if words in message}
    if not known:  # errors of Proxmox' daemons and libraries, which the catalogue adds to every method
        extra = catalogue.errors_for("POST", "/nodes/pve1/qemu/100/status/start")
        known = {row["message"]: (row["status"], None) for row in extra if words in row["message"]}
    for message, (status, params) in known.items():
        error = told(status, message, params)
        assert isinstance(error, FAMILIES[words]), message


def test_no_text_of_another_kind_becomes_the_error_of_a_family() -> None:
    """A text of another kind that is taken for one of ours would hide Proxmox' own words."""
    for _, path, status, message, params in EVERYTHING:
        error = told(status, message, params)
        if type(error) in PLAIN and status not in (401, 403):
            whole = " ".join([message, *map(str, (params or {}).values())])
            assert any(words in whole for words in FAMILIES) or "already exists" in whole, (
                path,
                whole,
                error,
            )
