"""Run all parts of the health check. A failure on Discord's side or at a site does not end the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from adapters.files.disk_thread import DiskCalls, DiskHung, DiskThread
from adapters.settings.load import Settings, SettingsError, SiteSettings, load
from core.health.result import Result, error, ok, unchecked
from startup.health.discord import check_discord_side
from startup.health.host import check_data_dir, check_files, check_packages
from startup.health.proxmox import check_site
from startup.readiness import required_setup
from ui.i18n import Text, Texts
from ui.messages.faults import fault_lines

SIDE_SECONDS = 90.0
"""Seconds that Discord, and each site, may take in all."""
AFTER_SETTINGS = ("host.data_dir", "proxmox", "discord")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SetupPlace:
    """The parts of the setup that are not settings.

    `directory`: of bot.py. `config`: config.py. `commands`: the names of the bot's commands.
    """

    directory: Path
    config: Path
    environ: Mapping[str, str]
    commands: frozenset[str]


async def check_all(place: SetupPlace) -> tuple[Text, list[Result]]:
    """Return the results of all checks, and the language to report them in."""
    found = [check_packages(place.directory / "requirements.txt")]
    files = check_files(place.config, place.environ)
    try:
        settings = load(place.config, place.environ)
    except SettingsError as fault:
        t = Texts(fault.language).public
        lines = fault_lines(t, fault.faults)
        found += [error("settings", "told", reason=line) for line in lines]
        return t, [*found, *files, *(unchecked(check) for check in AFTER_SETTINGS)]
    t = Texts(settings.language).public
    found += [ok("settings", "settings_ok"), *files, await _data_dir(t, settings, DiskThread("check"))]
    sides = [_site(site) for site in settings.sites]
    sides.append(_side(_discord(t, settings, place.commands), "discord"))
    for side in await asyncio.gather(*sides):
        found += side
    return t, found


async def _data_dir(t: Text, settings: Settings, disk: DiskCalls, *, is_ours: bool = False) -> Result:
    """Judge DATA_DIR, without waiting long for a disk that hangs."""
    try:
        return await disk.run(partial(check_data_dir, t, settings, is_ours=is_ours))
    except DiskHung:
        return error("host.data_dir", "data_dir_hung", path=str(settings.data_dir))


async def _site(site: SiteSettings) -> list[Result]:
    return await _side(check_site(site), "proxmox", site.name)


async def _discord(t: Text, settings: Settings, commands: frozenset[str]) -> list[Result]:
    return await check_discord_side(t, settings.discord_token.reveal(), required_setup(settings), commands)


async def _side(work: Awaitable[list[Result]], check: str, where: str = "") -> list[Result]:
    """Return the results of one side. A bug or an endless wait there does not affect the others."""
    try:
        async with asyncio.timeout(SIDE_SECONDS):
            return await work
    except Exception:  # noqa: BLE001 - a bug in one check must not end the others
        _log.debug("a check failed", exc_info=True)
        return [unchecked(check, where)]


class RunningCheck:
    """Check the setup while the bot runs: the bot itself and each site.

    Each of these checks runs once at a time, for all who ask: nobody takes threads and requests from others by asking
    again and again. DATA_DIR is not locked again: the bot's own lock would look like that of another bot.
    """

    def __init__(
        self, settings: Settings, directory: Path, commands: frozenset[str], disk: DiskCalls
    ) -> None:
        self._settings, self._directory, self._commands, self._disk = settings, directory, commands, disk
        self._t = Texts(settings.language).public
        self._running: dict[str, asyncio.Task[list[Result]]] = {}

    async def results(self, sites: Collection[str]) -> Sequence[Result]:
        """Return the results for these sites, and for the bot itself if all sites are named."""
        wanted = [site for site in self._settings.sites if site.name in sites]
        parts = [self._start(f"site {site.name}", partial(_site, site)) for site in wanted]
        if len(wanted) == len(self._settings.sites):
            parts = [
                self._start("host", self._host),
                *parts,
                self._start("discord", self._discord),
            ]
        return [result for part in parts for result in await asyncio.shield(part)]

    def _start(
        self, name: str, check: Callable[[], Coroutine[Any, Any, list[Result]]]
    ) -> asyncio.Task[list[Result]]:
        """Return the running check of this name, a new one if there is none."""
        running = self._running.get(name)
        if running is None or running.done():
            running = self._running[name] = asyncio.create_task(check(), name=f"check {name}")
        return running

    async def _discord(self) -> list[Result]:
        return await _side(_discord(self._t, self._settings, self._commands), "discord")

    async def _host(self) -> list[Result]:
        packages = await _side(self._packages(), "host.packages")
        return [*packages, await _data_dir(self._t, self._settings, self._disk, is_ours=True)]

    async def _packages(self) -> list[Result]:
        return [await self._disk.run(partial(check_packages, self._directory / "requirements.txt"))]
