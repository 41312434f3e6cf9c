"""Draw pictures for the bot, as a process of its own: `python -m adapters.charts.worker`.

It reads drawings from its standard input, and answers each on its standard output with a picture, or the reason why
there is none (adapters/charts/frames.py). It ends when its input ends, even in the middle of a picture, so that it
never outlives the bot.
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

REASON_MOST = 500
"""Maximum characters of the reason why there is no picture."""
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
    # matplotlib wants a folder for its settings, and gets an empty one. It looks for no fonts besides its own
    with tempfile.TemporaryDirectory() as place:
        os.environ.update(MPLCONFIGDIR=place, MPL_IGNORE_SYSTEM_FONTS="1", MPLBACKEND="agg")
        from adapters.charts.figure import draw  # noqa: PLC0415  # it reads these variables when imported
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
    """Limit the memory of this process where the system can, so that a picture that takes too much fails.

    On Linux the limit covers all data, on other systems only the heap.
    """
    with contextlib.suppress(ImportError, AttributeError, OSError, ValueError):
        import resource  # noqa: PLC0415  # only Unix has it

        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        limit = MEMORY_MOST if most == resource.RLIM_INFINITY else min(MEMORY_MOST, most)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, most))


def _read(source: BinaryIO, wanted: "queue.SimpleQueue[bytes]") -> None:
    """Queue the bot's drawings. End the process when the input ends, even in the middle of a picture."""
    while True:
        kind, data = read_frame(source)
        if kind != WANTED:
            os._exit(0)
        wanted.put(data)


if __name__ == "__main__":
    main()
