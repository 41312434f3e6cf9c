"""Read discord.py's own state of its connection."""

from __future__ import annotations

import time

import discord


def acknowledged_age(client: discord.Client) -> float | None:
    """Return the seconds since Discord last acknowledged a heartbeat of the gateway, None without a connection.

    Until the first acknowledgement they count from the beginning of the connection.
    """
    kept = getattr(client.ws, "_keep_alive", None)  # discord.py shows only the latency
    acknowledged = getattr(kept, "_last_ack", None)
    return None if acknowledged is None else max(0.0, time.perf_counter() - acknowledged)
