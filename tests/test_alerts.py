"""The alert queue on its own: what a bot that ends does with an alert that waits for its next try."""

import asyncio
from typing import Any, cast

import aiohttp
import discord

from core.clock import Clock
from ui.alerts import AlertSender


class Channel:
    """Loses its connection for the first `failures` messages."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.taken: list[str] = []
        self.nonces: set[int] = set()

    async def send(self, text: str, *, nonce: int, **options: Any) -> None:
        self.nonces.add(nonce)
        if self.failures:
            self.failures -= 1
            raise aiohttp.ServerDisconnectedError
        self.taken.append(text)


class Client:
    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    def get_partial_messageable(self, channel_id: int) -> Channel:
        return self.channel


class PatientClock(Clock):
    """Long pauses never end by themselves; short ones at once."""

    def __init__(self) -> None:
        self.paused = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        if seconds >= 1:
            self.paused.set()
            await asyncio.Event().wait()


async def test_an_alert_in_its_pause_is_sent_when_the_bot_ends() -> None:
    channel, clock = Channel(failures=3), PatientClock()
    sender = AlertSender(cast(discord.Client, Client(channel)), 1, clock)
    running = asyncio.create_task(sender.run())
    sender.put("first")
    sender.put("second")
    await asyncio.wait_for(clock.paused.wait(), 5)
    assert channel.taken == []
    await asyncio.wait_for(sender.drain(), 5)
    assert channel.taken == ["first", "second"]
    assert len(channel.nonces) == 2
    running.cancel()
