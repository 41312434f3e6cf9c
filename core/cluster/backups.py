"""Ask several storages for backups at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from core.guest import Backup, Backups

Ask = Callable[[str], Awaitable[tuple[Backup, ...] | None]]
"""Takes a storage's name and returns its backups, None if they cannot be read."""


async def ask_all(names: Iterable[str], ask: Ask, seconds: float) -> Backups:
    """Return the backups, newest first, and the names of the storages that could not be read within `seconds`.

    Raises: the errors of `ask`.
    """
    asked = {name: asyncio.ensure_future(ask(name)) for name in names}
    if asked:
        _, late = await asyncio.wait(asked.values(), timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.wait(asked.values())
    answers = {name: None if task.cancelled() else task.result() for name, task in asked.items()}
    found = [backup for each in answers.values() for backup in each or ()]
    found.sort(key=lambda backup: (backup.taken, backup.volume), reverse=True)
    return Backups(tuple(found), tuple(name for name, each in answers.items() if each is None))
