"""Renew the hashes in the requirements files after a version was changed: `python -m tools.pins`.

This asks uv (not among the requirements: `pip install uv`) for every file of every package, for all systems and all
Pythons from 3.11 on. Versions, order and comments stay as written. New dependencies of the packages are added at
the end of requirements-dev.txt.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = ("requirements.txt", "requirements-demo.txt", "requirements-dev.txt")
PIN = re.compile(r"(?P<name>[\w.-]+)(?:\[[\w,]+\])?==(?P<version>[^\s;]+)")
HASH = re.compile(r"sha256:[0-9a-f]{64}")


def name_of(pin: str) -> str:
    """Return the normalized package name that registries compare: `discord.py` becomes `discord-py`."""
    match = PIN.match(pin)
    return re.sub(r"[-_.]+", "-", match["name"]).lower() if match else ""


def bare(text: str) -> list[str]:
    """Return the lines of a requirements file without hashes."""
    joined = text.replace("\\\n", " ")
    return [re.sub(r"\s+--hash=\S+", "", line).rstrip() for line in joined.splitlines()]


def locked(pins: list[str]) -> dict[str, tuple[str, list[str]]]:
    """Resolve the pins with uv. Return, by name, the line with its marker and the hashes of all its files.

    Raises: SystemExit, if uv is missing or fails.
    """
    uv = shutil.which("uv")
    if uv is None:
        raise SystemExit("uv is needed: python -m pip install uv")
    options = ("--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate")
    done = subprocess.run(
        [uv, "pip", "compile", "--quiet", *options, "-"],
        input="\n".join(pins),
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    text = done.stdout.replace("\\\n", " ")
    return {
        name_of(line): (line.split("--hash")[0].strip(), HASH.findall(line)) for line in text.splitlines()
    }


def with_hashes(lines: list[str], found: dict[str, tuple[str, list[str]]]) -> str:
    """Return the file's text: each pin with its marker, followed by its hashes, one per line."""
    text = ""
    for line in lines:
        pin = PIN.match(line)
        if pin is None:
            text += f"{line}\n"
            continue
        pinned, hashes = found.pop(name_of(line))
        marker = pinned.partition(";")[2].strip()
        parts = [f"{pin[0]} ; {marker}" if marker else pin[0], *(f"--hash={each}" for each in hashes)]
        text += " \\\n    ".join(parts) + "\n"
    return text


def main() -> int:
    """Rewrite all files, and return 0. Raises: SystemExit, as `locked` does."""
    files = {name: bare((ROOT / name).read_text("utf-8")) for name in FILES}
    found = locked([line for lines in files.values() for line in lines if PIN.match(line)])
    known = {name_of(line) for lines in files.values() for line in lines}
    files[FILES[-1]] += [
        pinned.partition(";")[0].strip() for name, (pinned, _) in found.items() if name not in known
    ]
    for name, lines in files.items():
        (ROOT / name).write_text(with_hashes(lines, found), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
