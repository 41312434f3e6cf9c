"""Run calls to the disk in a thread of their own, so that a slow or hung disk does not hold up the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 1.5
"""Seconds after which a change of the journal that waits for a lock or for its turn is given up."""
HUNG_SECONDS = 2.0
"""Seconds after which a call's caller takes the disk for hung."""


class DiskHung(Exception):
    """The disk did not answer in time, or `DiskThread.close` was called."""


class DiskCalls(Protocol):
    """Run calls one after the other."""

    async def run(self, call: Callable[[], T], *, certain: bool = False) -> T:
        """Run a call after all earlier ones, and return its result.

        A call that has not begun after `HUNG_SECONDS`, or when its caller is cancelled, is never made.
        `certain`: wait for the end of a call that has begun, however long it takes.
        Raises: DiskHung, and the errors of the call. Without `certain`, a call that has begun may still succeed after
        DiskHung.
        """


class DiskThread:
    """Implement `DiskCalls` with one thread, which starts with the first call.

    It is a daemon: a hung disk does not keep the process from ending.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Queue a call. Cancelling the future withdraws a call that has not begun.

        Raises: DiskHung after `close`.
        """
        if self._closed:
            raise DiskHung
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        future: Future[T] = Future()
        self._calls.put((future, call))
        return future

    async def run(self, call: Callable[[], T], *, certain: bool = False) -> T:
        future = self.submit(call)
        done = _told_when_done(future)
        hung = asyncio.get_running_loop().call_later(HUNG_SECONDS, _wake, done)
        try:
            await done
            if not future.done():
                if future.cancel() or not certain:
                    raise DiskHung
                await _told_when_done(future)
        except asyncio.CancelledError:
            future.cancel()
            raise
        finally:
            hung.cancel()
        try:
            return future.result()
        finally:
            del future  # otherwise the traceback of an error would keep the future alive

    def run_blocking(self, call: Callable[[], T]) -> T:
        """Run a call and block until it is done. Only for the start, before the event loop has other work.

        Raises: DiskHung after `close`, and the errors of the call.
        """
        return self.submit(call).result()

    async def close(self, last: Callable[[], object] | None = None, seconds: float = HUNG_SECONDS) -> bool:
        """Make the waiting calls and then `last`, and end the thread. Return whether this took less than `seconds`.

        If there was no call yet, or the thread is closed already, `last` is not made.
        """
        if self._closed or self._thread is None:
            self._closed = True
            return True
        ended = asyncio.wrap_future(self.submit(last or _nothing))
        ended.add_done_callback(_forget)
        self._closed = True
        self._calls.put(None)
        await asyncio.wait({ended}, timeout=seconds)
        if ended.done():
            self._thread.join(0.1)  # it has nothing left to do
        return ended.done()

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            future, call = item
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:  # noqa: BLE001 - it is raised where the result is awaited
                    future.set_exception(error)
            del item, future, call  # nothing is kept alive while the thread waits


def _told_when_done(future: Future[Any]) -> asyncio.Future[None]:
    """Return a future of the running loop that is done soon after `future`.

    `asyncio.wrap_future` and `asyncio.wait` take longer, and each command uses the journal several times.
    """
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def tell(_: Future[Any]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(_wake, done)

    future.add_done_callback(tell)
    return done


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def _nothing() -> None:
    """Do nothing."""


def _forget(waiting: asyncio.Future[Any]) -> None:
    """Take the error of a call that nobody waits for any more, so that asyncio does not log it."""
    with contextlib.suppress(Exception, asyncio.CancelledError):
        waiting.exception()
