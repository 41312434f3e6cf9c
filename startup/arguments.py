"""Read the command line."""

import argparse
from collections.abc import Sequence
from pathlib import Path


def parse_arguments(arguments: Sequence[str] | None, config: Path) -> argparse.Namespace:
    """Return `demo`, `config` and `port`. `config`: its default."""
    parser = argparse.ArgumentParser(prog="bot.py", description="Manage and watch Proxmox VE from Discord.")
    parser.add_argument("--demo", action="store_true", help="try it without account or server")
    parser.add_argument("--config", type=Path, default=config, metavar="PATH", help="another config.py")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="port of the demo's page")
    return parser.parse_args(arguments)
