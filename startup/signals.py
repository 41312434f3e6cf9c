"""Name the signals that end the bot."""

import signal

ENDING: tuple[int, ...] = (signal.SIGTERM, signal.SIGINT)
"""The signals of service managers and terminals, and on Linux those with which LXC halts a container.

The bot may be the first process of the container. The kernel ignores signals that the first process does not handle.
"""
if hasattr(signal, "SIGPWR"):
    ENDING += (signal.SIGPWR,)
if hasattr(signal, "SIGRTMIN"):
    ENDING += (signal.SIGRTMIN + 3,)
