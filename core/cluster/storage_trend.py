"""Tell from the past week when a storage will be full. A pure function of its history.

Weak data gives no answer: a week in which backups come and are pruned again shows no growth.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from statistics import median

from core.proxmox import StorageUse

DAY = 86400  # seconds
DAYS_LEAST, DAYS_MOST = 4, 14
"""Minimum number of days with data, and maximum age in days of data that counts. Each pair of days is compared."""
RISING_LEAST = 0.8
"""Minimum share of the pairs of days in which the later day has the greater usage."""
AHEAD_MOST = 365
"""Maximum number of days to look ahead. A week of history says nothing about a later time."""
SAME_TOTAL = 0.01
"""Fraction by which the total may change. Values from before a greater change do not count."""


def days_until_full(history: Sequence[StorageUse]) -> float | None:
    """Return in how many days the storage is full if it goes on like this. None if the data gives no answer.

    The rows are in the order of their times, at any interval: Proxmox 8 sends 70 for about nine days, Proxmox 9 sends
    336 for seven.
    """
    if not history:
        return None
    last = history[-1]
    days: defaultdict[int, list[float]] = defaultdict(list)
    for row in reversed(history):
        age = (last.time - row.time) // DAY
        if age > DAYS_MOST or abs(row.total - last.total) > SAME_TOTAL * last.total:
            break
        days[age].append(row.used)
    if len(days) < DAYS_LEAST or last.total <= 0:
        return None
    points = [(-age, median(used)) for age, used in days.items()]
    paces = [(b - a) / (y - x) for (x, a), (y, b) in combinations(sorted(points), 2)]
    pace = median(paces)
    rising = sum(each > 0 for each in paces) / len(paces)
    if rising < RISING_LEAST or pace <= 0:
        return None
    ahead = max(0.0, last.total - last.used) / pace
    return ahead if ahead <= AHEAD_MOST else None
