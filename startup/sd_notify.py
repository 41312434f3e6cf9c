"""Tell systemd how the bot is: that it has started, that its loop lives, and that it ends.

The protocol is that of sd_notify(3): one datagram with lines NAME=value. Without systemd nothing is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable, Mapping

STATUS_MOST = 200
"""Maximum characters of the status line."""
STATUS_SECONDS = 30.0
"""Seconds between two status lines where there is no watchdog."""

_log = logging.getLogger(__name__)


class ServiceManager:
    """Send messages to the socket in NOTIFY_SOCKET, if there is one.

    No method raises an error of the socket, or waits for the manager.
    """

    def __init__(self, environ: Mapping[str, str], pid: int | None = None) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog_seconds = _watchdog_seconds(environ, os.getpid() if pid is None else pid)
        """Seconds in which the manager wants a sign of life, None if it wants none."""
        self._failed = False

    def ready(self, status: str) -> None:
        """Report that the bot runs. It may still be waiting for Discord or Proxmox."""
        self._send("READY=1", _status_line(status))

    def stopping(self, status: str) -> None:
        self._send("STOPPING=1", _status_line(status))

    async def show_life(self, status: Callable[[], str]) -> None:
        """Send signs of life until cancelled: they stop when the event loop hangs, and systemd restarts the bot.

        `status`: returns the line that `systemctl status` shows.
        """
        if self._address is None:
            return
        watched = self.watchdog_seconds
        while True:
            line = _status_line(status())
            self._send(*(("WATCHDOG=1", line) if watched else (line,)))
            await asyncio.sleep(watched / 3 if watched else STATUS_SECONDS)

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        try:
            with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sending:
                sending.setblocking(False)
                sending.sendto("\n".join(lines).encode(), self._address)
            self._failed = False
        except OSError as error:
            if not self._failed:
                _log.warning("the service manager cannot be reached: %s", error.strerror)
            self._failed = True


def _address(name: str) -> str | None:
    """Return the address of the socket: a path, or a name in the abstract namespace."""
    if name.startswith("/"):
        return name
    return "\0" + name[1:] if name.startswith("@") and len(name) > 1 else None


def _watchdog_seconds(environ: Mapping[str, str], pid: int) -> float | None:
    wanted, whose = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not (wanted.isascii() and wanted.isdigit()) or (whose and whose != str(pid)):
        return None
    return int(wanted) / 1e6 or None


def _status_line(text: str) -> str:
    return "STATUS=" + " ".join(text.split())[:STATUS_MOST]
