"""Format a guest's cores, memory and disk sizes. Say so if its memory use is the host's figure."""

import re

from core.guest import Guest, State
from ui.i18n import Text
from ui.sizes import format_disk_size, format_usage

_SIZE = re.compile(r"\bsize=([0-9]{1,12}(?:\.[0-9]{1,6})?[KMGT])\b")


def cores_of(t: Text, count: float) -> str:
    """Return `2 cores` or `0.5 cores`, because a container's CPU limit may be fractional."""
    number = number_of(count)
    return (
        t.plural("{n} core", "{n} cores", number)
        if isinstance(number, int)
        else t("{count} cores", count=number)
    )


def number_of(count: float) -> int | float:
    """Round a number of cores to two decimals, and return a whole number as an int."""
    rounded = round(count, 2)
    return int(rounded) if rounded == int(rounded) else rounded


def memory_of(t: Text, guest: Guest) -> str:
    """Show the guest's memory use, or the host's figure if the guest itself reports none."""
    if guest.state is State.STOPPED:
        return format_usage(None, guest.memory_total)
    if not shows_host_memory(guest):
        return format_usage(guest.memory, guest.memory_total)
    return t("{value} (host view)", value=format_usage(guest.memory or 0, guest.memory_total))


def in_units(value: str) -> str:
    """Return a configuration value, with disk sizes in it (`size=16G`) in the units of all other sizes."""
    return _SIZE.sub(lambda size: f"size={format_disk_size(size[1])}", value)


def shows_host_memory(guest: Guest) -> bool:
    """Return whether the memory figure comes from the host and not from the guest."""
    return guest.memory_seen_by_host and guest.state is not State.STOPPED


def memory_advice(t: Text) -> str:
    """Say that a guest with `shows_host_memory` does not report its memory use, and what to check."""
    return t(
        "The guest does not report its memory usage (check its balloon driver), so there are no memory alerts."
    )
