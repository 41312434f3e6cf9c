"""Take the commands that make the bot's user, roles and token from the documentation, as its readers do.

`python -m tests.support.contract.documented 8` prints those for Proxmox VE 8.
"""

import re
import sys
from pathlib import Path

from core.health.privileges import ON_8

ROOT = Path(__file__).resolve().parents[3]
FILES = (ROOT / "README.en.md", *sorted((ROOT / "docs").glob("*.md")))
_BLOCK = re.compile(r"```sh\n(.*?)```", re.S)
USER, TOKEN = "discord-bot@pve", "bot"


def pveum_lines(generation: int) -> list[str]:
    """Return the commands for Proxmox VE of this generation.

    Raises: ValueError if there are none, or different ones.
    """
    blocks = {tuple(_commands(block)) for file in FILES for block in _BLOCK.findall(file.read_text("utf-8"))}
    found = [block for block in blocks if _makes_all(block)]
    if len(found) != 1:
        raise ValueError(f"{len(found)} blocks of pveum commands in the documentation")
    lines = list(found[0])
    if generation < 9:
        for new, old in ON_8.items():
            lines = [line.replace(new, old) for line in lines]
    return lines


def _commands(block: str) -> list[str]:
    return [line for line in block.splitlines() if line.startswith("pveum ")]


def _makes_all(lines: tuple[str, ...]) -> bool:
    """Return whether these commands make the whole setup, and not the smaller one for power actions only."""
    made = [line for line in lines if line.startswith("pveum role add ")]
    return len(made) > 1 and any(line.startswith(f"pveum user token add {USER} {TOKEN} ") for line in lines)


def roles(generation: int) -> dict[str, list[str]]:
    """Return the privileges of each role that the commands make. Raises: ValueError, as `pveum_lines`."""
    found = (re.match(r'pveum role add (\S+) --privs "([^"]+)"', line) for line in pveum_lines(generation))
    return {match[1]: match[2].split() for match in found if match}


def granted(generation: int) -> dict[str, set[str]]:
    """Return the privileges by path that the commands grant to the token, and to its user.

    Raises: ValueError, as `pveum_lines`, and if the two are granted different privileges.
    """
    made = roles(generation)
    found: dict[str, dict[str, set[str]]] = {"users": {}, "tokens": {}}
    for line in pveum_lines(generation):
        if match := re.match(r"pveum acl modify (\S+) ((?:--(?:users|tokens) \S+ )+)--roles (\w+)$", line):
            for who in re.findall(r"--(users|tokens) ", match[2]):
                found[who].setdefault(match[1], set()).update(made[match[3]])
    if found["users"] != found["tokens"]:
        raise ValueError("the user and its token are granted different privileges")
    return found["tokens"]


if __name__ == "__main__":
    sys.stdout.write("\n".join(pveum_lines(int(sys.argv[1]))) + "\n")
