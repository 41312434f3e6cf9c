"""Run all checks of the doctor. A failure ends none of the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.settings.load import Settings, SettingsError, load
from core.health.result import Result, error, ok, unchecked
from startup.doctor.discord import check_discord_side
from startup.doctor.host import check_data_dir, check_files, check_packages
from startup.doctor.proxmox import check_site
from startup.readiness import required_setup
from ui.i18n import Text, Texts
from ui.messages.faults import fault_lines

SIDE_SECONDS = 90.0
"""Seconds that Discord, and each site, may take in all."""
AFTER_SETTINGS = ("host.data_dir", "proxmox", "discord")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the set-up is. `commands`: the names of the bot's commands."""

    directory: Path
    config: Path
    environ: Mapping[str, str]
    commands: frozenset[str]


async def check_all(place: Place) -> tuple[Text, list[Result]]:
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
    found += [ok("settings", "settings_ok"), *files, check_data_dir(t, settings)]
    sides = [_side(check_site(site), "proxmox", site.name) for site in settings.sites]
    sides.append(_side(_discord(t, settings, place.commands), "discord"))
    for side in await asyncio.gather(*sides):
        found += side
    return t, found


async def _discord(t: Text, settings: Settings, commands: frozenset[str]) -> list[Result]:
    return await check_discord_side(t, settings.discord_token.reveal(), required_setup(settings), commands)


async def _side(work: Awaitable[list[Result]], check: str, where: str = "") -> list[Result]:
    """Return the results of one side. A bug there, or a wait without end, leaves the others alone."""
    try:
        async with asyncio.timeout(SIDE_SECONDS):
            return await work
    except Exception:  # noqa: BLE001 - a bug in one check must not end the others
        _log.debug("a check failed", exc_info=True)
        return [unchecked(check, where)]


async def check_running(
    settings: Settings, directory: Path, commands: frozenset[str], sites: Collection[str]
) -> Sequence[Result]:
    """Return the results for these sites while the bot runs. What it has once is checked if all are named.

    DATA_DIR is not locked again: the lock of this process would be lost with the second one.
    """
    t = Texts(settings.language).public
    wanted = [site for site in settings.sites if site.name in sites]
    sides = [_side(check_site(site), "proxmox", site.name) for site in wanted]
    found: list[Result] = []
    if len(wanted) == len(settings.sites):
        found = [check_packages(directory / "requirements.txt"), check_data_dir(t, settings, is_ours=True)]
        sides.append(_side(_discord(t, settings, commands), "discord"))
    for side in await asyncio.gather(*sides):
        found += side
    return found
