"""A guest's CPUs and memory in words, also where Proxmox has no figure of the guest's own."""

from core.guest import Guest, State
from ui.formatting import format_usage
from ui.i18n import Text


def cores_of(t: Text, count: float) -> str:
    """`2 cores`, `0.5 cores`: a container's CPU limit need not be whole."""
    rounded = round(count, 2)
    if rounded == int(rounded):
        return t.plural("{n} core", "{n} cores", int(rounded))
    return t("{count} cores", count=rounded)


def memory_of(t: Text, guest: Guest) -> str:
    """What the guest uses of its memory; where it does not say so itself, what the host holds for it."""
    if guest.state is State.STOPPED:
        return format_usage(None, guest.memory_total)
    if not is_seen_by_host(guest):
        return format_usage(guest.memory, guest.memory_total)
    return t("{value} (host's view)", value=format_usage(guest.memory or 0, guest.memory_total))


def is_seen_by_host(guest: Guest) -> bool:
    """Whether the figure of its memory is not the guest's own."""
    return guest.memory_seen_by_host and guest.state is not State.STOPPED


def memory_advice(t: Text) -> str:
    """What is missing where `is_seen_by_host`."""
    return t(
        "The guest does not report its memory use: its balloon driver or guest agent is missing or not running. "
        "Memory raises no alert."
    )
