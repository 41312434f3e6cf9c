"""Threads that do not hold up the end of the process."""

import logging
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

JOIN_SECONDS = 0.3
"""How long the other threads are waited for: those that are idle need no more."""


class UnjoinedThreads(ThreadPoolExecutor):
    """Its end is not waited for: the look-up of a name may hang for half a minute, and nothing can cut it."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=True)


def exit_process(code: int) -> NoReturn:
    """End the process with this exit code, also while a thread hangs, which Python itself would wait for."""
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
