"""Load config.py and the environment into one frozen `Settings`, and report all faults at once.

adapters/settings/values.py, adapters/settings/access.py and adapters/settings/alerts.py parse the values. No
secret ever appears in an error or in a local variable of the frame that raises.
"""

from __future__ import annotations

import difflib
import os
import re
import runpy
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal
from zoneinfo import ZoneInfo

from adapters.files.atomic_file import errno_name
from adapters.settings.access import access_faults, parse_changes, parse_days, parse_roles, parse_scopes
from adapters.settings.alerts import (
    QuietHours,
    minute_of_day,
    parse_heartbeat_url,
    parse_optional_snowflake,
    parse_quiet_hours,
    parse_repeat,
    parse_storage_percent,
    parse_timezone,
)
from adapters.settings.faults import (
    Fault,
    FaultKind,
    RawSetting,
    Secret,
    SettingRejected,
    Source,
    bytes_of,
    printable,
)
from adapters.settings.values import (
    Language,
    parse_data_dir,
    parse_fingerprint,
    parse_host,
    parse_interval,
    parse_language,
    parse_log_level,
    parse_node_name,
    parse_secret,
    parse_snowflake,
    parse_token_name,
    parse_user,
    parse_verify_ssl,
    parse_vmids,
)
from core.access.policy import Scope

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
    "language_of",
    "load",
    "minute_of_day",
]


class SettingsError(Exception):
    """All faults of the configuration, and the language in which to report them."""

    def __init__(self, faults: tuple[Fault, ...], language: Language = "ja") -> None:
        super().__init__(faults, language)
        self.faults = faults
        self.language = language


@dataclass(frozen=True, slots=True)
class Settings:
    """Checked settings.

    `proxmox_host`: IPv6 without brackets. `proxmox_fingerprint`: SHA-256, AA:BB:… or None.
    `proxmox_verify_ssl`: a bool, or the absolute path of a CA file.
    `data_dir` exists and is writable, or is on a read-only file system.
    `alert_repeat_minutes` and `storage_alert_percent`: 0 for never. `changes_per_minute`: 0 for no limit.
    `role_scopes`: by role id.
    """

    discord_token: Secret
    guild_id: int
    allowed_category_id: int
    alert_channel_id: int
    proxmox_host: str
    proxmox_port: int
    proxmox_user: str
    proxmox_token_name: str
    proxmox_token_value: Secret
    node_name: str
    monitor_vm_ids: tuple[int, ...]
    proxmox_verify_ssl: bool | Path
    proxmox_fingerprint: str | None
    language: Language
    data_dir: Path
    monitor_interval_seconds: int
    storage_alert_percent: int
    alert_mention_role_id: int | None
    alert_repeat_minutes: int
    quiet_hours: QuietHours | None
    timezone: ZoneInfo
    heartbeat_url: Secret | None
    viewer_role_ids: tuple[int, ...]
    operator_role_ids: tuple[int, ...]
    admin_role_ids: tuple[int, ...]
    role_scopes: Mapping[int, tuple[Scope, ...]]
    protected_vm_ids: tuple[int, ...]
    changes_per_minute: int
    audit_days: int
    audit_channel_id: int | None
    log_level: str


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of `SETTINGS`.

    `form`: the word for WRONG_TYPE.expected. `default`: as it would be written in config.py.
    `fields`: the fields of `Settings` that the parser's tuple fills (empty: the one with the row's name).
    `unlike`: an earlier field, the guild's, whose value this one must not have.
    """

    name: str
    form: str
    parse: Callable[[RawSetting], object]
    default: object = None
    required: bool = False
    secret: bool = False
    fields: tuple[str, ...] = ()
    unlike: str = ""

    @property
    def file_name(self) -> str | None:
        """Return the name of the setting that may give a file instead; for secrets only."""
        return f"{self.name}_FILE" if self.secret else None


SETTINGS: tuple[Setting, ...] = (
    Setting("DISCORD_TOKEN", "text", parse_secret, required=True, secret=True),
    Setting("GUILD_ID", "id", parse_snowflake, required=True),
    Setting("ALLOWED_CATEGORY_ID", "id", parse_snowflake, required=True),
    Setting("ALERT_CHANNEL_ID", "id", parse_snowflake, required=True),
    Setting("PROXMOX_HOST", "text", parse_host, required=True, fields=("proxmox_host", "proxmox_port")),
    Setting("PROXMOX_USER", "text", parse_user, required=True),
    Setting("PROXMOX_TOKEN_NAME", "text", parse_token_name, required=True),
    Setting("PROXMOX_TOKEN_VALUE", "text", parse_secret, required=True, secret=True),
    Setting("NODE_NAME", "text", parse_node_name, required=True),
    Setting("MONITOR_VM_IDS", "list_of_whole_numbers", parse_vmids, default=()),
    Setting("PROXMOX_VERIFY_SSL", "yes_no_or_path", parse_verify_ssl, default=True),
    Setting("PROXMOX_FINGERPRINT", "text", parse_fingerprint),
    Setting("LANGUAGE", "text", parse_language, default="ja"),
    Setting("DATA_DIR", "path", parse_data_dir, default="."),  # relative to config.py, like every path
    Setting("MONITOR_INTERVAL_SECONDS", "whole_number", parse_interval, default=60),
    Setting("STORAGE_ALERT_PERCENT", "whole_number", parse_storage_percent, default=90),
    Setting("ALERT_MENTION_ROLE_ID", "id", parse_optional_snowflake, unlike="guild_id"),
    Setting("ALERT_REPEAT_MINUTES", "whole_number", parse_repeat, default=240),
    Setting("QUIET_HOURS", "text", parse_quiet_hours),
    Setting("TIMEZONE", "text", parse_timezone, default="Asia/Tokyo"),
    Setting("HEARTBEAT_URL", "text", parse_heartbeat_url, secret=True),
    Setting("VIEWER_ROLE_IDS", "list_of_ids", parse_roles, default=()),
    Setting("OPERATOR_ROLE_IDS", "list_of_ids", parse_roles, default=()),
    Setting("ADMIN_ROLE_IDS", "list_of_ids", parse_roles, default=()),
    Setting("ROLE_SCOPES", "scopes", parse_scopes, default={}),
    Setting("PROTECTED_VM_IDS", "list_of_whole_numbers", parse_vmids, default=()),
    Setting("CHANGES_PER_MINUTE", "whole_number", parse_changes, default=10),
    Setting("AUDIT_DAYS", "whole_number", parse_days, default=365),
    Setting("AUDIT_CHANNEL_ID", "id", parse_optional_snowflake),
    Setting("LOG_LEVEL", "text", parse_log_level, default="INFO"),
)
KNOWN_NAMES = tuple(name for row in SETTINGS for name in (row.name, row.file_name) if name)


def load(config_path: Path, environ: Mapping[str, str]) -> Settings:
    """Read config.py (may be absent) and the environment. The environment has priority.

    An empty value, or None in config.py, counts as not given. Nothing is written, but DATA_DIR may be created.
    Raises: SettingsError with all faults.
    """
    outcome = _read(config_path, environ)
    del environ  # a traceback that prints locals must not print the secrets in it
    if isinstance(outcome, SettingsError):
        raise outcome
    return outcome


def language_of(environ: Mapping[str, str], configured: object = None) -> Language:
    """Return the language of faults: a valid LANGUAGE (environment, then config.py), else that of the locale.

    Japanese if no locale (or C) is set, English for any other.
    """
    for word in (environ.get("LANGUAGE"), configured):
        if isinstance(word, str) and word.strip().lower() in ("ja", "en"):
            return "ja" if word.strip().lower() == "ja" else "en"
    system = (environ.get(name, "").strip() for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next(filter(None, system), "C")
    return "ja" if re.match(r"(?:ja|c|posix)(?:[^a-z]|$)", locale, re.I) else "en"


def _read(config_path: Path, environ: Mapping[str, str]) -> Settings | SettingsError:
    config_path = config_path.absolute()
    variables: dict[str, object] = {n: environ[n] for n in KNOWN_NAMES if environ.get(n, "").strip()}
    if re.search(r"[_:.@]", str(variables.get("LANGUAGE"))):
        del variables["LANGUAGE"]  # gettext's variable of the same name ("en_US:en"), set by many desktops
    faults: list[Fault] = []
    config, state = _config(config_path, faults)
    language = language_of(environ, config.get("LANGUAGE"))
    needed = {name for row in SETTINGS if row.required for name in (row.name, row.file_name)}
    if state == "absent" and not needed & variables.keys():
        return SettingsError(
            (Fault(FaultKind.NO_CONFIG, config_path.name, printable(config_path)),), language
        )
    hide = tuple(
        text.strip()
        for row in SETTINGS
        if row.secret
        for where in (variables, config)
        if isinstance(text := where.get(row.name), str) and len(text.strip()) > 5
    )
    values: dict[str, Any] = {}
    for row in SETTINGS:
        try:
            given = _given(row, variables, config, config_path.parent, hide)
            if given is None and row.required and state != "broken":
                faults.append(Fault(FaultKind.MISSING, row.name, other=row.file_name))
            value = row.parse(given) if given is not None else None
            if given is not None and value is not None and value == values.get(row.unlike):
                given.reject(FaultKind.GUILD_AS_ROLE)
            if row.fields and isinstance(value, tuple):
                values.update(zip(row.fields, value, strict=True))
            else:
                values[row.name.lower()] = value
        except SettingRejected as refused:
            faults.extend(refused.faults)
    faults += access_faults(values)
    return SettingsError(tuple(faults), language) if faults else Settings(**values)


def _given(
    row: Setting,
    variables: Mapping[str, object],
    config: Mapping[str, object],
    base: Path,
    hide: tuple[str, ...],
) -> RawSetting | None:
    """Return the value of a row: from the environment, else config.py, else the default. None if there is none.

    Raises: SettingRejected.
    """
    source: Source
    for source, where in (("environment", variables), ("config", config)):
        value, file = where.get(row.name), where.get(row.file_name or "")
        if value is not None and file is not None:
            raise SettingRejected(Fault(FaultKind.BOTH_GIVEN, row.name, source=source, other=row.file_name))
        given = RawSetting(row.name, row.form, value, source, base, hide, row.secret)
        if file is not None:  # shown only with a separator in it: else it may be the secret itself
            secret = "/" not in str(file) and os.sep not in str(file)
            return _from_file(row, RawSetting(str(row.file_name), "path", file, source, base, hide, secret))
        if isinstance(value, str) and re.fullmatch(r"\s*<(?![@#]).*>\s*", value, re.S):
            given.reject(FaultKind.PLACEHOLDER_LEFT)
        if row.form == "id" and row.required and not isinstance(value, bool) and value in (0, "0"):
            given.reject(FaultKind.PLACEHOLDER_LEFT)
        if value is not None:
            return given
    return None if row.default is None else RawSetting(row.name, row.form, row.default, "default", base)


def _from_file(row: Setting, given: RawSetting) -> RawSetting:
    content = bytes_of(given, given.path(FaultKind.UNREADABLE_FILE))
    text = content.decode("utf-8-sig", "replace").strip()
    if not text:
        given.reject(FaultKind.UNREADABLE_FILE, reason="empty")
    return RawSetting(row.name, row.form, text, "file", given.base, secret=True)


def _config(path: Path, faults: list[Fault]) -> tuple[dict[str, object], Literal["read", "absent", "broken"]]:
    """Return the UPPER_CASE names of config.py that have a value, and add its faults to `faults`.

    Warnings are silenced: those of the compiler print the source line, and with it a secret.
    """
    try:
        path.read_bytes()
    except FileNotFoundError:
        return {}, "absent"
    except OSError as error:
        faults.append(Fault(FaultKind.UNREADABLE_FILE, path.name, printable(path), reason=errno_name(error)))
        return {}, "broken"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            names = runpy.run_path(str(path))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - config.py is foreign code and may raise anything
        faults.append(_config_fault(path, error))
        return {}, "broken"
    found = {name: value for name, value in names.items() if name.isupper() and not name.startswith("_")}
    for name in sorted(found.keys() - set(KNOWN_NAMES)):
        if not isinstance(found.pop(name), ModuleType | type) and not callable(names[name]):
            nearest = difflib.get_close_matches(name, KNOWN_NAMES, 1)
            faults.append(Fault(FaultKind.UNKNOWN_NAME, name[:80], nearest=nearest[0] if nearest else None))
    return {
        name: value
        for name, value in found.items()
        if value is not None and not (isinstance(value, str) and not value.strip())
    }, "read"


def _config_fault(path: Path, error: BaseException) -> Fault:
    if isinstance(error, SyntaxError) and error.filename in (str(path), None):
        return Fault(FaultKind.CONFIG_SYNTAX, path.name, line=error.lineno)
    line, frame = None, error.__traceback__
    while frame is not None:
        line = frame.tb_lineno if frame.tb_frame.f_code.co_filename == str(path) else line
        frame = frame.tb_next
    return Fault(FaultKind.CONFIG_ERROR, path.name, type(error).__name__, line=line)
