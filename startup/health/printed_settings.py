"""Print the settings as the bot understands them, without secrets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from adapters.settings.load import Secret, Settings, SiteSettings

MASK = "***"


def settings_lines(settings: Settings) -> Iterator[str]:
    """Yield a line for each setting: those of the bot, then those of each site."""
    for field in fields(settings):
        if field.name != "sites":
            yield f"{field.name.upper()} = {_shown(getattr(settings, field.name))}"
    for site in settings.sites:
        label = f'SITES["{site.name}"].' if site.name else ""
        yield from (f"{label}{line}" for line in _site_lines(site))


def _site_lines(site: SiteSettings) -> Iterator[str]:
    hosts = [
        f"[{point.host}]:{point.port}" if ":" in point.host else f"{point.host}:{point.port}"
        for point in site.entry_points
    ]
    pins = {
        host: point.fingerprint
        for host, point in zip(hosts, site.entry_points, strict=True)
        if point.fingerprint
    }
    yield f"PROXMOX_HOST = {hosts!r}"
    yield f"PROXMOX_FINGERPRINT = {pins!r}"
    for field in fields(site):
        if field.name not in ("name", "entry_points"):
            yield f"{field.name.upper()} = {_shown(getattr(site, field.name))}"


def _shown(value: object) -> str:
    """Return a value in Python's notation. A secret is masked."""
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, dict):
        scopes = {key: [f"{scope.kind}:{scope.value}" for scope in some] for key, some in value.items()}
        return repr(scopes)
    if isinstance(value, Path) or type(value).__module__ != "builtins":
        return repr(str(value))
    return repr(list(value) if isinstance(value, tuple) else value)
