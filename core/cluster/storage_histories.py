"""Keep the histories of storages for a while. They change twice an hour at most, and many people may look at them."""

import asyncio
import logging
from collections.abc import Iterable, Mapping

from core.clock import Clock
from core.guest import Storage
from core.proxmox import Proxmox, StorageUse
from core.proxmox_errors import ProxmoxError
from core.validation import is_node, is_storage

KEPT_SECONDS = 600.0
"""Seconds after which a history is read again."""
ASKED_MOST_SECONDS = 4.0
"""Seconds that all storages together may take. A later answer is not shown, but kept for the next request."""
KEPT_MOST = 500
"""Maximum number of histories kept."""

History = tuple[StorageUse, ...]

_log = logging.getLogger(__name__)


class StorageHistories:
    """Read the past week of storages: all at once, and each at most every ten minutes.

    A read that failed is repeated by the next request.
    """

    def __init__(self, proxmox: Proxmox, clock: Clock) -> None:
        self._proxmox, self._clock = proxmox, clock
        self._kept: dict[tuple[str, str], tuple[float, asyncio.Task[History | None]]] = {}

    async def read(self, storages: Iterable[Storage]) -> Mapping[Storage, History]:
        """Return the histories of these storages. Those that cannot be read in time are left out.

        Storages whose names Proxmox itself would not accept are left out, too, without a request.
        """
        asked = (each for each in storages if is_storage(each.name) and is_node(each.node))
        tasks = {storage: self._task(storage) for storage in asked}
        running = [task for task in tasks.values() if not task.done()]
        if running:
            await asyncio.wait(running, timeout=ASKED_MOST_SECONDS)
        read = ((each, task.result()) for each, task in tasks.items() if task.done() and not task.cancelled())
        return {storage: history for storage, history in read if history is not None}

    def _task(self, storage: Storage) -> asyncio.Task[History | None]:
        key, now = (storage.node, storage.name), self._clock.monotonic()
        began, task = self._kept.get(key, (0.0, None))
        failed = task is not None and task.done() and (task.cancelled() or task.result() is None)
        if task is None or failed or now - began > KEPT_SECONDS:
            task = asyncio.create_task(self._read(storage))
            self._kept.pop(key, None)
            self._kept[key] = (now, task)
            if len(self._kept) > KEPT_MOST:
                del self._kept[next(iter(self._kept))]
        return task

    async def _read(self, storage: Storage) -> History | None:
        try:
            return await self._proxmox.storage_history(storage)
        except ProxmoxError:
            return None
        except Exception:  # noqa: BLE001 - a bug in one history must not hide the storages
            _log.exception("the history of a storage could not be read")
            return None
