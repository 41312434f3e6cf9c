"""Read the machine: Python, packages, files and the data directory."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from adapters.files.data_lock import (
    LOCK_NAME,
    DataDirInUse,
    lock_data_dir,
    refuse_foreign_files,
)
from adapters.settings.load import Settings
from core.health.host import DataDir, File, judge_data_dir, judge_files, judge_packages
from core.health.result import Result, error
from startup.data_dir import StartFailed, start_failures
from ui.i18n import Text

_PIN = re.compile(r"^([\w.-]+)(?:\[[\w,]+\])?==([^\s;]+)( *;)?", re.M)


def check_packages(requirements: Path) -> Result:
    """Compare the installed packages with requirements.txt, except those that only some versions of Python need."""
    text = requirements.read_text("utf-8") if requirements.is_file() else ""
    wanted = {name: pinned for name, pinned, marker in _PIN.findall(text) if not marker}
    found: dict[str, str | None] = {}
    for name in wanted:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return judge_packages(platform.python_version(), wanted, found)


def check_files(config: Path, environ: Mapping[str, str]) -> list[Result]:
    """Judge who may read config.py and the files with secrets that variables name."""
    named = {"config.py": config}
    named |= {
        name: Path(value)
        for name, value in environ.items()
        if re.fullmatch(r"(SITE_.+_)?(DISCORD_TOKEN|PROXMOX_TOKEN_VALUE|HEARTBEAT_URL)_FILE", name) and value
    }
    files = []
    for setting, path in named.items():
        with contextlib.suppress(OSError):
            files.append(File(setting, str(path), path.stat().st_mode & 0o777))
    return judge_files([] if os.name == "nt" else files)


def check_data_dir(t: Text, settings: Settings, *, is_ours: bool = False) -> Result:
    """Write a file into DATA_DIR, and see whether a bot runs there. Nothing is left behind.

    The lock is taken only if its file exists: a new file would belong to the user of this check, and not to the user
    of the bot.
    `is_ours`: this process is the bot that uses the data directory.
    """
    path, in_use, free = settings.data_dir, is_ours, 0
    try:
        with start_failures(t, path):
            with tempfile.NamedTemporaryFile(dir=path, prefix=".check-"):
                free = shutil.disk_usage(path).free
            refuse_foreign_files(path)
            if not is_ours and (path / LOCK_NAME).exists():
                try:
                    lock_data_dir(path).release()
                except DataDirInUse:
                    in_use = True
    except StartFailed as fault:
        return error("host.data_dir", "told", reason=str(fault))
    return judge_data_dir(DataDir(str(path), free, in_use))
