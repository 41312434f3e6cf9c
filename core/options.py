"""The options of what was asked for, as the audit keeps them."""

from collections.abc import Mapping


def format_options(given: Mapping[str, object]) -> str:
    """`name=value` of those that were given: neither None nor empty nor False."""
    return " ".join(f"{name}={value}" for name, value in given.items() if value not in (None, "", False))
