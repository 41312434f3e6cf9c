"""Leave the log of the core out of simulations, where thousands of planned faults would fill it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_core() -> Iterator[None]:
    """Log nothing of the core in this block."""
    logger = logging.getLogger("core")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
