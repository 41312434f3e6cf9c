"""Limit the time of each step of the health check and of the first run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")

STEP_SECONDS = 20.0
"""Maximum seconds of a step."""


class Late(Exception):
    """A step did not end in time."""


async def in_time(work: Awaitable[T], seconds: float = STEP_SECONDS) -> T:
    """Return the result of a step. Raises: Late, and the errors of the step."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError as error:
        raise Late from error
