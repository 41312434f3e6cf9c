"""Test the pauses and the log of the connection to Discord on a clock of its own."""

import asyncio
import itertools
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from core.delivery.outbox import PAUSES
from startup.connection import TRY_SECONDS, Connection
from tests.support.fakes import FakeClock
from ui.i18n import Texts

ATTEMPTS = 5


async def test_a_gateway_that_only_accepts_the_connection_is_not_called_good(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock, over, attempts = FakeClock(), asyncio.Event(), list[float]()

    async def open_in_vain(*_: Any, **__: Any) -> None:
        attempts.append(clock.monotonic())
        clock.advance(TRY_SECONDS)
        if len(attempts) == ATTEMPTS:
            over.set()
        raise TimeoutError

    async def register() -> None:
        return None

    monkeypatch.setattr("startup.connection.DiscordWebSocket.from_client", open_in_vain)
    client: Any = SimpleNamespace(shard_id=None, ws=None, is_closed=lambda: False, dispatch=lambda *_: None)
    connection = Connection(client, register, Texts("en").public, clock, over)
    with caplog.at_level(logging.WARNING):
        await connection._gateway()
    assert [record.getMessage() for record in caplog.records if "works again" in record.getMessage()] == []
    assert len(caplog.records) == 1
    pauses = [after - before - TRY_SECONDS for before, after in itertools.pairwise(attempts)]
    assert pauses == list(PAUSES[: ATTEMPTS - 1])
