"""Provide threads that do not delay the end of the process."""

import logging
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

JOIN_SECONDS = 0.3
"""Seconds to wait for the other threads at the end. Idle ones need no more."""


class UnjoinedThreads(ThreadPoolExecutor):
    """A pool that does not wait for its threads at the end.

    A DNS look-up may hang for half a minute and cannot be cut.
    """

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002  # as in Executor
        super().shutdown(wait=False, cancel_futures=True)


def exit_process(code: int) -> NoReturn:
    """End the process with this exit code, even while a thread hangs. Python itself would wait for the thread."""
    end = time.monotonic() + JOIN_SECONDS
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(max(0.0, end - time.monotonic()))
    if threading.active_count() > 1:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
