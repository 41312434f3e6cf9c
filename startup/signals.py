"""Name the signals that the bot handles. Each of them ends it."""

import signal

ENDING: tuple[int, ...] = (signal.SIGTERM, signal.SIGINT)
"""SIGTERM of service managers, SIGINT of Ctrl-C, and on Linux those with which LXC halts a container.

The bot may be the first process of the container. The kernel ignores signals that the first process does not handle.
"""
if hasattr(signal, "SIGPWR"):
    ENDING += (signal.SIGPWR,)
if hasattr(signal, "SIGRTMIN"):
    ENDING += (signal.SIGRTMIN + 3,)
