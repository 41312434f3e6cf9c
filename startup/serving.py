"""Run the bot until it is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from core.watch.liveness import find_ailments
from startup.sd_notify import ServiceManager
from startup.signals import ENDING
from ui.interaction.services import Services
from ui.sites.vitals import vitals_at_hand


class Runnable(Protocol):
    """The bot, as `run_until_told` uses it."""

    running: asyncio.Task[None] | None
    on_started: Callable[[], None]
    services: Services

    async def __aenter__(self) -> object: ...

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> object: ...

    async def start(self, token: str) -> None: ...

    async def close(self) -> None: ...


async def run_until_told(bot: Runnable, token: str, manager: ServiceManager) -> None:
    """Run the bot until a signal of `ENDING`.

    Tell the service manager about the start and the end, and in between that the event loop is alive.
    Raises: the errors of the bot's `start`.
    """
    stopping: set[asyncio.Task[None]] = set()

    def status() -> str:
        ailments = find_ailments(vitals_at_hand(bot.services, bot.services.sites, {}))
        return f"waiting: {', '.join(ailments)}" if ailments else "healthy"

    def stop() -> None:
        manager.stopping("saying farewell")
        stopping.add(asyncio.ensure_future(bot.close()))

    loop = asyncio.get_running_loop()
    for number in ENDING:
        loop.add_signal_handler(number, stop)
    bot.on_started = lambda: manager.ready(status())
    life = asyncio.create_task(manager.show_life(status), name="service manager")
    try:
        async with bot:
            bot.running = asyncio.ensure_future(bot.start(token))
            try:
                await bot.running
            except asyncio.CancelledError:
                if not stopping:
                    raise
                await asyncio.gather(*stopping)
    finally:
        life.cancel()
