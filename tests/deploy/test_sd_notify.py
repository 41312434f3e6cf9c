"""Test the messages to the service manager, over a real datagram socket."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from startup.sd_notify import ServiceManager
from startup.signals import ENDING


@pytest.fixture
def told(tmp_path: Path) -> Iterator[socket.socket]:
    """Provide the service manager's socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(5.0)
        yield listening


def words(told: socket.socket) -> list[str]:
    """Return the lines of the next message to the service manager."""
    return told.recv(4096).decode().splitlines()


def drain(told: socket.socket) -> None:
    """Read all messages that have arrived. Raises: BlockingIOError or TimeoutError, when no more comes."""
    while True:
        words(told)


async def test_the_manager_learns_of_the_start_the_life_and_the_end(told: socket.socket) -> None:
    environ = {"NOTIFY_SOCKET": told.getsockname(), "WATCHDOG_USEC": "30000", "WATCHDOG_PID": "7"}
    manager = ServiceManager(environ, pid=7)
    manager.ready("waiting\nfor Discord")
    assert words(told) == ["READY=1", "STATUS=waiting for Discord"]
    life = asyncio.create_task(manager.show_life(lambda: "connected"))
    for _ in range(3):
        assert await asyncio.to_thread(words, told) == ["WATCHDOG=1", "STATUS=connected"]
    life.cancel()
    await asyncio.wait({life})
    told.settimeout(0)
    with pytest.raises(BlockingIOError):
        drain(told)
    manager.stopping("end")
    assert words(told) == ["STOPPING=1", "STATUS=end"]


async def test_a_hanging_loop_gives_no_sign_of_life(told: socket.socket) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": told.getsockname(), "WATCHDOG_USEC": "3000"})
    life = asyncio.create_task(manager.show_life(lambda: "well"))
    assert await asyncio.to_thread(words, told)
    told.settimeout(0.05)
    with pytest.raises(TimeoutError):  # this very wait holds the loop
        drain(told)
    life.cancel()


def test_names_without_a_file_work_too() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("")  # the kernel chooses an abstract name
        name = listening.getsockname().decode().replace("\0", "@", 1)
        ServiceManager({"NOTIFY_SOCKET": name}).ready("here")
        assert words(listening)[0] == "READY=1"


async def test_without_a_manager_nothing_is_sent_and_nothing_raises(tmp_path: Path) -> None:
    for environ in (
        {},
        {"NOTIFY_SOCKET": "relative"},
        {"NOTIFY_SOCKET": "@"},
        {"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "x"},
    ):
        manager = ServiceManager(environ)
        assert manager.watchdog_seconds is None
        manager.ready("x")
        manager.stopping("x")
    await ServiceManager({}).show_life(lambda: "never asked")
    other = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "9000000", "WATCHDOG_PID": "8"}
    assert ServiceManager(other, pid=7).watchdog_seconds is None, "it is the watchdog of another process"


def test_the_signals_of_every_manager_end_the_bot() -> None:
    assert {signal.SIGTERM, signal.SIGINT, signal.SIGPWR, signal.SIGRTMIN + 3} == set(ENDING)
