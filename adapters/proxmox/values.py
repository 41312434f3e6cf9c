"""Single values of Proxmox' rows: numbers, times, texts, flags and tags. None where a value is not what is due."""

import math
import re

_TIMES_MOST = 4_102_444_800
"""The end of the year 2099. What is later is no time that Discord could show."""
TEXT_MOST = 10_000
"""Characters that are kept of a text: more than Proxmox takes for a guest's notes (8,192 bytes)."""


def parse_vmid(value: object) -> int | None:
    """A guest's number, None for what is none."""
    return value if type(value) is int and value > 0 else None  # a bool is an int, too


def parse_time(value: object) -> int | None:
    """Unix seconds. None where there is none: Proxmox says 0, too."""
    seconds = parse_whole(value)
    return seconds if seconds is not None and 0 < seconds < _TIMES_MOST else None


def parse_number(value: object) -> float | None:
    """Of a number, also one in a string: Perl sends `cpulimit` as it stands in the configuration."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and abs(number) < 1e300 else None


def parse_whole(value: object) -> int | None:
    """Of a number, also one in a string; what is not whole loses its fraction."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < 10**18 else None  # beyond what can be a size, a time or a count


def parse_text(value: object) -> str | None:
    """Of a string or a number, cut to TEXT_MOST. None for an empty one, and for what is no text (a list, a flag)."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    return str(value)[:TEXT_MOST] or None


def parse_flag(value: object) -> bool:
    return value in (1, "1", True)


def parse_tags(value: object) -> tuple[str, ...]:
    """Whole, however long the text is: a tag may be somebody's authority."""
    return tuple(tag for tag in re.split(r"[;, ]", value) if tag) if isinstance(value, str) else ()
