"""Start the demo instead of the bot."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn


def run_demo(directory: Path, port: int) -> NoReturn:
    """Replace this process by the playground in `directory`, which starts bot.py itself. `port`: port of its page."""
    if find_spec("simcord") is None or find_spec("fakepve") is None:
        sys.stderr.write(
            "The demo needs more packages: pip install -r requirements-demo.txt (or: make demo)\n"
        )
        sys.exit(2)
    os.chdir(directory)
    os.execv(sys.executable, [sys.executable, "-m", "playground", "--port", str(port)])  # noqa: S606 - the same Python, no shell
