"""Represent sets of rows of a table, each as one integer: its byte `n` is 1 if row `n` is in the set, and 0 if not.

`&`, `|` and `& ~` then combine sets of thousands of rows in microseconds.
"""

from collections.abc import Iterable, Iterator

Rows = int

NO_ROWS: Rows = 0


def all_rows(count: int) -> Rows:
    return int.from_bytes(b"\x01" * count, "little")


def rows_where(flags: Iterable[bool]) -> Rows:
    """Return the rows whose flag is set. There is one flag per row."""
    return int.from_bytes(bytes(flags), "little")


def rows_at(numbers: Iterable[int], count: int) -> Rows:
    """Return the set of these row numbers of a table with `count` rows."""
    flags = bytearray(count)
    for number in numbers:
        flags[number] = 1
    return int.from_bytes(flags, "little")


def flags_of(rows: Rows, count: int) -> bytes:
    """Return one byte per row, 1 or 0."""
    return rows.to_bytes(count, "little")


def numbers_of(rows: Rows, count: int) -> Iterator[int]:
    """Yield the row numbers in ascending order."""
    flags = flags_of(rows, count)
    at = flags.find(1)
    while at >= 0:
        yield at
        at = flags.find(1, at + 1)
