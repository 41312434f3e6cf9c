"""Test every setting and every fault, and that no secret is shown."""

from __future__ import annotations

import copy
import dataclasses
import errno
import os
import pickle
import re
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.settings import alerts as setting_alerts
from adapters.settings import load as settings
from adapters.settings import values as setting_values
from adapters.settings.faults import RawSetting, SettingRejected, Source
from adapters.settings.load import (
    KNOWN_NAMES,
    SETTINGS,
    Fault,
    FaultKind,
    QuietHours,
    Secret,
    Settings,
    SettingsError,
    SiteSettings,
)
from adapters.settings.table import BOT_ROWS, SITE_SETTINGS
from core.access.policy import Scope, ScopeKind
from core.entry_point import EntryPoint
from tests.support.walked import walked

ROOT = Path(settings.__file__).parents[2]
PARTS = [str(path) for path in Path(settings.__file__).parent.glob("*.py")]
TOKEN = "MTEyMjMzNDQ1NTY2Nzc4ODk5.GxYzAb.a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q7r8s9"
VALUE = "0123abcd-4567-89ab-cdef-0123456789ab"
SECRETS = (TOKEN, VALUE)
PUSH = "k3Jq8Zr0"
BEAT = f"https://uptime.example.com/api/push/{PUSH}?status=up&msg=OK&ping="
GOOD: dict[str, str] = {
    "DISCORD_TOKEN": TOKEN,
    "GUILD_ID": "123456789012345678",
    "ALLOWED_CATEGORY_ID": "223456789012345678",
    "ALERT_CHANNEL_ID": "323456789012345678",
    "PROXMOX_HOST": "pve1.example.com",
    "PROXMOX_USER": "bot@pve",
    "PROXMOX_TOKEN_NAME": "discord",
    "PROXMOX_TOKEN_VALUE": VALUE,
    "NODE_NAME": "pve1",
}
PEM = """-----BEGIN CERTIFICATE-----
MIIBdjCCARugAwIBAgIUMuL3BNez88x09gKrd2s5azsvDa8wCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjMyMTM0MTFaGA8yMTI2MTAzMDIxMzQx
MVowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMwz
iHQKMOyzBWj0VAfJ2vPPLUbNVZH3GTEWuOee6Llae3w8LvaIBkPqUdiXEbOKdh+n
fghKsUPNLP8HR6kELGmjUzBRMB0GA1UdDgQWBBQWzGM/jADhH4UsoyX8eARyRUH+
0TAfBgNVHSMEGDAWgBQWzGM/jADhH4UsoyX8eARyRUH+0TAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0kAMEYCIQC2fe6z9yl/DyB9zuY1UuhOp5b+NiW6VuBF
0F1+r73+EAIhAL3GO1Xax5QVHaWr7V+2QCQUnxlQagsV206aDC42BdXI
-----END CERTIFICATE-----
"""


def faults(config_path: Path, environ: Mapping[str, str]) -> tuple[Fault, ...]:
    with pytest.raises(SettingsError) as caught:
        settings.load(config_path, environ)
    error = caught.value
    own = [
        frame
        for frame in traceback.TracebackException.from_exception(error, capture_locals=True).stack
        if frame.filename in PARTS
    ]
    assert own
    told = repr(error) + str(error) + repr(error.faults) + "".join(str(frame.locals) for frame in own)
    assert not [secret for secret in (*SECRETS, PUSH) if secret in told]
    assert error.__cause__ is None
    assert error.__context__ is None
    for fault in error.faults:
        assert fault.value is None or (fault.value.isprintable() and len(fault.value) <= 80)
    return error.faults


def by_environment(tmp: Path, **changed: str) -> tuple[Fault, ...]:
    return faults(tmp / "config.py", GOOD | changed)


def by_config(tmp: Path, text: str, without: str = "") -> tuple[Fault, ...]:
    (tmp / "config.py").write_text(text, encoding="utf-8")
    return faults(tmp / "config.py", {name: value for name, value in GOOD.items() if name != without})


def loaded(tmp: Path, config: str = "", **changed: str) -> Settings:
    (tmp / "config.py").write_text(config, encoding="utf-8")
    return settings.load(tmp / "config.py", GOOD | changed)


def field_of(found: Settings, name: str) -> object:
    """Return a value of the bot, of its one site, or of that site's one entry point."""
    (site,) = found.sites
    (point,) = site.entry_points
    return next(getattr(holder, name) for holder in (found, site, point) if hasattr(holder, name))


# --- good settings ---


def test_defaults(tmp_path: Path) -> None:
    assert settings.load(tmp_path / "config.py", GOOD) == Settings(
        Secret(TOKEN),
        123456789012345678,
        223456789012345678,
        323456789012345678,
        (
            SiteSettings(
                "",
                (EntryPoint("pve1.example.com", 8006, None),),
                "bot@pve",
                "discord",
                Secret(VALUE),
                "pve1",
                (),
                True,
                323456789012345678,
                {},
                (),
            ),
        ),
        None,
        "ja",
        tmp_path,
        60,
        90,
        None,
        240,
        None,
        ZoneInfo("Asia/Tokyo"),
        None,
        (),
        (),
        (),
        (),
        10,
        365,
        None,
        "INFO",
        "text",
        None,
    )


def test_config_py_alone_and_the_environment_over_it(tmp_path: Path) -> None:
    lines = [f"{name} = {value!r}" for name, value in GOOD.items() if name != "GUILD_ID"]
    text = "\n".join(
        [
            "import os, pathlib",
            "from pathlib import Path as P",
            "_BASE = 3",
            "helper = 5",
            "",
            *lines,
            f"GUILD_ID = {GOOD['GUILD_ID']}",
            "MONITOR_VM_IDS = [102, '101', 102]",
            "LANGUAGE = 'EN'",
            "LOG_LEVEL = None",
            "PROXMOX_FINGERPRINT = ''",
            "DATA_DIR = P('data')",
            "MONITOR_INTERVAL_SECONDS = 5",
            "def SHOUT(): pass",
            "class X: pass",
            "PROXMOX_VERIFY_SSL = False",
        ]
    )
    (tmp_path / "config.py").write_text(text)
    found = settings.load(tmp_path / "config.py", {"LOG_LEVEL": "debug", "UNKNOWN": "x", "LANGUAGE": "  "})
    site = found.sites[0]
    assert (found.guild_id, site.monitor_vm_ids, found.language) == (123456789012345678, (102, 101), "en")
    assert (found.log_level, field_of(found, "fingerprint"), site.proxmox_verify_ssl) == (
        "DEBUG",
        None,
        False,
    )
    assert (found.data_dir, found.monitor_interval_seconds) == (tmp_path / "data", 5)
    assert found.data_dir.is_dir()
    over = settings.load(tmp_path / "config.py", {"NODE_NAME": "pve9", "MONITOR_VM_IDS": "7000"})
    assert (over.sites[0].node_name, over.sites[0].monitor_vm_ids) == ("pve9", (7000,))


@walked(
    ("name", "text", "field", "expected"),
    [
        ("PROXMOX_HOST", "pve1:443", "port", 443),
        ("PROXMOX_HOST", " 192.0.2.10 ", "host", "192.0.2.10"),
        ("PROXMOX_HOST", "[2001:DB8::1]:8007", "host", "2001:db8::1"),
        ("PROXMOX_HOST", "[2001:db8::1]:8007", "port", 8007),
        ("PROXMOX_HOST", "2001:db8::1", "host", "2001:db8::1"),
        ("PROXMOX_HOST", "[::1]", "port", 8006),
        ("PROXMOX_HOST", "fake_pve", "host", "fake_pve"),
        ("PROXMOX_USER", "first.last@corp-ad.example", "proxmox_user", "first.last@corp-ad.example"),
        ("PROXMOX_USER", "mail@example.com@ldap", "proxmox_user", "mail@example.com@ldap"),
        ("NODE_NAME", "a", "node_name", "a"),
        ("MONITOR_VM_IDS", "101, 102", "monitor_vm_ids", (101, 102)),
        ("MONITOR_VM_IDS", "102 101,102 ", "monitor_vm_ids", (102, 101)),
        ("MONITOR_VM_IDS", "[100,999999999]", "monitor_vm_ids", (100, 999999999)),
        ("PROXMOX_VERIFY_SSL", "TRUE", "proxmox_verify_ssl", True),
        ("PROXMOX_VERIFY_SSL", "1", "proxmox_verify_ssl", True),
        ("PROXMOX_VERIFY_SSL", "Yes", "proxmox_verify_ssl", True),
        ("PROXMOX_VERIFY_SSL", "on", "proxmox_verify_ssl", True),
        ("PROXMOX_VERIFY_SSL", "False", "proxmox_verify_ssl", False),
        ("PROXMOX_VERIFY_SSL", "0", "proxmox_verify_ssl", False),
        ("PROXMOX_VERIFY_SSL", "NO", "proxmox_verify_ssl", False),
        ("PROXMOX_VERIFY_SSL", "off", "proxmox_verify_ssl", False),
        ("PROXMOX_FINGERPRINT", "ab" * 32, "fingerprint", ":".join(["AB"] * 32)),
        ("PROXMOX_FINGERPRINT", ":".join(["aB"] * 32), "fingerprint", ":".join(["AB"] * 32)),
        (
            "PROXMOX_FINGERPRINT",
            "sha256 Fingerprint=" + ":".join(["0F"] * 32),
            "fingerprint",
            ":".join(["0F"] * 32),
        ),
        ("LANGUAGE", "EN", "language", "en"),
        ("LANGUAGE", "en_US:en", "language", "ja"),
        ("MONITOR_INTERVAL_SECONDS", "3600", "monitor_interval_seconds", 3600),
        ("STORAGE_ALERT_PERCENT", "0", "storage_alert_percent", 0),
        ("STORAGE_ALERT_PERCENT", "10", "storage_alert_percent", 10),
        ("STORAGE_ALERT_PERCENT", "100", "storage_alert_percent", 100),
        ("ALERT_MENTION_ROLE_ID", "423456789012345678", "alert_mention_role_id", 423456789012345678),
        ("ALERT_MENTION_ROLE_ID", "0", "alert_mention_role_id", None),
        ("ALERT_MENTION_ROLE_ID", "<@&423456789012345678>", "alert_mention_role_id", 423456789012345678),
        ("ALERT_MENTION_ROLE_ID", " ", "alert_mention_role_id", None),
        ("ALERT_REPEAT_MINUTES", "0", "alert_repeat_minutes", 0),
        ("ALERT_REPEAT_MINUTES", "5", "alert_repeat_minutes", 5),
        ("ALERT_REPEAT_MINUTES", "10080", "alert_repeat_minutes", 10080),
        ("QUIET_HOURS", "", "quiet_hours", None),
        ("QUIET_HOURS", "23:00-07:00", "quiet_hours", QuietHours(1380, 420)),
        ("QUIET_HOURS", " 7:05 – 23:59 ", "quiet_hours", QuietHours(425, 1439)),
        ("QUIET_HOURS", "２３：００～０７：００", "quiet_hours", QuietHours(1380, 420)),
        ("QUIET_HOURS", "２３：００〜07:00", "quiet_hours", QuietHours(1380, 420)),
        ("QUIET_HOURS", "23:00－07:00", "quiet_hours", QuietHours(1380, 420)),
        ("QUIET_HOURS", "23:00ー07:00", "quiet_hours", QuietHours(1380, 420)),
        ("QUIET_HOURS", "23:00—07:00", "quiet_hours", QuietHours(1380, 420)),
        ("QUIET_HOURS", "23:00\u221207:00", "quiet_hours", QuietHours(1380, 420)),
        ("QUIET_HOURS", "00:00-00:01", "quiet_hours", QuietHours(0, 1)),
        ("QUIET_HOURS", "22:00-24:00", "quiet_hours", QuietHours(1320, 0)),
        ("TIMEZONE", "Europe/Berlin", "timezone", ZoneInfo("Europe/Berlin")),
        (
            "TIMEZONE",
            "america/argentina/BUENOS AIRES",
            "timezone",
            ZoneInfo("America/Argentina/Buenos_Aires"),
        ),
        ("TIMEZONE", "UTC", "timezone", ZoneInfo("UTC")),
        ("HEARTBEAT_URL", BEAT, "heartbeat_url", Secret(BEAT)),
        ("HEARTBEAT_URL", "http://127.0.0.1:3001", "heartbeat_url", Secret("http://127.0.0.1:3001")),
        (
            "HEARTBEAT_URL",
            "HTTPS://u:p%40s@[::1]:8/x#y",
            "heartbeat_url",
            Secret("HTTPS://u:p%40s@[::1]:8/x#y"),
        ),
        ("HEARTBEAT_URL", "https://hc?a|b={c}@d:e", "heartbeat_url", Secret("https://hc?a|b={c}@d:e")),
        (
            "PROXMOX_WEB_URL",
            "https://pve1.example.com:8006/",
            "proxmox_web_url",
            "https://pve1.example.com:8006",
        ),
        (
            "PROXMOX_WEB_URL",
            "HTTPS://proxy.example.com/pve//",
            "proxmox_web_url",
            "https://proxy.example.com/pve",
        ),
        ("PROXMOX_WEB_URL", " https://[fd00::1]:8006 ", "proxmox_web_url", "https://[fd00::1]:8006"),
        ("LOG_LEVEL", "warning", "log_level", "WARNING"),
        ("LOG_FORMAT", "JSON", "log_format", "json"),
        ("METRICS_LISTEN", "localhost:9464", "metrics_listen", ("127.0.0.1", 9464)),
        ("METRICS_LISTEN", "[::1]:9464", "metrics_listen", ("::1", 9464)),
        ("PROXMOX_TOKEN_NAME", "", "proxmox_token_name", "from-config"),
    ],
)
def test_values_from_the_environment(
    tmp_path: Path, name: str, text: str, field: str, expected: object
) -> None:
    found = loaded(tmp_path, "PROXMOX_TOKEN_NAME = 'from-config'", **{name: text})
    assert field_of(found, field) == expected
    assert type(field_of(found, field)) is type(expected)


def test_secrets_from_files(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    (tmp_path / "value").write_text("\ufeff" + VALUE + "\r\n", encoding="utf-8")
    config = "PROXMOX_TOKEN_VALUE_FILE = 'value'\nDISCORD_TOKEN = '<placeholder>'\n"
    (tmp_path / "config.py").write_text(config)
    environ = {name: text for name, text in GOOD.items() if text not in SECRETS}
    found = settings.load(tmp_path / "config.py", environ | {"DISCORD_TOKEN_FILE": str(tmp_path / "token")})
    assert (found.discord_token.reveal(), found.sites[0].proxmox_token_value.reveal()) == SECRETS
    over = settings.load(
        tmp_path / "config.py",
        environ | {"DISCORD_TOKEN_FILE": str(tmp_path / "token"), "PROXMOX_TOKEN_VALUE": VALUE[::-1]},
    )
    assert over.sites[0].proxmox_token_value.reveal() == VALUE[::-1]


def test_the_heartbeat_url_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "beat").write_text(BEAT + "\n")
    found = loaded(tmp_path, "HEARTBEAT_URL_FILE = 'beat'")
    assert found.heartbeat_url is not None
    assert found.heartbeat_url.reveal() == BEAT
    assert PUSH not in repr(found) + str(dataclasses.asdict(found))
    assert loaded(tmp_path, "HEARTBEAT_URL_FILE = 'beat'\nHEARTBEAT_URL = ''") == found
    assert loaded(tmp_path, HEARTBEAT_URL="https://other") != found
    (tmp_path / "beat").write_text(f"uptime/{PUSH}")
    (fault,) = by_config(tmp_path, "HEARTBEAT_URL_FILE = 'beat'")
    assert fault == Fault(K.BAD_URL, "HEARTBEAT_URL", source="file", reason="scheme")
    (fault,) = by_config(tmp_path, f"HEARTBEAT_URL_FILE = 'beat'\nHEARTBEAT_URL = '{BEAT}'")
    assert (fault.kind, fault.other) == (K.BOTH_GIVEN, "HEARTBEAT_URL_FILE")
    (fault,) = by_config(tmp_path, "HEARTBEAT_URL_FILE = 10 ** 5000")
    assert (fault.kind, fault.found, fault.value) == (K.WRONG_TYPE, "int", None)
    (fault,) = by_environment(tmp_path, HEARTBEAT_URL=BEAT, PROXMOX_HOST=BEAT)
    assert (fault.kind, fault.value) == (K.BAD_HOST, None)


def test_the_role_of_everybody_is_found_wherever_the_ids_stand(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(f"ALERT_MENTION_ROLE_ID = {GOOD['GUILD_ID']}")
    (fault,) = faults(tmp_path / "config.py", GOOD)
    assert fault == Fault(K.GUILD_AS_ROLE, "ALERT_MENTION_ROLE_ID", GOOD["GUILD_ID"], "config")
    assert loaded(
        tmp_path, f"ALERT_MENTION_ROLE_ID = {GOOD['GUILD_ID']}", ALERT_MENTION_ROLE_ID="0"
    ) == loaded(tmp_path)
    assert loaded(tmp_path, "ALERT_MENTION_ROLE_ID = '0'").alert_mention_role_id is None
    found = by_environment(tmp_path, GUILD_ID="0", ALERT_MENTION_ROLE_ID="0")
    assert [(fault.kind, fault.name) for fault in found] == [(K.PLACEHOLDER_LEFT, "GUILD_ID")]


def test_the_time_zones_come_with_the_bot_where_the_system_has_none(tmp_path: Path) -> None:
    """Windows and small container images have no time zones of their own."""
    source = (
        "import sys, pathlib, zoneinfo\n"
        "from adapters.settings import load as settings\n"
        "assert zoneinfo.TZPATH == ()\n"
        "zone = settings.load(pathlib.Path(sys.argv[1]), dict(GOOD, TIMEZONE='asia/tokyo')).timezone\n"
        "print(zone, settings.minute_of_day(zone, 0))"
    ).replace("GOOD", repr(GOOD))
    done = subprocess.run(  # noqa: S603 - this very Python, with a source of this file
        [sys.executable, "-c", source, str(tmp_path / "config.py")],
        env={"PYTHONTZPATH": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("Asia/Tokyo 540\n", "")


def test_a_listed_time_zone_whose_file_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setting_alerts, "_zones", lambda: {"asia/nowhere": "Asia/Nowhere"})
    (fault,) = by_environment(tmp_path, TIMEZONE="Asia/Nowhere")
    assert (fault.kind, fault.value, fault.nearest) == (K.BAD_TIMEZONE, "Asia/Nowhere", None)


# --- quiet hours ---


@walked(
    ("start", "end", "within", "outside"),
    [
        (1380, 420, (1380, 1439, 0, 419), (1379, 420, 720)),
        (420, 1380, (420, 1379), (419, 1380, 0, 1439)),
        (1320, 0, (1320, 1439), (0, 1319)),
        (0, 1, (0,), (1, 1439)),
    ],
)
def test_quiet_hours_hold_their_start_and_not_their_end(
    start: int, end: int, within: tuple[int, ...], outside: tuple[int, ...]
) -> None:
    hours = QuietHours(start, end)
    assert all(hours.holds(minute) for minute in within)
    assert not any(hours.holds(minute) for minute in outside)


@given(start=st.integers(0, 1439), length=st.integers(1, 1439))
def test_quiet_hours_are_as_long_as_they_are_written(start: int, length: int) -> None:
    hours = QuietHours(start, (start + length) % 1440)
    assert sum(hours.holds(minute) for minute in range(1440)) == length
    text = f"{start // 60:02}:{start % 60:02}-{hours.end // 60:02}:{hours.end % 60:02}"
    raw = RawSetting("QUIET_HOURS", "text", text, "config", Path("/nowhere"))
    assert setting_alerts.parse_quiet_hours(raw) == hours


@walked(
    ("zone", "unix", "expected"),
    [
        ("Asia/Tokyo", 0, 9 * 60),
        ("Asia/Tokyo", 14 * 3600 + 3599.9, 23 * 60 + 59),
        ("Asia/Tokyo", 15 * 3600, 0),
        ("Asia/Kathmandu", 1_700_000_000, 3 * 60 + 58),  # 22:13:20 UTC, +05:45
        ("Europe/Berlin", 1_774_745_999, 60 + 59),  # the last second of winter, 2026-03-29
        ("Europe/Berlin", 1_774_746_000, 3 * 60),
    ],
)
def test_the_minute_of_the_day_is_that_of_the_place(zone: str, unix: float, expected: int) -> None:
    assert settings.minute_of_day(ZoneInfo(zone), unix) == expected


def test_ca_file(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(PEM)
    assert loaded(tmp_path, PROXMOX_VERIFY_SSL="ca.pem").sites[0].proxmox_verify_ssl == tmp_path / "ca.pem"
    text = f"from pathlib import Path\nPROXMOX_VERIFY_SSL = Path({str(tmp_path / 'ca.pem')!r})"
    assert loaded(tmp_path, text).sites[0].proxmox_verify_ssl == tmp_path / "ca.pem"


# --- every fault ---

K = FaultKind
LONG = 10**5000
BY_ENVIRONMENT: list[tuple[str, str, dict[str, object]]] = [
    ("GUILD_ID", "abc", {"kind": K.NOT_AN_ID, "value": "abc"}),
    ("GUILD_ID", "1234567890123456", {"kind": K.NOT_AN_ID}),
    ("ALERT_MENTION_ROLE_ID", "<@423456789012345678>", {"kind": K.NOT_AN_ID}),  # a person's ID
    ("ALERT_MENTION_ROLE_ID", "423456789012345678>", {"kind": K.NOT_AN_ID}),
    ("GUILD_ID", "99999999999999999999", {"kind": K.NOT_AN_ID}),
    ("GUILD_ID", "１２３４５６７８９０１２３４５６７８", {"kind": K.NOT_AN_ID}),
    ("GUILD_ID", TOKEN, {"kind": K.NOT_AN_ID, "value": None}),
    ("ALERT_CHANNEL_ID", "0", {"kind": K.PLACEHOLDER_LEFT, "value": "0"}),
    ("NODE_NAME", "<pve1>", {"kind": K.PLACEHOLDER_LEFT, "value": "<pve1>"}),
    ("DISCORD_TOKEN", "<" + VALUE + ">", {"kind": K.PLACEHOLDER_LEFT, "value": None}),
    ("DISCORD_TOKEN", '"' + TOKEN + '"', {"kind": K.BAD_SECRET, "reason": "characters", "value": None}),
    ("DISCORD_TOKEN", "Bot " + TOKEN, {"kind": K.BAD_SECRET, "reason": "characters"}),
    (
        "PROXMOX_TOKEN_VALUE",
        "bot@pve!x=" + VALUE,
        {"kind": K.BAD_SECRET, "reason": "whole_token", "value": None},
    ),
    (
        "PROXMOX_HOST",
        "https://pve1:8006/",
        {"kind": K.BAD_HOST, "reason": "url", "nearest": "pve1:8006", "value": "https://pve1:8006/"},
    ),
    (
        "PROXMOX_HOST",
        "https://root:pw@pve1/x",
        {"kind": K.BAD_HOST, "reason": "url", "nearest": "pve1", "value": None},
    ),
    ("PROXMOX_HOST", "pve1/api2/json", {"kind": K.BAD_HOST, "reason": "path", "nearest": "pve1"}),
    ("PROXMOX_HOST", "//", {"kind": K.BAD_HOST, "reason": "path", "nearest": None}),
    ("PROXMOX_HOST", "pve1:", {"kind": K.BAD_HOST, "reason": "port"}),
    ("PROXMOX_HOST", "pve1:70000", {"kind": K.BAD_HOST, "reason": "port"}),
    ("PROXMOX_HOST", "pve 1", {"kind": K.BAD_HOST, "reason": "name", "value": "pve 1"}),
    ("PROXMOX_HOST", "300.1.1.1", {"kind": K.BAD_HOST, "reason": "name"}),
    ("PROXMOX_HOST", "[pve1]", {"kind": K.BAD_HOST, "reason": "name"}),
    ("PROXMOX_HOST", "[fe80::1%eth0]", {"kind": K.BAD_HOST, "reason": "name"}),
    ("PROXMOX_HOST", "-a.example", {"kind": K.BAD_HOST, "reason": "name"}),
    ("PROXMOX_USER", "bot", {"kind": K.BAD_USER, "value": "bot"}),
    ("PROXMOX_USER", "b" * 70 + "@pve", {"kind": K.BAD_USER}),
    (
        "PROXMOX_USER",
        "bot@pve!discord",
        {"kind": K.USER_WITH_TOKEN, "value": "bot@pve", "other": "PROXMOX_TOKEN_NAME"},
    ),
    ("PROXMOX_USER", "bot@pve!discord=" + VALUE, {"kind": K.USER_WITH_TOKEN, "value": "bot@pve"}),
    ("PROXMOX_USER", "bot@pve!discord=x@y", {"kind": K.USER_WITH_TOKEN, "value": "bot@pve"}),
    (
        "PROXMOX_TOKEN_NAME",
        "bot@pve!discord=" + VALUE,
        {"kind": K.BAD_TOKEN_NAME, "reason": "whole_token", "value": None, "nearest": "discord"},
    ),
    (
        "PROXMOX_TOKEN_NAME",
        "bot@pve!discord",
        {"kind": K.BAD_TOKEN_NAME, "reason": "whole_token", "value": "bot@pve!discord", "nearest": "discord"},
    ),
    ("PROXMOX_TOKEN_NAME", "a" + VALUE[1:], {"kind": K.BAD_TOKEN_NAME, "reason": "secret", "value": None}),
    ("PROXMOX_TOKEN_NAME", "1st", {"kind": K.BAD_TOKEN_NAME, "reason": "pattern", "value": "1st"}),
    ("NODE_NAME", "pve1.example.com", {"kind": K.BAD_NODE_NAME, "value": "pve1.example.com"}),
    ("NODE_NAME", "../etc\n\u202e\udc80", {"kind": K.BAD_NODE_NAME, "value": r"../etc\n\u202e\udc80"}),
    ("NODE_NAME", "n" * 200, {"kind": K.BAD_NODE_NAME, "value": "n" * 79 + "…"}),
    (
        "MONITOR_VM_IDS",
        "101, x",
        {"kind": K.WRONG_TYPE, "value": "x", "expected": "list_of_whole_numbers", "found": "str"},
    ),
    ("MONITOR_VM_IDS", "101, 99", {"kind": K.OUT_OF_RANGE, "value": "99", "low": 100, "high": 999_999_999}),
    ("PROXMOX_VERIFY_SSL", "ture", {"kind": K.NO_SUCH_FILE, "value": "ture"}),
    ("PROXMOX_VERIFY_SSL", "/", {"kind": K.UNREADABLE_FILE, "value": "/", "reason": "EISDIR"}),
    ("PROXMOX_VERIFY_SSL", "config.py", {"kind": K.UNREADABLE_FILE, "reason": "no_certificate"}),
    ("PROXMOX_VERIFY_SSL", "~no-such-user-here/ca.pem", {"kind": K.UNREADABLE_FILE, "reason": "bad_path"}),
    ("PROXMOX_FINGERPRINT", "AB:CD", {"kind": K.BAD_FINGERPRINT, "value": "AB:CD"}),
    ("PROXMOX_FINGERPRINT", "ab" * 20, {"kind": K.BAD_FINGERPRINT}),
    ("LANGUAGE", "jp", {"kind": K.BAD_LANGUAGE, "value": "jp", "source": "environment"}),
    ("LOG_LEVEL", "LOUD", {"kind": K.BAD_LOG_LEVEL, "value": "LOUD"}),
    ("LOG_FORMAT", "xml", {"kind": K.BAD_LOG_FORMAT, "value": "xml"}),
    ("METRICS_LISTEN", "9464", {"kind": K.BAD_LISTEN, "value": "9464"}),
    ("METRICS_LISTEN", "127.0.0.1", {"kind": K.BAD_LISTEN}),
    ("METRICS_LISTEN", "example.com:9464", {"kind": K.BAD_LISTEN}),
    ("METRICS_LISTEN", "127.0.0.1:70000", {"kind": K.BAD_LISTEN}),
    ("MONITOR_INTERVAL_SECONDS", "4", {"kind": K.OUT_OF_RANGE, "value": "4", "low": 5, "high": 3600}),
    ("MONITOR_INTERVAL_SECONDS", "60s", {"kind": K.WRONG_TYPE, "expected": "whole_number", "value": "60s"}),
    ("ALERT_MENTION_ROLE_ID", "00", {"kind": K.NOT_AN_ID, "value": "00"}),
    ("ALERT_MENTION_ROLE_ID", "@admins", {"kind": K.NOT_AN_ID, "value": "@admins"}),
    ("ALERT_MENTION_ROLE_ID", GOOD["GUILD_ID"], {"kind": K.GUILD_AS_ROLE, "value": GOOD["GUILD_ID"]}),
    ("ALERT_REPEAT_MINUTES", "4", {"kind": K.ZERO_OR_RANGE, "value": "4", "low": 5, "high": 10080}),
    ("ALERT_REPEAT_MINUTES", "-1", {"kind": K.ZERO_OR_RANGE, "value": "-1"}),
    ("ALERT_REPEAT_MINUTES", "10081", {"kind": K.ZERO_OR_RANGE, "value": "10081"}),
    ("ALERT_REPEAT_MINUTES", "4h", {"kind": K.WRONG_TYPE, "expected": "whole_number", "value": "4h"}),
    ("STORAGE_ALERT_PERCENT", "9", {"kind": K.ZERO_OR_RANGE, "value": "9", "low": 10, "high": 100}),
    ("STORAGE_ALERT_PERCENT", "101", {"kind": K.ZERO_OR_RANGE, "value": "101"}),
    ("STORAGE_ALERT_PERCENT", "90%", {"kind": K.WRONG_TYPE, "value": "90%"}),
    ("QUIET_HOURS", "07:00-07:00", {"kind": K.BAD_QUIET_HOURS, "reason": "same", "value": "07:00-07:00"}),
    ("QUIET_HOURS", "0:00-24:00", {"kind": K.BAD_QUIET_HOURS, "reason": "same"}),
    ("QUIET_HOURS", "24:00-07:00", {"kind": K.BAD_QUIET_HOURS, "reason": "pattern"}),
    ("QUIET_HOURS", "23:00-24:01", {"kind": K.BAD_QUIET_HOURS, "reason": "pattern"}),
    ("QUIET_HOURS", "23:60-07:00", {"kind": K.BAD_QUIET_HOURS, "reason": "pattern"}),
    ("QUIET_HOURS", "23:00-07:99", {"kind": K.BAD_QUIET_HOURS, "reason": "pattern"}),
    ("QUIET_HOURS", "23-7", {"kind": K.BAD_QUIET_HOURS, "reason": "pattern", "value": "23-7"}),
    ("QUIET_HOURS", "11:00 PM-7:00 AM", {"kind": K.BAD_QUIET_HOURS, "reason": "pattern"}),
    ("QUIET_HOURS", "٢٣:٠٠-٠٧:٠٠", {"kind": K.BAD_QUIET_HOURS, "reason": "pattern"}),
    ("TIMEZONE", "Asia/Tokio", {"kind": K.BAD_TIMEZONE, "value": "Asia/Tokio", "nearest": "Asia/Tokyo"}),
    ("TIMEZONE", "tokyo", {"kind": K.BAD_TIMEZONE, "nearest": "Asia/Tokyo"}),
    ("TIMEZONE", "new york", {"kind": K.BAD_TIMEZONE, "nearest": "America/New_York"}),
    ("TIMEZONE", "EUROPE/BERLN", {"kind": K.BAD_TIMEZONE, "nearest": "Europe/Berlin"}),
    ("TIMEZONE", "JST", {"kind": K.BAD_TIMEZONE, "nearest": "Asia/Tokyo"}),
    ("TIMEZONE", "東京", {"kind": K.BAD_TIMEZONE, "value": "東京", "nearest": None}),
    ("TIMEZONE", "Asia", {"kind": K.BAD_TIMEZONE, "value": "Asia"}),
    ("TIMEZONE", "../etc/passwd", {"kind": K.BAD_TIMEZONE, "nearest": None}),
    ("TIMEZONE", "/usr/share/zoneinfo/Asia/Tokyo", {"kind": K.BAD_TIMEZONE}),
    ("TIMEZONE", "posix/Asia/Tokyo", {"kind": K.BAD_TIMEZONE, "value": "posix/Asia/Tokyo"}),
    ("TIMEZONE", "a\0b", {"kind": K.BAD_TIMEZONE, "value": r"a\x00b"}),
    ("HEARTBEAT_URL", f"uptime.example.com/{PUSH}", {"kind": K.BAD_URL, "reason": "scheme", "value": None}),
    ("HEARTBEAT_URL", f"ftp://uptime/{PUSH}", {"kind": K.BAD_URL, "reason": "scheme", "value": None}),
    ("HEARTBEAT_URL", f"https:/uptime/{PUSH}", {"kind": K.BAD_URL, "reason": "scheme"}),
    ("HEARTBEAT_URL", f"https:///{PUSH}", {"kind": K.BAD_URL, "reason": "host", "value": None}),
    ("HEARTBEAT_URL", f"https://user:{PUSH}@/x", {"kind": K.BAD_URL, "reason": "host", "value": None}),
    ("HEARTBEAT_URL", f"https://a..b/{PUSH}", {"kind": K.BAD_URL, "reason": "host"}),
    ("HEARTBEAT_URL", f"https://[::1/{PUSH}", {"kind": K.BAD_URL, "reason": "host"}),
    ("HEARTBEAT_URL", f"https://[{PUSH}]/", {"kind": K.BAD_URL, "reason": "host"}),
    ("HEARTBEAT_URL", f"https://uptime:0/{PUSH}", {"kind": K.BAD_URL, "reason": "port", "value": None}),
    ("HEARTBEAT_URL", f"https://uptime:65536/{PUSH}", {"kind": K.BAD_URL, "reason": "port"}),
    ("HEARTBEAT_URL", f"https://uptime:/{PUSH}", {"kind": K.BAD_URL, "reason": "port"}),
    ("HEARTBEAT_URL", f"https://uptime/{PUSH} x", {"kind": K.BAD_URL, "reason": "characters", "value": None}),
    ("HEARTBEAT_URL", f"https://uptime/{PUSH}\r\nX: y", {"kind": K.BAD_URL, "reason": "characters"}),
    ("HEARTBEAT_URL", f'"https://uptime/{PUSH}"', {"kind": K.BAD_URL, "reason": "characters"}),
    ("HEARTBEAT_URL", f"https://監視.example/{PUSH}", {"kind": K.BAD_URL, "reason": "characters"}),
    ("HEARTBEAT_URL", f"<https://uptime/{PUSH}>", {"kind": K.PLACEHOLDER_LEFT, "value": None}),
    ("PROXMOX_WEB_URL", "http://pve1:8006", {"kind": K.BAD_WEB_URL, "reason": "scheme", "value": None}),
    ("PROXMOX_WEB_URL", "pve1.example.com:8006", {"kind": K.BAD_WEB_URL, "reason": "scheme"}),
    ("PROXMOX_WEB_URL", "javascript:alert(1)", {"kind": K.BAD_WEB_URL, "reason": "scheme"}),
    (
        "PROXMOX_WEB_URL",
        f"https://root:{PUSH}@pve1",
        {"kind": K.BAD_WEB_URL, "reason": "credentials", "value": None, "nearest": None},
    ),
    ("PROXMOX_WEB_URL", "https://", {"kind": K.BAD_WEB_URL, "reason": "host"}),
    ("PROXMOX_WEB_URL", "https://a..b", {"kind": K.BAD_WEB_URL, "reason": "host"}),
    ("PROXMOX_WEB_URL", "https://fd00::1", {"kind": K.BAD_WEB_URL, "reason": "host"}),
    ("PROXMOX_WEB_URL", "https://pve1:0", {"kind": K.BAD_WEB_URL, "reason": "port"}),
    (
        "PROXMOX_WEB_URL",
        f"https://pve1:8006/#v1:0:18:4:{PUSH}",
        {"kind": K.BAD_WEB_URL, "reason": "page", "value": None, "nearest": "https://pve1:8006"},
    ),
    (
        "PROXMOX_WEB_URL",
        f"https://pve1/x?y={VALUE}",
        {"kind": K.BAD_WEB_URL, "reason": "page", "value": None},
    ),
    ("PROXMOX_WEB_URL", "https://pve1/a(b)", {"kind": K.BAD_WEB_URL, "reason": "page"}),
    ("PROXMOX_WEB_URL", "https://pve1/ x", {"kind": K.BAD_WEB_URL, "reason": "characters"}),
    ("PROXMOX_WEB_URL", "https://pve1/" + "x" * 300, {"kind": K.BAD_WEB_URL, "reason": "characters"}),
    ("PROXMOX_WEB_URL", "https://監視.example", {"kind": K.BAD_WEB_URL, "reason": "characters"}),
    ("DATA_DIR", "/dev/null", {"kind": K.DATA_DIR_NOT_WRITABLE, "value": "/dev/null", "reason": "EEXIST"}),
    ("DATA_DIR", "/no/such/place", {"kind": K.DATA_DIR_NOT_WRITABLE, "reason": "ENOENT"}),
    ("DATA_DIR", "/a\0b", {"kind": K.DATA_DIR_NOT_WRITABLE, "reason": "bad_path", "value": r"/a\x00b"}),
]
BY_CONFIG: list[tuple[str, str, dict[str, object]]] = [
    ("GUILD_ID", "True", {"kind": K.WRONG_TYPE, "expected": "id", "found": "bool", "value": "True"}),
    ("GUILD_ID", "1.5", {"kind": K.WRONG_TYPE, "found": "float"}),
    ("GUILD_ID", "7", {"kind": K.NOT_AN_ID, "value": "7"}),
    ("GUILD_ID", "10**5000", {"kind": K.NOT_AN_ID, "value": None}),
    (
        "DISCORD_TOKEN",
        f"['{TOKEN}']",
        {"kind": K.WRONG_TYPE, "expected": "text", "found": "list", "value": None},
    ),
    ("NODE_NAME", f"b'{VALUE}'", {"kind": K.WRONG_TYPE, "found": "bytes", "value": None}),
    ("MONITOR_VM_IDS", "'101, 102'", {"kind": K.WRONG_TYPE, "found": "str"}),
    ("MONITOR_VM_IDS", "101", {"kind": K.WRONG_TYPE, "found": "int"}),
    ("MONITOR_VM_IDS", "[101, True]", {"kind": K.WRONG_TYPE, "found": "bool"}),
    ("MONITOR_VM_IDS", "[10**5000]", {"kind": K.OUT_OF_RANGE, "value": None}),
    ("PROXMOX_VERIFY_SSL", "'False'", {"kind": K.WRONG_TYPE, "expected": "yes_no_or_path", "found": "str"}),
    ("PROXMOX_VERIFY_SSL", "1", {"kind": K.WRONG_TYPE, "found": "int"}),
    ("MONITOR_INTERVAL_SECONDS", "True", {"kind": K.WRONG_TYPE, "found": "bool"}),
    ("MONITOR_INTERVAL_SECONDS", "'60'", {"kind": K.WRONG_TYPE, "found": "str"}),
    ("MONITOR_INTERVAL_SECONDS", "60.0", {"kind": K.WRONG_TYPE, "found": "float"}),
    ("ALERT_MENTION_ROLE_ID", "False", {"kind": K.WRONG_TYPE, "expected": "id", "found": "bool"}),
    ("ALERT_MENTION_ROLE_ID", "0.0", {"kind": K.WRONG_TYPE, "found": "float"}),
    ("ALERT_MENTION_ROLE_ID", GOOD["GUILD_ID"], {"kind": K.GUILD_AS_ROLE, "value": GOOD["GUILD_ID"]}),
    ("ALERT_REPEAT_MINUTES", "'0'", {"kind": K.WRONG_TYPE, "found": "str"}),
    ("ALERT_REPEAT_MINUTES", "False", {"kind": K.WRONG_TYPE, "found": "bool"}),
    ("ALERT_REPEAT_MINUTES", "10**5000", {"kind": K.ZERO_OR_RANGE, "value": None}),
    ("QUIET_HOURS", "2300 - 700", {"kind": K.WRONG_TYPE, "expected": "text", "found": "int"}),
    ("TIMEZONE", "9", {"kind": K.WRONG_TYPE, "found": "int"}),
    ("HEARTBEAT_URL", f"b'{BEAT}'", {"kind": K.WRONG_TYPE, "found": "bytes", "value": None}),
    ("HEARTBEAT_URL_FILE", "5", {"kind": K.WRONG_TYPE, "expected": "path", "name": "HEARTBEAT_URL_FILE"}),
    ("DATA_DIR", "5", {"kind": K.WRONG_TYPE, "expected": "path", "found": "int"}),
    ("LANGUAGE", "1", {"kind": K.WRONG_TYPE, "found": "int"}),
    ("DISCORD_TOKEN_FILE", "5", {"kind": K.WRONG_TYPE, "expected": "path", "name": "DISCORD_TOKEN_FILE"}),
    ("DISCORD_TOKN", f"'{TOKEN}'", {"kind": K.UNKNOWN_NAME, "nearest": "DISCORD_TOKEN", "value": None}),
    ("ZZZ", "1", {"kind": K.UNKNOWN_NAME, "nearest": None}),
]


def matches(fault: Fault, name: str, expected: dict[str, object]) -> None:
    found = dataclasses.asdict(fault)
    assert {key: found[key] for key in expected} == expected
    assert fault.name == name


@walked(("name", "text", "expected"), BY_ENVIRONMENT)
def test_faults_in_the_environment(tmp_path: Path, name: str, text: str, expected: dict[str, object]) -> None:
    (tmp_path / "config.py").write_text("")
    found = by_environment(tmp_path, **{name: text})
    assert len(found) == 1
    matches(found[0], name, {"source": "environment"} | expected)


@walked(("name", "text", "expected"), BY_CONFIG)
def test_faults_in_config_py(tmp_path: Path, name: str, text: str, expected: dict[str, object]) -> None:
    found = by_config(tmp_path, f"{name} = {text}\n", without=name.removesuffix("_FILE"))
    assert len(found) == 1
    matches(found[0], name, {"source": "config"} | expected)


@pytest.mark.parametrize(
    ("text", "kind", "line", "value"),
    [
        (f"A = 1\nDISCORD_TOKEN = '{TOKEN}\n", K.CONFIG_SYNTAX, 2, None),
        ("A = '\0'", K.CONFIG_SYNTAX, None, None),
        (f"\nDISCORD_TOKEN = '{TOKEN}'\nraise ValueError(DISCORD_TOKEN)", K.CONFIG_ERROR, 3, "ValueError"),
        (f"DISCORD_TOKEN = {TOKEN}", K.CONFIG_ERROR, 1, "NameError"),
        (f"PROXMOX_TOKEN_VALUE = {VALUE}", K.CONFIG_SYNTAX, 1, None),
        ("import sys\nsys.exit(3)", K.CONFIG_ERROR, 2, "SystemExit"),
        ("open('/no/such/file')", K.CONFIG_ERROR, 1, "FileNotFoundError"),
        ("def f():\n    f()\nf()", K.CONFIG_ERROR, 2, "RecursionError"),
        ("import no_such_module_at_all", K.CONFIG_ERROR, 1, "ModuleNotFoundError"),
        ("compile('(', 'elsewhere', 'exec')", K.CONFIG_ERROR, 1, "SyntaxError"),
    ],
)
def test_a_config_py_that_does_not_run(
    tmp_path: Path, text: str, kind: FaultKind, line: int | None, value: str | None
) -> None:
    # nothing is read, so the missing GUILD_ID is not a second fault
    found = by_config(tmp_path, text, without="GUILD_ID")
    assert found == (Fault(kind, "config.py", value, line=line),)


def test_a_config_py_that_is_not_utf_8_and_one_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_bytes(b"A = '\xff'")
    assert [fault.kind for fault in faults(tmp_path / "config.py", GOOD)] == [K.CONFIG_SYNTAX]
    (tmp_path / "dir").mkdir()
    assert [(fault.kind, fault.reason) for fault in faults(tmp_path / "dir", GOOD)] == [
        (K.UNREADABLE_FILE, "EISDIR")
    ]


def test_no_compiler_warning_shows_a_secret(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.py").write_text(f"NODE_NAME = 'pve1'\nDISCORD_TOKEN = 'a\\d{TOKEN}'\n")
    settings.load(tmp_path / "config.py", GOOD)
    assert capfd.readouterr() == ("", "")


def test_faults_of_secret_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {name: text for name, text in GOOD.items() if name != "DISCORD_TOKEN"}

    def fault(file: str) -> tuple[FaultKind, str, str | None, str | None]:
        (only,) = faults(tmp_path / "config.py", environ | {"DISCORD_TOKEN_FILE": file})
        return only.kind, only.name, only.value, only.reason

    missing = str(tmp_path / "missing")
    assert fault(missing)[:2] == (K.NO_SUCH_FILE, "DISCORD_TOKEN_FILE")
    assert fault("/missing")[2] == "/missing"
    assert fault("some-secret-by-mistake")[2] is None
    assert fault(TOKEN)[2] is None
    (tmp_path / "empty").write_text(" \n")
    assert fault("./empty") == (K.UNREADABLE_FILE, "DISCORD_TOKEN_FILE", "./empty", "empty")
    (tmp_path / "bad").write_bytes(b"\xff\xfe" + TOKEN.encode())
    assert fault("./bad") == (K.BAD_SECRET, "DISCORD_TOKEN", None, "characters")
    both = by_environment(tmp_path, DISCORD_TOKEN_FILE="x")
    assert both == (Fault(K.BOTH_GIVEN, "DISCORD_TOKEN", source="environment", other="DISCORD_TOKEN_FILE"),)

    real = Path.open

    def refuse(self: Path, *args: Any, **more: Any) -> Any:
        if self.name == "locked":
            raise PermissionError(errno.EACCES, "")
        return real(self, *args, **more)

    monkeypatch.setattr(Path, "open", refuse)
    assert fault("./locked") == (K.UNREADABLE_FILE, "DISCORD_TOKEN_FILE", "./locked", "EACCES")


def test_a_data_dir_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    (fault,) = by_environment(tmp_path)
    assert (fault.kind, fault.source, fault.reason) == (K.DATA_DIR_NOT_WRITABLE, "default", "EACCES")


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    text = "LANGUAGE = 'xx'\nNODE_NAM = 1\nMONITOR_VM_IDS = [1, 'x', 100]"
    found = by_config(tmp_path, text, without="NODE_NAME")
    assert [(fault.kind, fault.name) for fault in found] == [
        (K.UNKNOWN_NAME, "NODE_NAM"),
        (K.MISSING, "NODE_NAME"),
        (K.OUT_OF_RANGE, "MONITOR_VM_IDS"),
        (K.WRONG_TYPE, "MONITOR_VM_IDS"),
        (K.BAD_LANGUAGE, "LANGUAGE"),
    ]


def test_nothing_is_one_fault_without_a_config_and_nine_with_an_empty_one(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path / "config.py", {"LOG_LEVEL": "x", "LANG": "C", "DATA_DIR": "/nowhere"})
    assert (fault.kind, fault.name) == (K.NO_CONFIG, "config.py")
    (tmp_path / "config.py").write_text("GUILD_ID = None\nDISCORD_TOKEN = '  '")
    found = faults(tmp_path / "config.py", {})
    assert [(fault.kind, fault.name) for fault in found] == [
        (K.MISSING, row.name) for row in SETTINGS if row.required
    ]
    assert found[0].other == "DISCORD_TOKEN_FILE"
    assert found[1].other is None


def test_every_kind_has_a_test() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [kind for kind in FaultKind if f"K.{kind.name}" not in text] == []


# --- free input ---

TEXT = st.text(max_size=90) | st.from_regex(r"[\[\]:a-f0-9.@!=/%,<>~ -]{0,40}", fullmatch=True)
ANYTHING = (
    TEXT
    | st.none()
    | st.booleans()
    | st.integers()
    | st.just(LONG)
    | st.floats()
    | st.binary(max_size=5)
    | st.just(object())
    | st.lists(TEXT | st.integers() | st.booleans(), max_size=4)
    | st.builds(Path, st.text("ab/.~", max_size=6))
    | st.dictionaries(TEXT, TEXT, max_size=2)
)


@pytest.mark.parametrize("row", [row for row in SETTINGS if row.name != "DATA_DIR"], ids=lambda row: row.name)
@given(value=ANYTHING, source=st.sampled_from(["environment", "config", "file"]))
def test_a_parser_answers_or_rejects(row: settings.Setting, value: object, source: Source) -> None:
    raw = RawSetting(row.name, row.form, value, source, Path("/nowhere"), secret=row.secret)
    try:
        row.parse(raw)
    except SettingRejected as refused:
        assert refused.faults
        assert all(fault.name.startswith(row.name) for fault in refused.faults)


@given(value=ANYTHING)
def test_the_data_dir_parser_answers_or_rejects(value: object) -> None:
    with tempfile.TemporaryDirectory() as tmp, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "mkdir", lambda *_, **__: None)
        try:
            setting_values.parse_data_dir(RawSetting("DATA_DIR", "path", value, "config", Path(tmp)))
        except SettingRejected as refused:
            assert refused.faults


@given(st.dictionaries(st.sampled_from(KNOWN_NAMES).filter(lambda name: name != "DATA_DIR"), TEXT))
def test_any_environment_is_loaded_or_refused(environ: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as tmp:
        try:
            settings.load(Path(tmp) / "config.py", GOOD | environ)
        except SettingsError as error:
            assert error.faults
            assert not [secret for secret in SECRETS if secret in repr(error)]


# --- secrets, language, the example ---


def test_a_secret_shows_itself_to_nobody(tmp_path: Path) -> None:
    found = settings.load(tmp_path / "config.py", GOOD)
    secret = found.discord_token
    nested = str(dataclasses.asdict(found)), str([secret])
    for told in (repr(secret), str(secret), f"{secret}", repr(found), *nested):
        assert TOKEN not in told
        assert VALUE not in told
    assert secret == Secret(TOKEN) != Secret(VALUE)
    assert secret != TOKEN
    assert hash(secret) == hash(Secret(TOKEN))
    assert copy.deepcopy(secret) is secret
    for refused in (secret, found):
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(refused)
    with pytest.raises(TypeError):
        vars(secret)


def test_a_secret_pasted_into_another_setting_is_not_shown(tmp_path: Path) -> None:
    for odd in ("correct-horse-battery", TOKEN, VALUE):
        changed = {
            "PROXMOX_TOKEN_VALUE": odd,
            "NODE_NAME": f"my {odd}",
            "PROXMOX_HOST": f"https://{odd}/",
            "LOG_LEVEL": odd,
            "GUILD_ID": odd,
            "PROXMOX_USER": odd,
            "MONITOR_VM_IDS": odd,
        }
        found = by_environment(tmp_path, **changed)
        assert len(found) == 6
        assert odd not in repr(found)


@walked(
    ("environ", "configured", "expected"),
    [
        ({}, None, "ja"),
        ({"LANG": "C"}, None, "ja"),
        ({"LANG": "C.UTF-8"}, None, "ja"),
        ({"LANG": "POSIX"}, None, "ja"),
        ({"LANG": "ja_JP.UTF-8"}, None, "ja"),
        ({"LANG": "ja"}, None, "ja"),
        ({"LANG": "en_US.UTF-8"}, None, "en"),
        ({"LANG": "de_DE"}, None, "en"),
        ({"LANG": "ca_ES"}, None, "en"),
        ({"LANG": "jav"}, None, "en"),
        ({"LANG": "ja_JP", "LC_MESSAGES": "en_GB"}, None, "en"),
        ({"LC_MESSAGES": "en", "LC_ALL": "ja_JP"}, None, "ja"),
        ({"LANG": "ja_JP", "LC_ALL": ""}, None, "ja"),
        ({"LANG": "ja_JP"}, "en", "en"),
        ({"LANG": "en"}, "JA", "ja"),
        ({"LANGUAGE": "en", "LANG": "ja"}, "ja", "en"),
        ({"LANGUAGE": "xx"}, 5, "ja"),
        ({"LANGUAGE": "en_US:en", "LANG": "ja_JP"}, "xx", "ja"),
    ],
)
def test_language_of(environ: dict[str, str], configured: object, expected: str) -> None:
    assert settings.language_of(environ, configured) == expected


def test_the_error_knows_the_language(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text("LANGUAGE = 'en'")
    with pytest.raises(SettingsError) as caught:
        settings.load(tmp_path / "config.py", {"LANG": "ja_JP"})
    assert caught.value.language == "en"


def test_the_example_is_complete_in_order_and_its_placeholders_are_caught(tmp_path: Path) -> None:
    example = (ROOT / "config.py.example").read_text(encoding="utf-8")
    assert re.findall(r"^(?:# )?([A-Z_]+) = ", example, re.M) == list(KNOWN_NAMES)
    commented = set(re.findall(r"^# ([A-Z_]+) = ", example, re.M))
    assert commented == {row.file_name for row in SETTINGS if row.secret}
    (tmp_path / "config.py").write_text(example, encoding="utf-8")
    assert [(fault.kind, fault.name) for fault in faults(tmp_path / "config.py", {})] == [
        (K.PLACEHOLDER_LEFT, row.name) for row in SETTINGS if row.required
    ]
    assert settings.load(tmp_path / "config.py", GOOD) == settings.load(tmp_path / "no config.py", GOOD)


def test_the_table_fills_every_field() -> None:
    filled = [row.name.lower() for row in BOT_ROWS if row.name not in ("ROLE_SCOPES", "PROTECTED_VM_IDS")]
    assert filled == [field.name for field in dataclasses.fields(Settings)]
    of_site = {row.name.lower() for row in SITE_SETTINGS} - {"proxmox_host", "proxmox_fingerprint"}
    more = {"name", "entry_points", "role_scopes", "protected_vm_ids"}
    assert of_site | more == {field.name for field in dataclasses.fields(SiteSettings)}


# --- who may do what ---

ROLE, OTHER = 423456789012345678, 523456789012345678


@walked(
    ("written", "given_by"),
    [
        (f"[{ROLE}, '<@&{OTHER}>', {ROLE}]", "config"),
        (f"({ROLE}, '{OTHER}')", "config"),
        (f"{ROLE} {OTHER}", "environment"),
        (f"[{ROLE},{OTHER}]", "environment"),
    ],
)
@walked("name", ["VIEWER_ROLE_IDS", "OPERATOR_ROLE_IDS", "ADMIN_ROLE_IDS"])
def test_roles(tmp_path: Path, name: str, written: str, given_by: str) -> None:
    found = (
        loaded(tmp_path, f"{name} = {written}")
        if given_by == "config"
        else loaded(tmp_path, **{name: written})
    )
    assert getattr(found, name.lower()) == (ROLE, OTHER)


def test_one_role_alone_and_the_role_of_everybody_as_viewer(tmp_path: Path) -> None:
    assert loaded(tmp_path, f"ADMIN_ROLE_IDS = {ROLE}").admin_role_ids == (ROLE,)
    guild = GOOD["GUILD_ID"]
    assert loaded(tmp_path, f"VIEWER_ROLE_IDS = [{guild}]").viewer_role_ids == (int(guild),)
    for name in ("OPERATOR_ROLE_IDS", "ADMIN_ROLE_IDS"):
        assert by_environment(tmp_path, **{name: guild}) == (
            Fault(K.GUILD_AS_ROLE, name, guild, reason="level"),
        )


@pytest.mark.parametrize("written", ["'admins'", "[True]", "{}", "[5]", "['<@423456789012345678>']", "1.5"])
def test_no_roles(tmp_path: Path, written: str) -> None:
    (tmp_path / "config.py").write_text(f"ADMIN_ROLE_IDS = {written}")
    (fault,) = faults(tmp_path / "config.py", GOOD)
    assert (fault.name, fault.kind) in (
        ("ADMIN_ROLE_IDS", K.NOT_AN_ID),
        ("ADMIN_ROLE_IDS", K.WRONG_TYPE),
    )


SCOPES = (
    Scope(ScopeKind.TAG, "web"),
    Scope(ScopeKind.POOL, "lab/front"),
    Scope(ScopeKind.NODE, "pve2"),
    Scope(ScopeKind.VMID, "105"),
)


def test_scopes(tmp_path: Path) -> None:
    config = f"ROLE_SCOPES = {{{ROLE}: ['tag:web', 'pool:lab/front', ' NODE: pve2', 105, '105']}}"
    assert loaded(tmp_path, config, ADMIN_ROLE_IDS=str(ROLE)).sites[0].role_scopes == {ROLE: SCOPES}
    words = f'{{"{ROLE}": ["tag:web", "pool:lab/front", "node:pve2", "vmid:105"]}}'
    assert loaded(tmp_path, "", ADMIN_ROLE_IDS=str(ROLE), ROLE_SCOPES=words).sites[0].role_scopes == {
        ROLE: SCOPES
    }
    config = f"ROLE_SCOPES = {{'<@&{ROLE}>': 'tag:web'}}"
    assert loaded(tmp_path, config, ADMIN_ROLE_IDS=str(ROLE)).sites[0].role_scopes == {ROLE: SCOPES[:1]}


@walked(
    ("written", "reason"),
    [
        ("[1]", "shape"),
        ("'{'", "shape"),
        (f"{{{ROLE}: []}}", "empty"),
        *(
            (f"{{{ROLE}: [{entry!r}]}}", None)
            for entry in (
                "tag:",
                "tag:a b",
                "tags:web",
                "pool:a/b/c/d",
                "node:a_b",
                99,
                "vmid:x",
                True,
                None,
                "",
            )
        ),
        (f"{{{OTHER}: ['tag:web']}}", "no_level"),
    ],
)
def test_no_scopes(tmp_path: Path, written: str, reason: str | None) -> None:
    (tmp_path / "config.py").write_text(f"ROLE_SCOPES = {written}")
    (fault,) = faults(tmp_path / "config.py", GOOD | {"ADMIN_ROLE_IDS": str(ROLE)})
    assert (fault.kind, fault.name, fault.reason) == (K.BAD_SCOPE, "ROLE_SCOPES", reason)


def test_how_much_and_how_long(tmp_path: Path) -> None:
    found = loaded(tmp_path, "CHANGES_PER_MINUTE = 0", AUDIT_DAYS="30")
    assert (found.changes_per_minute, found.audit_days) == (0, 30)
    for name, value in (("CHANGES_PER_MINUTE", "-1"), ("CHANGES_PER_MINUTE", "1001"), ("AUDIT_DAYS", "0")):
        assert {fault.name for fault in by_environment(tmp_path, **{name: value})} == {name}
