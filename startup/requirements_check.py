"""Check the requirements before they are imported: Python 3.11, and the packages of requirements.txt.

bot.py imports this first. `make` runs it as a script: then only the version of Python is checked. An old Python must
be able to read bot.py and this file, so both use only the syntax of Python 3.6. This file uses only that version's
library.
"""

import contextlib
import os
import re
import sys

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - works in an old Python
NEEDED = (3, 11)
SHOWN = 5
"""Maximum number of missing packages that are named."""
OLD_PYTHON = (
    "このボットには Python {needed} 以降が必要です（今の Python は {found}）。"
    "`python{needed} bot.py` のように、新しい Python で動かしてください。\n"
    "This bot needs Python {needed} or newer, and this is {found}. Run it with a newer one: python{needed} bot.py"
)
MISSING_PACKAGES = (
    "必要なパッケージがありません: {names}。`{python} -m pip install -r requirements.txt` で"
    "入れるか、入れてある環境の Python（.venv/bin/python など）で動かしてください。\n"
    "Packages are missing: {names}. Install them with: {python} -m pip install -r requirements.txt "
    "(or run the bot with the Python of the environment that has them, such as .venv/bin/python)"
)
_PIN = re.compile(r"^([\w.-]+)(?:\[[\w,]+\])?==\S+(?: *; *python_(?:full_)?version *>= *['\"]3\.(\d+)['\"])?")


def missing_requirements() -> str:
    """Return a message in both languages about anything missing, with the command that helps; else ""."""
    if old_python():
        return old_python()
    missing = missing_packages(os.path.join(HERE, "requirements.txt"))  # noqa: PTH118 - works in an old Python
    if not missing:
        return ""
    names = ", ".join(missing[:SHOWN]) + (", …" if len(missing) > SHOWN else "")
    return MISSING_PACKAGES.format(names=names, python=sys.executable or "python3")


def old_python() -> str:
    """Return a message that this Python is too old, with the command that helps; "" if it is not."""
    if sys.version_info >= NEEDED:
        return ""
    return OLD_PYTHON.format(needed="{}.{}".format(*NEEDED), found="{}.{}.{}".format(*sys.version_info[:3]))


def missing_packages(file: str) -> "list[str]":
    """Return the packages of a requirements file that are not installed; none if there is no file."""
    try:
        with open(file, encoding="utf-8") as lines:  # noqa: PTH123 - works in an old Python
            pins = [found for found in map(_PIN.match, lines) if found]
    except OSError:
        return []
    wanted = [pin.group(1) for pin in pins if not pin.group(2) or sys.version_info >= (3, int(pin.group(2)))]
    there = _installed_packages()
    return [name for name in wanted if _normalized(name) not in there]


def _installed_packages() -> "set[str]":
    """Return the names of the packages that this Python finds.

    Each has a folder or file of its own (PyPA, "Recording installed projects"). importlib.metadata would read them
    all, which takes a tenth of the whole start.
    """
    found = set()
    for folder in sys.path:
        with contextlib.suppress(OSError):
            for entry in os.listdir(folder or "."):  # noqa: PTH208 - works in an old Python
                if entry.endswith((".dist-info", ".egg-info")):
                    found.add(_normalized(entry.rpartition(".")[0].split("-")[0]))
    return found


def _normalized(name: str) -> str:
    """Return the name of a package in the form in which names are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(old_python() or 0)
