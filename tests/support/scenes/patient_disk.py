"""Let the bot wait for the disk as long as a busy machine needs, so that a test of minutes meets no false hang."""

import contextlib
from collections.abc import Iterator
from unittest.mock import patch

from adapters.files import disk_thread
from adapters.journal import off_loop
from core.audit import trail
from core.watch import change_queue

SECONDS = 60.0
"""Real seconds instead of the bot's two. A process that stands still for two takes the disk for hung."""


@contextlib.contextmanager
def patient_disk() -> Iterator[None]:
    """Use `SECONDS` in this block. Tests of a disk that hangs do without it."""
    with contextlib.ExitStack() as stack:
        for module, name in (
            (disk_thread, "HUNG_SECONDS"),
            (off_loop, "PATIENCE_SECONDS"),
            (trail, "WAIT_SECONDS"),
            (change_queue, "WAIT_SECONDS"),
        ):
            stack.enter_context(patch.object(module, name, SECONDS))
        yield
