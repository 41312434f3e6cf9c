"""Test the settings of several sites, their faults, and that no secret of a site is shown."""

from __future__ import annotations

import dataclasses
import pickle
import re
import runpy
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.settings import load as settings
from adapters.settings.faults import Fault, FaultKind, Secret
from adapters.settings.load import Settings, SettingsError
from adapters.settings.table import SITE_NAMES, SITE_ROWS
from adapters.settings.written_sites import variable_prefix_of
from core.access.policy import Scope, ScopeKind
from core.entry_point import EntryPoint
from tests.adapters.settings.test_load import ANYTHING, GOOD, TOKEN, VALUE, faults
from tests.support.walked import walked

K = FaultKind
ROLE = 423456789012345678
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


def only_fault(tmp: Path, sites: object, more: str = "", **variables: str) -> Fault:
    (fault,) = refused(tmp, sites, more, **variables)
    return fault


def home(**changed: object) -> dict[str, object]:
    """Return HOME with other values; None removes one."""
    return {name: value for name, value in (HOME | changed).items() if value is not None}


def whole_site(name: str, host: str) -> dict[str, str]:
    """Return the environment of a whole site."""
    prefix = variable_prefix_of(name)
    return {
        f"{prefix}PROXMOX_HOST": host,
        f"{prefix}PROXMOX_USER": "bot@pve",
        f"{prefix}PROXMOX_TOKEN_NAME": "discord",
        f"{prefix}PROXMOX_TOKEN_VALUE": VALUE,
        f"{prefix}NODE_NAME": "pve1",
    }


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


def test_sites_of_the_environment_follow_by_name(tmp_path: Path) -> None:
    more = whole_site("zz", "192.0.2.1") | whole_site("b-1", "192.0.2.2")
    found = loaded(tmp_path, {"home": HOME, "colo": COLO}, **more)
    assert [site.name for site in found.sites] == ["home", "colo", "b-1", "zz"]
    assert found.sites[2].entry_points == (EntryPoint("192.0.2.2", 8006, None),)
    alone = settings.load(tmp_path / "no config.py", BOT | more)
    assert [site.name for site in alone.sites] == ["b-1", "zz"]


def test_the_environment_overrides_single_values(tmp_path: Path) -> None:
    (tmp_path / "value").write_text(VALUE)
    (tmp_path / "other").write_text(TOKEN)
    of_file = home(PROXMOX_TOKEN_VALUE=None, PROXMOX_TOKEN_VALUE_FILE="other")
    found = loaded(
        tmp_path,
        {"home": of_file, "colo": COLO},
        SITE_HOME_NODE_NAME="pve9",
        SITE_HOME_PROXMOX_HOST="a.example, [2001:db8::1]:443,",
        SITE_HOME_MONITOR_VM_IDS="100 101",
        SITE_COLO_PROXMOX_TOKEN_VALUE_FILE="value",
        SITE_COLO_PROXMOX_VERIFY_SSL="yes",
        SITE_COLO_PROXMOX_USER=" ",
        SITE_COLO_ALERT_CHANNEL_ID="0",
    )
    first, second = found.sites
    assert (first.node_name, first.monitor_vm_ids) == ("pve9", (100, 101))
    assert first.entry_points == (EntryPoint("a.example", 8006), EntryPoint("2001:db8::1", 443))
    assert first.proxmox_token_value == Secret(TOKEN)
    assert (second.proxmox_token_value, second.proxmox_verify_ssl) == (Secret(VALUE), True)
    assert (second.proxmox_user, second.alert_channel_id) == ("bot@pve", found.alert_channel_id)


@pytest.mark.parametrize("given_by", ["config", "environment"])
def test_one_site_is_the_plain_one_and_keeps_its_name_for_scopes(tmp_path: Path, given_by: str) -> None:
    scopes = f"ROLE_SCOPES = {{{ROLE}: ['node:home/pve1', 'tag:web']}}\nPROTECTED_VM_IDS = [101, 'home/102']"
    if given_by == "config":
        found = loaded(tmp_path, {"home": HOME}, scopes)
    else:
        found = loaded(tmp_path, {}, scopes, **whole_site("home", "pve1.example.com"))
    (site,) = found.sites
    assert (site.name, found.first_site) == ("", "home")
    assert site.role_scopes == {ROLE: (Scope(ScopeKind.NODE, "pve1"), Scope(ScopeKind.TAG, "web"))}
    assert site.protected_vm_ids == (101, 102)
    assert loaded(tmp_path, {"home": HOME}, "FIRST_SITE = 'home'").first_site == "home"


def test_a_plain_configuration_is_the_same_site_as_always(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text("SITES = {}\nHEARTBEAT_IGNORES_SITES = []\nFIRST_SITE = ''\n")
    found = settings.load(tmp_path / "config.py", GOOD)
    assert found == settings.load(tmp_path / "no config.py", GOOD)
    assert (found.sites[0].name, found.first_site, found.heartbeat_ignores_sites) == ("", None, ())
    listed = settings.load(tmp_path / "config.py", GOOD | {"PROXMOX_HOST": "pve1,pve2:443"})
    assert listed.sites[0].entry_points == (EntryPoint("pve1", 8006), EntryPoint("pve2", 443))


def test_the_first_site_and_those_that_the_heartbeat_ignores(tmp_path: Path) -> None:
    found = loaded(tmp_path, BOTH, "FIRST_SITE = 'colo'\nHEARTBEAT_IGNORES_SITES = ['colo', 'colo']")
    assert (found.first_site, found.heartbeat_ignores_sites) == ("colo", ("colo",))
    over = loaded(
        tmp_path, BOTH, "FIRST_SITE = 'colo'", FIRST_SITE=" home ", HEARTBEAT_IGNORES_SITES="[home]"
    )
    assert (over.first_site, over.heartbeat_ignores_sites) == ("home", ("home",))


@given(st.lists(st.from_regex(r"[a-z0-9-]{1,16}", fullmatch=True), unique=True, min_size=2, max_size=9))
def test_no_two_names_share_a_variable(names: list[str]) -> None:
    """A site's variables are its own, whatever the names, even where one name is the beginning of another."""
    environ = {
        variable: text
        for number, name in enumerate(names)
        for variable, text in whole_site(name, f"192.0.2.{number}").items()
    }
    with tempfile.TemporaryDirectory() as tmp:
        found = settings.load(Path(tmp) / "config.py", BOT | environ)
    hosts = {site.name: site.entry_points[0].host for site in found.sites}
    assert hosts == {name: f"192.0.2.{number}" for number, name in enumerate(names)}


# --- fingerprints ---


@walked(
    ("hosts", "pins", "expected"),
    [
        ("pve1", PINS[0], (PINS[0],)),
        (["pve1"], PINS[0].lower(), (PINS[0],)),
        ("pve1", {"PVE1:8006": PINS[0]}, (PINS[0],)),
        (["pve1", "pve2"], {"pve2": PINS[1], "pve1": PINS[0]}, (PINS[0], PINS[1])),
        (["pve1", "pve2"], {"pve2": PINS[1]}, (None, PINS[1])),
        (["pve1:443", "[2001:DB8::1]"], {"pve1:443": PINS[0], "2001:db8::1": PINS[1]}, (PINS[0], PINS[1])),
        (["pve1", "pve1:443"], {"pve1:443": PINS[2], "pve1": PINS[1]}, (PINS[1], PINS[2])),
        (["pve1", "pve2"], {}, (None, None)),
        (["pve1", "pve2"], "", (None, None)),
    ],
)
def test_fingerprints(tmp_path: Path, hosts: Any, pins: Any, expected: tuple[str | None, ...]) -> None:
    found = loaded(tmp_path, {"home": home(PROXMOX_HOST=hosts, PROXMOX_FINGERPRINT=pins)})
    assert tuple(point.fingerprint for point in found.sites[0].entry_points) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"pve1={PINS[0]}, pve2={PINS[1]}", (PINS[0], PINS[1])),
        (f"pve2={PINS[1].replace(':', '')} pve1={PINS[0].lower()}", (PINS[0], PINS[1])),
        (f" pve2:8006={PINS[1]} ", (None, PINS[1])),
    ],
)
def test_fingerprints_of_the_environment(tmp_path: Path, text: str, expected: tuple[str | None, ...]) -> None:
    found = loaded(
        tmp_path, {"home": home(PROXMOX_HOST=["pve1", "pve2"])}, SITE_HOME_PROXMOX_FINGERPRINT=text
    )
    assert tuple(point.fingerprint for point in found.sites[0].entry_points) == expected
    plain = GOOD | {"PROXMOX_HOST": "pve1,pve2", "PROXMOX_FINGERPRINT": text}
    assert (
        settings.load(tmp_path / "no config.py", plain).sites[0].entry_points == found.sites[0].entry_points
    )


# --- scopes and protection ---

SCOPES = {
    "site:home": ("home", None),
    "node:colo/pve1": ("colo", Scope(ScopeKind.NODE, "pve1")),
    "pool:home/lab": ("home", Scope(ScopeKind.POOL, "lab")),
    "pool:home/lab/web/db": ("home", Scope(ScopeKind.POOL, "lab/web/db")),
    "pool:lab/web": ("", Scope(ScopeKind.POOL, "lab/web")),
    " TAG: colo / web": ("colo", Scope(ScopeKind.TAG, "web")),
    "colo/101": ("colo", Scope(ScopeKind.VMID, "101")),
    "vmid:colo/101": ("colo", Scope(ScopeKind.VMID, "101")),
    "tag:web": ("", Scope(ScopeKind.TAG, "web")),
    "101": ("", Scope(ScopeKind.VMID, "101")),
}


@walked("first", ["home", "colo"])
@walked(("written", "place"), list(SCOPES.items()))
def test_a_scope_is_for_its_site_alone(written: str, place: tuple[str, Scope | None], first: str) -> None:
    site, scope = place
    with tempfile.TemporaryDirectory() as tmp:
        more = f"FIRST_SITE = '{first}'\nROLE_SCOPES = {{{ROLE}: [{written!r}]}}"
        found = loaded(Path(tmp), BOTH, more)
    for each in found.sites:
        if each.name != (site or first):
            assert each.role_scopes == {ROLE: ()}
        else:
            assert each.role_scopes == ({} if scope is None else {ROLE: (scope,)})


def test_scopes_of_several_sites_add_up(tmp_path: Path) -> None:
    more = (
        f"ROLE_SCOPES = {{{ROLE}: ['site:home', 'tag:home/web', 'colo/101', 'node:colo/pve1', 'colo/101']}}"
    )
    first, second = loaded(tmp_path, BOTH, more).sites
    assert first.role_scopes == {}
    assert second.role_scopes == {ROLE: (Scope(ScopeKind.VMID, "101"), Scope(ScopeKind.NODE, "pve1"))}


def test_a_vmid_without_a_site_is_protected_on_every_site(tmp_path: Path) -> None:
    for found in (
        loaded(tmp_path, BOTH, "PROTECTED_VM_IDS = [101, 'home/102', 'colo/103', '104']"),
        loaded(tmp_path, BOTH, PROTECTED_VM_IDS="101, home/102 colo/103,104"),
    ):
        assert [site.protected_vm_ids for site in found.sites] == [(101, 102, 104), (101, 103, 104)]


# --- every fault ---

HOST, PIN = 'SITES["home"].PROXMOX_HOST', 'SITES["home"].PROXMOX_FINGERPRINT'
OF_HOME: list[tuple[str, object, str, Mapping[str, object]]] = [
    ("PROXMOX_HOST", ["pve1", "pve1"], HOST, {"kind": K.DUPLICATE_HOST, "value": "pve1", "other": None}),
    ("PROXMOX_HOST", ["pve1", "PVE1:8006"], HOST, {"kind": K.DUPLICATE_HOST, "value": "PVE1:8006"}),
    ("PROXMOX_HOST", ["pve1", 5], HOST, {"kind": K.WRONG_TYPE, "expected": "hosts", "found": "int"}),
    ("PROXMOX_HOST", [], HOST, {"kind": K.WRONG_TYPE, "found": "list", "value": None}),
    ("PROXMOX_HOST", {"pve1": 1}, HOST, {"kind": K.WRONG_TYPE, "found": "dict"}),
    ("PROXMOX_HOST", "pve1, pve2", HOST, {"kind": K.BAD_HOST, "value": "pve1, pve2"}),
    ("PROXMOX_HOST", ["pve1", "https://pve2:8006/"], HOST, {"kind": K.BAD_HOST, "nearest": "pve2:8006"}),
    ("PROXMOX_HOST", None, HOST, {"kind": K.MISSING, "other": None}),
    ("PROXMOX_HOST", "<pve.example.com>", HOST, {"kind": K.PLACEHOLDER_LEFT}),
    (
        "PROXMOX_TOKEN_VALUE",
        None,
        'SITES["home"].PROXMOX_TOKEN_VALUE',
        {"kind": K.MISSING, "other": 'SITES["home"].PROXMOX_TOKEN_VALUE_FILE'},
    ),
    (
        "PROXMOX_TOKEN_VALUE_FILE",
        "/no/such/file",
        'SITES["home"].PROXMOX_TOKEN_VALUE',
        {"kind": K.BOTH_GIVEN, "other": 'SITES["home"].PROXMOX_TOKEN_VALUE_FILE'},
    ),
    (
        "PROXMOX_TOKEN_VALUE",
        f"bot@pve!x={HOME_VALUE}",
        'SITES["home"].PROXMOX_TOKEN_VALUE',
        {"kind": K.BAD_SECRET, "reason": "whole_token", "value": None},
    ),
    (
        "PROXMOX_TOKEN_VALUE",
        [HOME_VALUE],
        'SITES["home"].PROXMOX_TOKEN_VALUE',
        {"kind": K.WRONG_TYPE, "value": None},
    ),
    (
        "PROXMOX_USER",
        "bot@pve!discord",
        'SITES["home"].PROXMOX_USER',
        {"kind": K.USER_WITH_TOKEN, "other": 'SITES["home"].PROXMOX_TOKEN_NAME'},
    ),
    ("NODE_NAME", "a_b", 'SITES["home"].NODE_NAME', {"kind": K.BAD_NODE_NAME, "value": "a_b"}),
    ("MONITOR_VM_IDS", [1], 'SITES["home"].MONITOR_VM_IDS', {"kind": K.OUT_OF_RANGE, "value": "1"}),
    ("ALERT_CHANNEL_ID", "x", 'SITES["home"].ALERT_CHANNEL_ID', {"kind": K.NOT_AN_ID, "value": "x"}),
    ("PROXMOX_FINGERPRINT", PINS[0], PIN, {"kind": K.BAD_FINGERPRINT, "reason": "several"}),
    (
        "PROXMOX_FINGERPRINT",
        {"pve1.example.com": PINS[0], "pve3": PINS[1]},
        PIN,
        {"kind": K.BAD_FINGERPRINT, "reason": "no_host", "value": "pve3"},
    ),
    (
        "PROXMOX_FINGERPRINT",
        {"pve2.example.com": PINS[0]},
        PIN,
        {"kind": K.BAD_FINGERPRINT, "reason": "no_host", "value": "pve2.example.com"},
    ),
    (
        "PROXMOX_FINGERPRINT",
        {"pve1.example.com": PINS[0], "PVE1.example.com:8006": PINS[1]},
        PIN,
        {"kind": K.DUPLICATE_HOST, "value": "PVE1.example.com:8006"},
    ),
    ("PROXMOX_FINGERPRINT", {"pve1.example.com": "AB"}, PIN, {"kind": K.BAD_FINGERPRINT, "value": "AB"}),
    ("PROXMOX_FINGERPRINT", {5: PINS[0]}, PIN, {"kind": K.WRONG_TYPE, "found": "int"}),
    ("PROXMOX_FINGERPRINT", {"a b": PINS[0]}, PIN, {"kind": K.BAD_HOST, "value": "a b"}),
    ("PROXMOX_FINGERPRINT", [PINS[0]], PIN, {"kind": K.WRONG_TYPE, "expected": "fingerprints"}),
    (
        "PROXMOX_HOTS",
        "pve1",
        'SITES["home"].PROXMOX_HOTS',
        {"kind": K.UNKNOWN_NAME, "reason": "in_site", "nearest": "PROXMOX_HOST", "value": None},
    ),
    ("proxmox_host", 1, 'SITES["home"].proxmox_host', {"kind": K.UNKNOWN_NAME, "nearest": "PROXMOX_HOST"}),
    ("GUILD_ID", 1, 'SITES["home"].GUILD_ID', {"kind": K.UNKNOWN_NAME, "reason": "in_site", "nearest": None}),
    ("a b", 1, 'SITES["home"]', {"kind": K.UNKNOWN_NAME, "reason": "key", "nearest": None}),
]


def matches(fault: Fault, name: str, expected: Mapping[str, object]) -> None:
    found = dataclasses.asdict(fault)
    assert ({key: found[key] for key in expected}, fault.name) == (dict(expected), name)


@walked(("setting", "value", "name", "expected"), OF_HOME)
def test_a_fault_names_its_site(
    tmp_path: Path, setting: str, value: object, name: str, expected: Mapping[str, object]
) -> None:
    for sites in ({"home": home(**{setting: value}), "colo": COLO}, {"home": home(**{setting: value})}):
        matches(only_fault(tmp_path, sites), name, {"source": "config", **expected})


OF_THE_ENVIRONMENT: list[tuple[str, str, str, Mapping[str, object]]] = [
    ("SITE_HOME_PROXMOX_HOST", "pve1, pve1", "", {"kind": K.DUPLICATE_HOST, "value": "pve1"}),
    ("SITE_HOME_PROXMOX_HOST", " , ", "", {"kind": K.WRONG_TYPE, "expected": "hosts"}),
    ("SITE_HOME_PROXMOX_HOST", "pve1,a b", "", {"kind": K.BAD_HOST, "value": "a b"}),
    ("SITE_HOME_PROXMOX_TOKEN_VALUE", "a b", "", {"kind": K.BAD_SECRET, "value": None}),
    (
        "SITE_HOME_PROXMOX_USER",
        "bot@pve!x",
        "",
        {"kind": K.USER_WITH_TOKEN, "other": "SITE_HOME_PROXMOX_TOKEN_NAME"},
    ),
    ("SITE_HOME_PROXMOX_FINGERPRINT", f"pve1.example.com={PINS[0]},{PINS[1]}", "", {"kind": K.BAD_HOST}),
    ("SITE_HOME_PROXMOX_FINGERPRINT", "pve1.example.com=AB", "", {"kind": K.BAD_FINGERPRINT, "value": "AB"}),
    ("SITE_HOME_PROXMOX_FINGERPRINT", "sha256 fingerprint=AB", "", {"kind": K.BAD_FINGERPRINT}),
    (
        "SITE_HOME_PROXMOX_TOKEN_VALUE_FILE",
        "/no/such/file",
        "",
        {"kind": K.NO_SUCH_FILE, "value": "/no/such/file"},
    ),
    ("SITE_HOME_PROXMOX_HOTS", "pve1", "", {"kind": K.UNKNOWN_NAME, "nearest": "SITE_HOME_PROXMOX_HOST"}),
    ("SITE_home_NODE_NAME", "pve1", "", {"kind": K.BAD_SITE_NAME, "value": "home"}),
    ("SITE_A_LONG_NAME_OF_A_SITE_NODE_NAME", "pve1", "", {"kind": K.BAD_SITE_NAME}),
    ("FIRST_SITE", "lab", "", {"kind": K.UNKNOWN_SITE, "value": "lab", "other": "home, colo"}),
    ("HEARTBEAT_IGNORES_SITES", "colo lab", "", {"kind": K.UNKNOWN_SITE, "value": "lab"}),
    ("HEARTBEAT_IGNORES_SITES", "colo, home", "", {"kind": K.ALL_SITES, "value": None}),
    (
        "PROTECTED_VM_IDS",
        "101,lab/102",
        "",
        {"kind": K.UNKNOWN_SITE, "value": "lab", "other": "home, colo"},
    ),
    ("PROTECTED_VM_IDS", "home/99", "", {"kind": K.OUT_OF_RANGE, "value": "99"}),
    ("PROTECTED_VM_IDS", "home/x", "", {"kind": K.WRONG_TYPE, "value": "x"}),
    ("PROXMOX_HOST", "pve1", "SITES", {"kind": K.BOTH_FORMS, "other": "PROXMOX_HOST", "source": "config"}),
]


@walked(("variable", "text", "name", "expected"), OF_THE_ENVIRONMENT)
def test_a_fault_names_its_variable(
    tmp_path: Path, variable: str, text: str, name: str, expected: Mapping[str, object]
) -> None:
    matches(
        only_fault(tmp_path, BOTH, **{variable: text}),
        name or variable,
        {"source": "environment", **expected},
    )


def test_variables_of_others_are_no_fault(tmp_path: Path) -> None:
    more = {
        "SITE_URL": "x",
        "SITE_HOME_URL": "x",
        "SITE_HOME_PORT": "1",
        "SITE_LAB_PROXMOX_HOTS": "x",
        "SITES": "x",
    }
    assert loaded(tmp_path, BOTH, **more) == loaded(tmp_path, BOTH)
    assert loaded(tmp_path, BOTH, SITE_HOME_NODE_NAME=" ", SITE_home_NODE_NAME="") == loaded(tmp_path, BOTH)


def test_a_misspelled_variable_is_that_of_the_longest_name(tmp_path: Path) -> None:
    sites = {"home": HOME, "home-lab": COLO}
    fault = only_fault(tmp_path, sites, SITE_HOME_LAB_PROXMOX_HOTS="x")
    assert fault.nearest == "SITE_HOME_LAB_PROXMOX_HOST"


WRONG: list[tuple[str, str, Mapping[str, object]]] = [
    ("SITES = {'Home': HOME, 'colo': COLO}", "SITES", {"kind": K.BAD_SITE_NAME, "value": "Home"}),
    ("SITES = {'a' * 17: HOME, 'colo': COLO}", "SITES", {"kind": K.BAD_SITE_NAME, "value": "a" * 17}),
    ("SITES = {'': HOME, 'colo': COLO}", "SITES", {"kind": K.BAD_SITE_NAME, "value": ""}),
    ("SITES = {'a_b': HOME, 'colo': COLO}", "SITES", {"kind": K.BAD_SITE_NAME}),
    ("SITES = {5: HOME, 'colo': COLO}", "SITES", {"kind": K.BAD_SITE_NAME, "value": "5"}),
    ("SITES = {None: HOME, 'colo': COLO}", "SITES", {"kind": K.BAD_SITE_NAME, "value": None}),
    ("SITES = {'home': [HOME], 'colo': COLO}", 'SITES["home"]', {"kind": K.WRONG_TYPE, "expected": "site"}),
    ("SITES = {'home': None, 'colo': COLO}", 'SITES["home"]', {"kind": K.WRONG_TYPE, "found": "NoneType"}),
    ("SITES = [HOME, COLO]", "SITES", {"kind": K.WRONG_TYPE, "expected": "sites", "found": "list"}),
    ("SITES = str({'home': HOME})", "SITES", {"kind": K.WRONG_TYPE, "found": "str", "value": None}),
    (
        "SITES = {'home': HOME, 'colo': COLO | {'PROXMOX_HOST': ['c', 'PVE2.example.com:443']}}",
        'SITES["colo"].PROXMOX_HOST',
        {"kind": K.DUPLICATE_HOST, "value": "PVE2.example.com:443", "other": 'SITES["home"].PROXMOX_HOST'},
    ),
    ("SITES = BOTH\nFIRST_SITE = 5", "FIRST_SITE", {"kind": K.WRONG_TYPE, "found": "int"}),
    ("SITES = {'home': HOME}\nFIRST_SITE = 'colo'", "FIRST_SITE", {"kind": K.UNKNOWN_SITE, "other": "home"}),
    (
        "SITES = BOTH\nHEARTBEAT_IGNORES_SITES = 'colo'",
        "HEARTBEAT_IGNORES_SITES",
        {"kind": K.WRONG_TYPE, "expected": "list_of_sites"},
    ),
    (
        "SITES = {'home': HOME}\nHEARTBEAT_IGNORES_SITES = ['home']",
        "HEARTBEAT_IGNORES_SITES",
        {"kind": K.ALL_SITES},
    ),
    (
        "SITES = BOTH\nNODE_NAME = 'pve1'\nMONITOR_VM_IDS = []",
        "SITES",
        {"kind": K.BOTH_FORMS, "other": "NODE_NAME, MONITOR_VM_IDS"},
    ),
]


@walked(("text", "name", "expected"), WRONG)
def test_a_fault_of_the_sites_as_a_whole(
    tmp_path: Path, text: str, name: str, expected: Mapping[str, object]
) -> None:
    matches(one_of(tmp_path, text), name, expected)


def one_of(tmp: Path, text: str) -> Fault:
    """Return the one fault of a config.py that may use HOME, COLO and BOTH."""
    head = f"_home = {HOME!r}\n_colo = {COLO!r}\n_both = {BOTH!r}\n"
    body = text.replace("HOME", "_home").replace("COLO", "_colo").replace("BOTH", "_both")
    (tmp / "config.py").write_text(head + body, encoding="utf-8")
    (fault,) = faults(tmp / "config.py", BOT)
    assert not [secret for secret in (HOME_VALUE, COLO_VALUE, "battery") if secret in repr(fault)]
    return fault


def test_both_forms_at_once(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path / "no config.py", GOOD | whole_site("home", "pve9"))
    needed = [name for name in SITE_NAMES if name in GOOD and name != "ALERT_CHANNEL_ID"]
    assert fault == Fault(K.BOTH_FORMS, "SITE_HOME_NODE_NAME", other=", ".join(needed))
    (tmp_path / "config.py").write_text("SITES = {}")
    assert faults(tmp_path / "config.py", GOOD | whole_site("home", "pve9")) == (fault,)


def test_sites_alone_are_a_configuration_without_the_rest(tmp_path: Path) -> None:
    found = faults(tmp_path / "no config.py", whole_site("home", "pve9"))
    assert [(fault.kind, fault.name) for fault in found] == [
        (K.MISSING, name) for name in ("DISCORD_TOKEN", "GUILD_ID", "ALLOWED_CATEGORY_ID", "ALERT_CHANNEL_ID")
    ]


def test_names_of_sites_without_sites(tmp_path: Path) -> None:
    for name in ("FIRST_SITE", "HEARTBEAT_IGNORES_SITES"):
        (fault,) = faults(tmp_path / "config.py", GOOD | {name: "home"})
        assert (fault.kind, fault.name, fault.value, fault.other) == (K.UNKNOWN_SITE, name, "home", "")
    (fault,) = faults(tmp_path / "config.py", GOOD | {"PROTECTED_VM_IDS": "home/101"})
    assert (fault.kind, fault.name, fault.value) == (K.UNKNOWN_SITE, "PROTECTED_VM_IDS", "home")


@walked(
    ("entry", "reason"),
    [
        ("site:lab", "no_site"),
        ("site:", "no_site"),
        ("site:home/pve1", "no_site"),
        ("node:lab/pve1", "no_site"),
        ("tag:lab/web", "no_site"),
        ("lab/101", "no_site"),
        ("/101", "no_site"),
        ("home/99", None),
        ("home/x", None),
        ("home/101/102", None),
        ("node:home/", None),
        ("node:home/a_b", None),
        ("pool:home/", None),
        ("pool:lab/a/b/c", None),
        ("pool:home/a/b/c/d", None),
        ("sites:home", None),
    ],
)
def test_a_fault_of_a_scope_names_role_and_scope(tmp_path: Path, entry: str, reason: str | None) -> None:
    more = f"FIRST_SITE = 'home'\nROLE_SCOPES = {{{ROLE}: ['site:home', {entry!r}, 'colo/101']}}"
    fault = only_fault(tmp_path, BOTH, more)
    assert fault == Fault(K.BAD_SCOPE, "ROLE_SCOPES", entry, "config", reason=reason, other=str(ROLE))


def test_with_several_sites_and_no_first_each_scope_names_its_own(tmp_path: Path) -> None:
    words = f'{{"{ROLE}": ["tag:web", "home/101", 105, "site:colo"]}}'
    found = refused(tmp_path, BOTH, ROLE_SCOPES=words)
    assert found == tuple(
        Fault(K.BAD_SCOPE, "ROLE_SCOPES", entry, "environment", reason="any_site", other=str(ROLE))
        for entry in ("tag:web", "vmid:105")
    )
    wrong = refused(tmp_path, BOTH, FIRST_SITE="lab", ROLE_SCOPES=words)
    assert [fault.name for fault in wrong] == ["FIRST_SITE"]


def test_all_faults_of_all_sites_come_at_once(tmp_path: Path) -> None:
    sites = {
        "home": home(NODE_NAME=None, PROXMOX_HOTS=1, PROXMOX_USER="x"),
        "colo": COLO | {"PROXMOX_HOST": ["pve1.example.com", "b c"], "ALERT_CHANNEL_ID": "x"},
        "Lab": {},
    }
    found = refused(
        tmp_path, sites, "LOG_LEVEL = 'x'", SITE_NEW_NODE_NAME="a_b", SITE_COLO_NODE_NAME="<pve1>"
    )
    assert {(fault.kind, fault.name) for fault in found} == {
        (K.UNKNOWN_NAME, 'SITES["home"].PROXMOX_HOTS'),
        (K.BAD_SITE_NAME, "SITES"),
        (K.BAD_LOG_LEVEL, "LOG_LEVEL"),
        (K.BAD_USER, 'SITES["home"].PROXMOX_USER'),
        (K.MISSING, 'SITES["home"].NODE_NAME'),
        (K.BAD_HOST, 'SITES["colo"].PROXMOX_HOST'),
        (K.NOT_AN_ID, 'SITES["colo"].ALERT_CHANNEL_ID'),
        (K.PLACEHOLDER_LEFT, "SITE_COLO_NODE_NAME"),
        *((K.MISSING, f"SITE_NEW_{name}") for name in SITE_NAMES[:4]),
        (K.BAD_NODE_NAME, "SITE_NEW_NODE_NAME"),
    }


def test_a_config_py_that_does_not_run_is_the_only_fault(tmp_path: Path) -> None:
    """Its sites are not known, so names of sites and missing settings are not faults of their own."""
    (tmp_path / "config.py").write_text(f"SITES = {{'home': {HOME!r}}}\nraise ValueError(SITES)")
    more = {"FIRST_SITE": "home", "PROTECTED_VM_IDS": "home/101", "SITE_COLO_NODE_NAME": "pve1"}
    scopes = {"ROLE_SCOPES": f'{{"{ROLE}": ["home/101"]}}'}
    found = faults(tmp_path / "config.py", BOT | more | scopes)
    assert found == (Fault(K.CONFIG_ERROR, "config.py", "ValueError", line=2),)


# --- secrets ---


def test_no_secret_of_a_site_shows_itself(tmp_path: Path) -> None:
    found = loaded(tmp_path, BOTH)
    for told in (repr(found), str(found.sites), f"{found.sites[1]}", str(dataclasses.asdict(found))):
        assert HOME_VALUE not in told
        assert COLO_VALUE not in told
    for refusing in (found, found.sites[0]):
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(refusing)


@walked(
    "secret",
    [
        HOME_VALUE,
        COLO_VALUE,
        "abc,def/ghi@jkl",
        "abcdef/ghijkl@mno",
        "ABCDEF_GHIJKL",
        "pve1,pve2=xy:1",
        TOKEN,
    ],
)
@walked("place", ["config", "environment"])
def test_a_secret_pasted_anywhere_is_not_shown(tmp_path: Path, secret: str, place: str) -> None:
    """Neither the whole nor a piece of it is shown, although many settings show the piece that is wrong."""
    names = [name for name in SITE_NAMES if not name.startswith("PROXMOX_TOKEN_VALUE")]
    bot = (
        "FIRST_SITE",
        "HEARTBEAT_IGNORES_SITES",
        "PROTECTED_VM_IDS",
        "ROLE_SCOPES",
        "VIEWER_ROLE_IDS",
        "LOG_LEVEL",
        "QUIET_HOURS",
    )
    sites: dict[str, Any] = {"home": dict(HOME), "colo": COLO | {"PROXMOX_TOKEN_VALUE": secret}}
    if place == "environment":
        more = {f"SITE_HOME_{name}": f"x {secret}" for name in names} | dict.fromkeys(bot, secret)
        (tmp_path / "config.py").write_text(config_of(sites))
        found = faults(tmp_path / "config.py", BOT | more)
    else:
        sites["home"] |= dict.fromkeys(names, f"x {secret}") | {secret: 1, 5: secret}
        sites |= {
            secret: HOME,
            "lab": secret,
            "lab2": [secret],
            "lab3": {"PROXMOX_HOST": [f"{secret}/", secret]},
        }
        sites["lab4"] = home(PROXMOX_FINGERPRINT={secret: secret}, PROXMOX_HOST=secret)
        lines = "\n".join(f"{name} = {[secret] if name[0] in 'HP' else secret!r}" for name in bot)
        (tmp_path / "config.py").write_text(config_of(sites, lines))
        found = faults(tmp_path / "config.py", BOT)
    assert len(found) > 12
    pieces = {piece for piece in re.split(r"[^\w-]+|_", secret) if len(piece) > 2} - {"pve1", "pve2"}
    told = [(fault.name, fault.value, fault.nearest, fault.other) for fault in found]
    assert [line for line in told for piece in pieces if piece in repr(line)] == []
    if "pve1" in secret:
        assert "xy" not in repr(told)


def test_a_secret_for_a_site_with_an_invalid_name_is_hidden_too(tmp_path: Path) -> None:
    sites = {"Home": {"PROXMOX_TOKEN_VALUE": "correct-horse"}, "colo": COLO | {"NODE_NAME": "correct-horse!"}}
    found = refused(tmp_path, sites, SITE_home_PROXMOX_TOKEN_VALUE="wrong-horse", LOG_LEVEL="wrong-horse")
    assert len(found) == 4
    assert "horse" not in repr(found)


ROWS = st.dictionaries(
    st.sampled_from([*SITE_NAMES, "PROXMOX_HOTS"]) | st.text(max_size=5) | st.integers(),
    ANYTHING | st.just(HOME_VALUE),
    max_size=5,
)


@given(
    st.dictionaries(
        st.sampled_from(["home", "colo", "x-1"]) | st.text(max_size=20) | st.none(), ROWS | ANYTHING
    )
    | ANYTHING,
    st.dictionaries(
        st.builds(
            lambda site, name: f"SITE_{site}_{name}",
            st.sampled_from(["HOME", "a"]),
            st.sampled_from(SITE_NAMES),
        ),
        st.text(max_size=30).filter(lambda text: "\0" not in text),
    ),
    st.booleans(),
)
def test_any_sites_are_loaded_or_refused(sites: object, environ: dict[str, str], good: bool) -> None:
    if good and isinstance(sites, dict):
        sites["good"] = COLO
    with tempfile.TemporaryDirectory() as tmp, pytest.MonkeyPatch.context() as patch:
        patch.setattr(runpy, "run_path", lambda _: {"SITES": sites})
        (Path(tmp) / "config.py").touch()
        try:
            found = settings.load(Path(tmp) / "config.py", BOT | environ)
        except SettingsError as error:
            assert error.faults
            assert error.__context__ is None
            assert COLO_VALUE not in repr(error)
            assert HOME_VALUE not in repr(error)
        else:
            assert len({site.name for site in found.sites}) == len(found.sites) > 0
