"""Test the settings of several sites, their faults, and that no secret of a site is shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters.settings import load as settings
from adapters.settings.faults import Fault, FaultKind, Secret
from adapters.settings.load import EntryPoint, Settings
from adapters.settings.table import SITE_ROWS
from adapters.settings.written_sites import variable_of
from tests.adapters.settings.test_load import GOOD, VALUE, faults

K = FaultKind
ROLE, OTHER = 423456789012345678, 523456789012345678
PINS = [":".join([pair] * 32) for pair in ("0A", "1B", "2C")]
HOME_VALUE, COLO_VALUE = "1123abcd-4567-89ab-cdef-0123456789ab", "correct,horse-battery"
PLAIN = {row.name for row in SITE_ROWS}
BOT = {name: text for name, text in GOOD.items() if name not in PLAIN} | {"ADMIN_ROLE_IDS": str(ROLE)}
HOME: dict[str, Any] = {
    "PROXMOX_HOST": ["pve1.example.com", "pve2.example.com:443"],
    "PROXMOX_USER": "bot@pve",
    "PROXMOX_TOKEN_NAME": "discord",
    "PROXMOX_TOKEN_VALUE": HOME_VALUE,
    "NODE_NAME": "pve1",
}
COLO: dict[str, Any] = HOME | {
    "PROXMOX_HOST": "203.0.113.5",
    "PROXMOX_TOKEN_VALUE": COLO_VALUE,
    "MONITOR_VM_IDS": [101],
    "PROXMOX_VERIFY_SSL": False,
    "ALERT_CHANNEL_ID": 723456789012345678,
}


def config_of(sites: object, more: str = "") -> str:
    return f"SITES = {sites!r}\n{more}\n"


def loaded(tmp: Path, sites: object, more: str = "", **variables: str) -> Settings:
    (tmp / "config.py").write_text(config_of(sites, more), encoding="utf-8")
    return settings.load(tmp / "config.py", BOT | variables)


def refused(tmp: Path, sites: object, more: str = "", **variables: str) -> tuple[Fault, ...]:
    """Return the faults, and check that none of them shows a secret of a site."""
    (tmp / "config.py").write_text(config_of(sites, more), encoding="utf-8")
    found = faults(tmp / "config.py", BOT | variables)
    assert not [secret for secret in (HOME_VALUE, COLO_VALUE, "battery") if secret in repr(found)]
    return found


def one(tmp: Path, sites: object, more: str = "", **variables: str) -> Fault:
    (fault,) = refused(tmp, sites, more, **variables)
    return fault


def home(**changed: object) -> dict[str, object]:
    """Return HOME with other values; None removes one."""
    return {name: value for name, value in (HOME | changed).items() if value is not None}


BOTH = {"home": HOME, "colo": COLO}

# --- good sites ---


def test_two_sites(tmp_path: Path) -> None:
    found = loaded(tmp_path, BOTH)
    first, second = found.sites
    assert (first.name, second.name, found.first_site) == ("home", "colo", None)
    assert first.entry_points == (
        EntryPoint("pve1.example.com", 8006, None),
        EntryPoint("pve2.example.com", 443, None),
    )
    assert second.entry_points == (EntryPoint("203.0.113.5", 8006, None),)
    assert (first.proxmox_token_value, second.proxmox_token_value) == (Secret(HOME_VALUE), Secret(COLO_VALUE))
    assert (first.monitor_vm_ids, second.monitor_vm_ids) == ((), (101,))
    assert (first.proxmox_verify_ssl, second.proxmox_verify_ssl) == (True, False)
    assert (first.alert_channel_id, second.alert_channel_id) == (323456789012345678, 723456789012345678)
    assert found.alert_channel_id == 323456789012345678
    assert (first.role_scopes, second.role_scopes, first.protected_vm_ids) == ({}, {}, ())


def test_the_order_is_that_of_the_configuration(tmp_path: Path) -> None:
    found = loaded(
        tmp_path, {"home": HOME, "colo": COLO}, **variables("zz", "192.0.2.1"), **variables("b", "192.0.2.2")
    )
    assert [site.name for site in found.sites] == ["home", "colo", "b", "zz"]


def variables(name: str, host: str) -> dict[str, str]:
    """Return the environment of a whole site."""
    prefix = variable_of(name)
    return {
        f"{prefix}PROXMOX_HOST": host,
        f"{prefix}PROXMOX_USER": "bot@pve",
        f"{prefix}PROXMOX_TOKEN_NAME": "discord",
        f"{prefix}PROXMOX_TOKEN_VALUE": VALUE,
        f"{prefix}NODE_NAME": "pve1",
    }


# --- every fault ---

FAULTY: list[tuple[object, str, Mapping[str, object]]] = [
    ({"Home": HOME}, "SITES", {"kind": K.BAD_SITE_NAME, "value": "Home"}),
    (BOTH | {"lab": home()}, 'SITES["lab"].PROXMOX_HOST', {"kind": K.DUPLICATE_HOST}),
]


def test_the_new_kinds(tmp_path: Path) -> None:
    assert one(tmp_path, BOTH, "FIRST_SITE = 'lab'") == Fault(
        K.UNKNOWN_SITE, "FIRST_SITE", "lab", other="home, colo"
    )
    assert one(tmp_path, BOTH, "HEARTBEAT_IGNORES_SITES = ['home', 'colo']").kind is K.ALL_SITES
    assert one(tmp_path, BOTH, "NODE_NAME = 'pve1'") == Fault(K.BOTH_FORMS, "SITES", other="NODE_NAME")
    assert one(tmp_path, BOTH | {"Home": HOME}).kind is K.BAD_SITE_NAME
    again = one(tmp_path, BOTH | {"lab": home(PROXMOX_HOST="PVE1.example.com")})
    assert again == Fault(
        K.DUPLICATE_HOST, 'SITES["lab"].PROXMOX_HOST', "PVE1.example.com", other='SITES["home"].PROXMOX_HOST'
    )
