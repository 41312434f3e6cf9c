"""Load config.py and the environment into one frozen `Settings`, and report all faults at once.

adapters/settings/sources.py finds the raw values, the rows of adapters/settings/table.py parse them. No secret ever
appears in an error or in a local variable of the frame that raises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

from adapters.settings.access import access_faults
from adapters.settings.alerts import QuietHours, minute_of_day
from adapters.settings.checked import Settings, SiteSettings
from adapters.settings.credentials import with_credentials
from adapters.settings.faults import Fault, FaultKind, Secret, printable
from adapters.settings.scopes import scopes_without_site
from adapters.settings.sites import entry_points_of, mixed_forms, shared_entry_points, site_settings
from adapters.settings.sources import Origin, Parsed, parse_rows, read_config, secrets_in
from adapters.settings.table import (
    BOT_ROWS,
    KNOWN_NAMES,
    SETTINGS,
    SITE_NAMES,
    SITE_SETTINGS,
    Setting,
    names_of,
)
from adapters.settings.values import Language
from adapters.settings.written_sites import find_sites, values_of_sites, variable_faults

__all__ = [
    "KNOWN_NAMES",
    "SETTINGS",
    "Fault",
    "FaultKind",
    "Language",
    "QuietHours",
    "Secret",
    "Setting",
    "Settings",
    "SettingsError",
    "SiteSettings",
    "language_of",
    "load",
    "minute_of_day",
]


_FIELDS = frozenset(field.name for field in fields(Settings))


class SettingsError(Exception):
    """All faults of the configuration, and the language in which to report them."""

    def __init__(self, faults: tuple[Fault, ...], language: Language = "ja") -> None:
        super().__init__(faults, language)
        self.faults = faults
        self.language = language


def load(config_path: Path, environ: Mapping[str, str]) -> Settings:
    """Read config.py (may be absent) and the environment. The environment has priority.

    An empty value, or None in config.py, counts as not given. DATA_DIR is created if it is missing.
    Raises: SettingsError with all faults.
    """
    secrets = [row.name for row in SETTINGS if row.secret]
    outcome = _read(config_path, with_credentials(environ, secrets))
    del environ  # a traceback that prints locals must not print the secrets in it
    if isinstance(outcome, SettingsError):
        raise outcome
    return outcome


def language_of(environ: Mapping[str, str], configured: object = None) -> Language:
    """Return the language of faults: a valid LANGUAGE (environment, then config.py), else that of the locale.

    Japanese for a Japanese locale, for C, and if none is set; else English.
    """
    for word in (environ.get("LANGUAGE"), configured):
        if isinstance(word, str) and word.strip().lower() in ("ja", "en"):
            return "ja" if word.strip().lower() == "ja" else "en"
    system = (environ.get(name, "").strip() for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next(filter(None, system), "C")
    return "ja" if re.match(r"(?:ja|c|posix)(?:[^a-z]|$)", locale, re.I) else "en"


def _read(config_path: Path, environ: Mapping[str, str]) -> Settings | SettingsError:
    config_path = config_path.absolute()
    faults = list[Fault]()
    names = set(KNOWN_NAMES) - {"SITES"}  # in the environment, sites have variables of their own
    variables: dict[str, object] = {name: environ[name] for name in names if environ.get(name, "").strip()}
    if re.search(r"[_:.@]", str(variables.get("LANGUAGE"))):
        del variables["LANGUAGE"]  # gettext's variable of the same name ("en_US:en"), set by many desktops
    config, state = read_config(config_path, faults)
    language = language_of(environ, config.get("LANGUAGE"))
    rows = config.get("SITES")
    sites = find_sites(SITE_NAMES, environ, rows)
    required = names_of(row for row in SETTINGS if row.required)
    if state == "absent" and not sites and not variables.keys() & set(required):
        return SettingsError(
            (Fault(FaultKind.NO_CONFIG, config_path.name, printable(config_path)),), language
        )
    known = None if state == "broken" or (rows and not sites) else tuple(site.name for site in sites)
    hide = secrets_in((variables, config, *values_of_sites(SITE_NAMES, environ, rows)))
    origin = Origin(variables, config, config_path.parent, hide, known)
    plain = not sites and not rows
    if not plain:
        faults += mixed_forms(origin, sites)
    faults += variable_faults(SITE_NAMES, environ, sites)
    read = partial(parse_rows, faults=faults, complete=state != "broken")
    bot = read(SETTINGS if plain else BOT_ROWS, origin)
    parsed = {"": bot} if plain else {site.name: read(SITE_SETTINGS, origin.of_site(site)) for site in sites}
    settings = _put_together(bot, parsed, faults)
    return SettingsError(tuple(faults), language) if settings is None else settings


def _put_together(bot: Parsed, sites: Mapping[str, Parsed], faults: list[Fault]) -> Settings | None:
    """Return the settings, or None if there are faults. Add the faults between settings to `faults`."""
    points = {name: entry_points_of(parsed, faults) for name, parsed in sites.items()}
    faults += shared_entry_points(sites.values())
    faults += access_faults(bot.values)
    first = next(iter(sites)) if len(sites) == 1 else bot.values.get("first_site", "")
    if first is None:
        faults += scopes_without_site(bot.given.get("ROLE_SCOPES"), bot.values.get("role_scopes") or {})
    if faults:
        return None
    built = tuple(
        site_settings(name, parsed, points[name], bot.values, str(first)) for name, parsed in sites.items()
    )
    if len(built) == 1:
        built = (replace(built[0], name=""),)
    own = {name: value for name, value in bot.values.items() if name in _FIELDS}
    return Settings(**own | {"sites": built, "first_site": first or None})
