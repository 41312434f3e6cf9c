"""Take orders for the demo's cluster on standard input, and report its state on standard output.

An order is a line of JSON: {"break": "node"}, {"mend": "node"} or {"by_itself": false}. "node" is a name in
playground/cluster/breakages.py. Other lines are ignored. A report is a line: STATE and
{"broken": ["node"], "by_itself": false}.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
from collections.abc import Callable

from playground.cluster.breakages import Breakages

STATE = "state: "


class Orders:
    """Carry out orders. `now`: a clock in seconds. `tell` prints a line."""

    def __init__(self, breakages: Breakages, now: Callable[[], float], tell: Callable[[str], None]) -> None:
        self._breakages, self._now, self._tell = breakages, now, tell
        self._waiting: queue.Queue[str] = queue.Queue()
        self._told = ""
        self._by_itself, self._lived, self._since = True, 0.0, now()

    def receive(self, line: str) -> None:
        """Take a line from any thread."""
        self._waiting.put(line)

    def wait(self, seconds: float) -> None:
        """Wait for an order, at most this long, and carry it out. Report the state if it has changed."""
        with contextlib.suppress(queue.Empty):
            self._obey(self._waiting.get(timeout=seconds))
        self._tell_state()

    def lived(self) -> float:
        """Return the seconds during which the cluster acted by itself: the clock of its life."""
        return self._lived + (self._now() - self._since if self._by_itself else 0.0)

    def _obey(self, line: str) -> None:
        try:
            order = json.loads(line)
        except ValueError:
            return
        if not isinstance(order, dict):
            return
        for word, broken in (("break", True), ("mend", False)):
            if isinstance(order.get(word), str):
                self._breakages.change(order[word], broken=broken)
        if isinstance(order.get("by_itself"), bool):
            self._lived, self._since, self._by_itself = self.lived(), self._now(), order["by_itself"]

    def _tell_state(self) -> None:
        state = json.dumps({"broken": self._breakages.broken(), "by_itself": self._by_itself})
        if state != self._told:
            self._told = state
            self._tell(STATE + state)


def read_orders(receive: Callable[[str], None], ended: threading.Event) -> None:
    """Pass on each line of standard input, in a thread. Set `ended` at its end, which the parent's end causes too."""

    def read() -> None:
        rest = b""
        while part := os.read(sys.stdin.fileno(), 4096):
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                receive(line.decode(errors="replace"))
            rest = rest[-4096:]
        ended.set()
        receive("")  # ends a wait() at once

    threading.Thread(target=read, name="stdin", daemon=True).start()
