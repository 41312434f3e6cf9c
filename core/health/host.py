"""Judge the machine the bot runs on: its packages, files with secrets and the data directory."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from core.health.result import Result, error, names_text, ok, warning

FREE_LEAST, FREE_GOOD = 10 * 2**20, 200 * 2**20
"""Free bytes in DATA_DIR below which the bot cannot work, and below which a warning is given."""
_OTHERS = 0o006
"""Permission bits by which everybody on the machine may read or write."""


@dataclass(frozen=True, slots=True)
class File:
    """A file with secrets. `mode`: its permission bits."""

    setting: str
    path: str
    mode: int


@dataclass(frozen=True, slots=True)
class DataDir:
    """A DATA_DIR that can be written. `free`: bytes. `in_use`: whether a bot runs there."""

    path: str
    free: int
    in_use: bool = False


def judge_packages(python: str, wanted: Mapping[str, str], found: Mapping[str, str | None]) -> Result:
    """Compare the installed versions with those of requirements.txt."""
    other = [name for name, version in wanted.items() if found.get(name) != version]
    if not other:
        return ok("host.packages", "packages_ok", python=python, count=str(len(wanted)))
    names = [f"{name} {found.get(name) or '–'} → {wanted[name]}" for name in other]
    return warning("host.packages", "packages_other", names=names_text(names))


def judge_files(files: list[File]) -> list[Result]:
    """Judge who may read files with secrets."""
    bad = [file for file in files if file.mode & _OTHERS]
    found = [
        warning(
            "host.files",
            "file_open",
            file.setting,
            path=file.path,
            mode=f"{file.mode:03o}",
            line=f"chmod o-rwx {shlex.quote(file.path)}",
        )
        for file in bad
    ]
    return found or [ok("host.files", "files_ok")]


def judge_data_dir(seen: DataDir) -> Result:
    """Judge DATA_DIR."""
    free = f"{seen.free / 2**20:,.0f} MiB"
    if seen.free < FREE_LEAST:
        return error("host.data_dir", "data_dir_full", path=seen.path, free=free)
    if seen.free < FREE_GOOD:
        return warning("host.data_dir", "data_dir_low", path=seen.path, free=free)
    return ok("host.data_dir", "data_dir_in_use" if seen.in_use else "data_dir_ok", path=seen.path, free=free)
