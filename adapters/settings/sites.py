"""Make the settings of each site, and compare the sites with each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from adapters.settings.checked import SiteSettings
from adapters.settings.entry_points import address_key, entry_points, written
from adapters.settings.faults import Fault, FaultKind, SettingRejected
from adapters.settings.scopes import rules_of_site
from adapters.settings.sources import Origin, Parsed
from adapters.settings.table import SITE_ROWS, names_of
from adapters.settings.written_sites import WrittenSite
from core.entry_point import EntryPoint


def mixed_forms(origin: Origin, sites: Sequence[WrittenSite]) -> list[Fault]:
    """Return a fault if settings of a site are also given for the whole bot. `origin`: of the bot's settings."""
    plain = [name for name in names_of(SITE_ROWS) if name in origin.variables or name in origin.config]
    if not plain:
        return []
    variable = next((site.variable_prefix + name for site in sites for name in site.variables), "SITES")
    label = "SITES" if origin.config.get("SITES") else variable
    return [Fault(FaultKind.BOTH_FORMS, label, other=", ".join(plain))]


def site_settings(
    name: str, parsed: Parsed, points: tuple[EntryPoint, ...], bot: Mapping[str, Any], first: str
) -> SiteSettings:
    """Put a site together from its own values and those of the bot.

    `name`: as in the configuration. `first`: the site that is meant where none is named.
    """
    own = parsed.values
    rules = rules_of_site(name, first, bot["role_scopes"], bot["protected_vm_ids"])
    return SiteSettings(
        name=name,
        entry_points=points,
        proxmox_user=own["proxmox_user"],
        proxmox_token_name=own["proxmox_token_name"],
        proxmox_token_value=own["proxmox_token_value"],
        node_name=own["node_name"],
        monitor_vm_ids=own["monitor_vm_ids"],
        proxmox_verify_ssl=own["proxmox_verify_ssl"],
        alert_channel_id=own["alert_channel_id"] or bot["alert_channel_id"],
        role_scopes=rules.scopes,
        protected_vm_ids=rules.protected,
        proxmox_web_url=own["proxmox_web_url"],
    )


def entry_points_of(parsed: Parsed, faults: list[Fault]) -> tuple[EntryPoint, ...]:
    """Return the entry points of a site, and add the faults between addresses and fingerprints to `faults`."""
    addresses, pins = parsed.values.get("proxmox_host"), parsed.values.get("proxmox_fingerprint")
    if addresses is None:
        return ()
    try:
        return entry_points(addresses, pins, parsed.given.get("PROXMOX_FINGERPRINT"))
    except SettingRejected as refused:
        faults.extend(refused.faults)
        return ()


def shared_entry_points(sites: Iterable[Parsed]) -> list[Fault]:
    """Return a fault for each entry point that an earlier site has too."""
    names, faults = dict[tuple[str, int], str](), list[Fault]()
    for parsed in sites:
        given = parsed.given.get("PROXMOX_HOST")
        if given is None:
            continue
        for address in parsed.values["proxmox_host"]:
            other = names.setdefault(address_key(address), given.name)
            if other != given.name:
                faults.append(given.fault(FaultKind.DUPLICATE_HOST, written(address), other=other))
    return faults
