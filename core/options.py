"""Format the options of an order for the audit."""

from collections.abc import Mapping


def format_options(given: Mapping[str, object]) -> str:
    """Return `name=value` for each given option. None, "" and False count as not given."""
    return " ".join(f"{name}={value}" for name, value in given.items() if value not in (None, "", False))
