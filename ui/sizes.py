"""Format sizes with units of 1024, as Proxmox' own pages do."""

import re

from ui.formatting import code

_LEAST_SCALED = 0.1
"""Least amount used that is shown in the unit of the total, as a number of that unit. Less has its own unit."""
_MOST_SCALED = 1000.0
"""An amount of more than this many times the total is shown in its own unit. Such an amount is nonsense."""
UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
MIB = 1024 * 1024


def format_size(count: float) -> str:
    """Format bytes with units of 1024, as Proxmox' own pages do: 1.5 GiB."""
    value = float(count)
    for unit in UNITS:
        if value < 1024 or unit == UNITS[-1]:
            return f"{value:.0f} {unit}" if unit in ("B", "KiB") or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError


def format_memory(count: int) -> str:
    """Format configured MiB as `format_size` does, or in MiB if that would round the value or it is 0."""
    text = format_size(count * MIB)
    number, unit = text.split()
    exact = float(number) * 1024 ** UNITS.index(unit) == count * MIB
    return text if exact and count else f"{count} MiB"


_DISK_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)([KMGT]?)")


def format_disk_size(written: str) -> str:
    """Format a disk's size from its configuration (`16G`, in units of 1024). Show any other text as code."""
    match = _DISK_SIZE.fullmatch(written)
    if match is None:
        return code(written, 20)
    return format_size(float(match[1]) * 1024 ** " KMGT".index(match[2] or " "))


def format_usage(used: float | None, total: float | None) -> str:
    """Return `1.2 / 4.0 GiB`. An amount too small or too large for the unit of the total has its own unit.

    Return only the total if the amount used is unknown, and a dash if the total is unknown.
    """
    if total is None:
        return "—"
    whole = format_size(total)
    if used is None:
        return whole
    part = format_size(used)
    (number, unit), (_, whole_unit) = part.split(), whole.split()
    if unit != whole_unit:
        scaled = used / 1024 ** UNITS.index(whole_unit)
        if scaled < _LEAST_SCALED or used > total * _MOST_SCALED:
            return f"{part} / {whole}"
        number = f"{scaled:.1f}"
    return f"{number} / {whole}"
