"""Test a call to Proxmox that nobody waits for any more: its thread ends by itself, and its failure is not logged."""

import asyncio
import gc
import threading
from typing import Any

import pytest

from adapters.proxmox.connections import Address, Endpoint
from adapters.proxmox.http import Calls

ENDPOINT = Endpoint((Address("127.0.0.1", 8006),), "bot@pve", "bot", "secret")


async def test_a_failure_that_nobody_waits_for_is_no_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise asyncio logs "exception was never retrieved", with the text of the exception."""
    calls, goes_on, ended = Calls(ENDPOINT), threading.Event(), threading.Event()
    begun = asyncio.Event()

    def blocking(_self: Calls, *_arguments: Any) -> object:
        loop.call_soon_threadsafe(begun.set)
        goes_on.wait(60)
        ended.set()
        raise RuntimeError("late")

    monkeypatch.setattr(Calls, "_blocking", blocking)
    loop, noise = asyncio.get_running_loop(), list[str]()
    loop.set_exception_handler(lambda _, context: noise.append(str(context["message"])))
    asking = asyncio.create_task(calls.get(("version",), dict))
    await begun.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    del asking
    goes_on.set()
    await asyncio.wait(left_at_work(), timeout=60)  # which asks for no result
    assert ended.is_set()
    gc.collect()
    await asyncio.sleep(0)
    assert noise == []


def left_at_work() -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
