"""Keep the process small, and its pauses short.

docs/performance.md has the figures.
"""

import ctypes
import gc
import sys

_MMAP_THRESHOLD, _TRIM_THRESHOLD, _ARENA_MAX = -3, -1, -8
"""Options of glibc's `mallopt` (malloc.h)."""
LARGE = 256 * 1024
"""Minimum bytes of a block that gets its own mapping, and of free memory at the heap's end that is given back."""
ARENAS = 2
"""Maximum number of heaps of the C library, which its threads share. By default it is eight for each core."""


def limit_heap() -> None:
    """Let the C library give memory back: otherwise it keeps the memory of one large answer, in each thread.

    By default the library raises its threshold for large blocks whenever a large block is freed. Only glibc has these
    options.
    """
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None)
    mallopt = getattr(library, "mallopt", None)
    if mallopt is None:  # musl has none, and gives memory back by itself
        return
    mallopt(_MMAP_THRESHOLD, LARGE)
    mallopt(_TRIM_THRESHOLD, LARGE)
    mallopt(_ARENA_MAX, ARENAS)


def settle_memory() -> None:
    """Enable the garbage collector, and let it skip all present objects, because they stay until the end.

    Call this once everything is imported. Otherwise each full collection would walk them while all threads wait.
    """
    gc.enable()
    gc.collect()
    gc.freeze()
