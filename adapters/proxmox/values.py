"""Convert single values of Proxmox' rows: numbers, times, texts, flags and tags.

An unusable value becomes None, as a flag False, and as tags an empty tuple.
"""

import re

_TIMES_MOST = 4_102_444_800
"""Unix seconds of the end of the year 2099. A later time counts as unusable."""
NUMBER_LIMIT, WHOLE_LIMIT = 1e20, 10**18
"""Limits of a usable number. A greater one cannot be a size, time, rate or count, and neither can a negative one."""
TEXT_MOST = 10_000
"""Characters kept of a text: more than Proxmox accepts for a guest's notes (8,192 bytes)."""


def parse_vmid(value: object) -> int | None:
    """Return a positive integer as a VMID, else None."""
    return value if type(value) is int and value > 0 else None  # a bool is an int, too


def parse_time(value: object) -> int | None:
    """Return Unix seconds. None for 0, which Proxmox sends if there is no time, and for a time after 2099."""
    seconds = parse_whole(value)
    return seconds if seconds is not None and 0 < seconds < _TIMES_MOST else None


def parse_number(value: object) -> float | None:
    """Convert a number or a string of one: Perl sends `cpulimit` as it is written in the configuration."""
    if type(value) is float:  # most are, and a year's history has 30,000
        number = value
    elif isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    else:
        try:
            number = float(value)
        except (ValueError, OverflowError):
            return None
    return number if 0 <= number < NUMBER_LIMIT else None  # not NaN either


def parse_whole(value: object) -> int | None:
    """Convert a number, or a string of an integer, to an integer. The fraction of a number is cut off."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number < WHOLE_LIMIT else None


def parse_text(value: object) -> str | None:
    """Convert a string or a number to text of at most `TEXT_MOST` characters.

    None for an empty text or another type.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    return str(value)[:TEXT_MOST] or None


def parse_flag(value: object) -> bool:
    return value in (1, "1", True)


def parse_tags(value: object) -> tuple[str, ...]:
    """Return all tags, however long the text is, because a tag may decide a person's access."""
    return tuple(tag for tag in re.split(r"[;, ]", value) if tag) if isinstance(value, str) else ()
