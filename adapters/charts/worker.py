"""Draw pictures for the bot, as a process of its own: `python -m adapters.charts.worker`.

It reads drawings from its standard input and writes pictures to its standard output: each with a head of one letter
and its length. It ends when its input ends, even in the middle of a picture: so it never outlives the bot.
"""

import contextlib
import os
import queue
import sys
import tempfile
import threading
from pathlib import Path
from typing import BinaryIO

from adapters.charts.frames import FAILED, PICTURE, WANTED, read_frame, write_frame
from core.charts.drawing import decode

REASON_MOST = 500  # characters
MEMORY_MOST = 768 * 1024 * 1024
"""Maximum bytes of data of this process. A picture of all panels takes about 200 MiB."""


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # the output of a library must not get between the pictures
    wanted: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, wanted), daemon=True).start()
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(5)  # the bot's own work comes first
    with contextlib.suppress(OSError):  # where memory runs out, Linux ends this process and not the bot
        Path("/proc/self/oom_score_adj").write_text("1000")
    _limit_memory()
    # matplotlib wants a place for its settings. It has none, and reads no fonts but those that it ships
    with tempfile.TemporaryDirectory() as place:
        os.environ.update(MPLCONFIGDIR=place, MPL_IGNORE_SYSTEM_FONTS="1", MPLBACKEND="agg")
        from adapters.charts.figure import draw  # noqa: PLC0415  # after the settings; and a bot never imports it
    while True:
        try:
            picture = draw(decode(wanted.get()))
        except Exception as error:  # noqa: BLE001 - the bot logs it, and the next picture may succeed
            write_frame(answers, FAILED, f"{type(error).__name__}: {error}"[:REASON_MOST].encode())
            if isinstance(error, MemoryError):
                os._exit(1)  # part of the memory may still be in use
        else:
            write_frame(answers, PICTURE, picture)


def _limit_memory() -> None:
    """Make a picture that takes too much memory fail, where the system has a limit. On Linux it covers all data."""
    with contextlib.suppress(ImportError, AttributeError, OSError, ValueError):
        import resource  # noqa: PLC0415  # only Unix has it

        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        limit = MEMORY_MOST if most == resource.RLIM_INFINITY else min(MEMORY_MOST, most)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, most))


def _read(source: BinaryIO, wanted: "queue.SimpleQueue[bytes]") -> None:
    """Pass on the bot's requests. End the process when its input ends, even in the middle of a picture."""
    while True:
        kind, data = read_frame(source)
        if kind != WANTED:
            os._exit(0)
        wanted.put(data)


if __name__ == "__main__":
    main()
