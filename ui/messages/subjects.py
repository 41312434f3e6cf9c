"""Name the subject of a mute for people: in messages, and as plain text in completions."""

from collections.abc import Callable

from core.guest import Cluster
from core.watch.incidents.model import ALL, SOURCE
from ui.formatting import choice_label, code, plain, plain_label, title_of
from ui.i18n import Text


def vmid_of(subject: str) -> int | None:
    """Return the VMID of a subject that is a guest, None for other subjects."""
    kind, _, rest = subject.partition("/")
    return int(rest) if kind == "guest" and rest.isdecimal() else None


def subject_name(t: Text, subject: str, cluster: Cluster | None) -> str:
    """Return the name for a message. `cluster` provides the names of guests."""
    vmid = vmid_of(subject)
    if vmid is not None:
        guest = cluster.find(vmid) if cluster else None
        return title_of(vmid, guest.label if guest else str(vmid))
    return _named(t, subject, code)


def subject_label(t: Text, subject: str, cluster: Cluster | None) -> str:
    """Return the name for a completion, where nothing is formatted."""
    vmid = vmid_of(subject)
    if vmid is not None:
        guest = cluster.find(vmid) if cluster else None
        return choice_label(t, guest) if guest else str(vmid)
    return plain_label(_named(t, subject, plain))


def _named(t: Text, subject: str, show: Callable[[str], str]) -> str:
    match subject.split("/"):
        case [word] if word == ALL:
            return t("Everything")
        case [word] if word == SOURCE:
            return t("The connection to Proxmox")
        case ["node", node]:
            return t("Node {node}", node=show(node))
        case ["storage", storage]:
            return t("Shared storage {storage}", storage=show(storage))
        case ["storage", node, storage]:
            return t("Storage {storage} on {node}", storage=show(storage), node=show(node))
    return show(subject)
