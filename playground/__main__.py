"""Run the demo with `python -m playground`. Only the packages of requirements-demo.txt have to be installed."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import sys

_NEEDED = ("aiohttp", "discord", "simcord", "markdown_it", "linkify_it", "regex", "PIL", "fakepve")


def main(arguments: list[str] | None = None) -> int:
    """Run the demo and return the exit code.

    0: the user ended it. 1: a part failed, or no port was free. 2: packages are missing.
    """
    parser = argparse.ArgumentParser(prog="python -m playground", description=__doc__)
    parser.add_argument(
        "--port", type=_port, default=0, help="first port of the page; any free ones by default"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address that serves the page, for a container: 0.0.0.0"
    )
    parser.add_argument("--verbose", action="store_true", help="show what the bot and the cluster write")
    parser.add_argument(
        "--one-site", action="store_true", help="one Proxmox cluster, without the second site"
    )
    parser.add_argument("--calm", action="store_true", help="nothing happens by itself (for the pictures)")
    options = parser.parse_args(arguments)
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print(
            f"デモに必要なパッケージがありません · packages missing for the demo: {', '.join(missing)}\n"
            "  python -m pip install -r requirements-demo.txt",
            file=sys.stderr,
        )
        return 2
    from playground.demo import Demo  # noqa: PLC0415  # only once its requirements are known to exist

    demo = Demo(**vars(options))
    return asyncio.run(demo.run())


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65533:
        raise argparse.ArgumentTypeError(
            "a number from 0 to 65533 is needed, because the page takes three ports"
        )
    return number


if __name__ == "__main__":
    sys.exit(main())
