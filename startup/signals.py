"""Name the signals that end the bot."""

import signal

ENDING: tuple[int, ...] = (signal.SIGTERM, signal.SIGINT)
"""Those of every service manager and terminal, and on Linux those with which LXC halts a container: the bot may be
its first process, and the kernel ignores what the first process does not handle."""
if hasattr(signal, "SIGPWR"):
    ENDING += (signal.SIGPWR,)
if hasattr(signal, "SIGRTMIN"):
    ENDING += (signal.SIGRTMIN + 3,)
