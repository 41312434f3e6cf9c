"""List the settings: one row each, with its form, its parser and its default."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from adapters.settings.access import parse_changes, parse_days, parse_roles
from adapters.settings.alerts import (
    parse_heartbeat_url,
    parse_optional_snowflake,
    parse_quiet_hours,
    parse_repeat,
    parse_storage_percent,
    parse_timezone,
)
from adapters.settings.entry_points import parse_fingerprints, parse_hosts
from adapters.settings.faults import RawSetting
from adapters.settings.scopes import parse_protected, parse_scopes, parse_site, parse_site_list
from adapters.settings.values import (
    parse_data_dir,
    parse_interval,
    parse_language,
    parse_listen,
    parse_log_format,
    parse_log_level,
    parse_node_name,
    parse_secret,
    parse_snowflake,
    parse_token_name,
    parse_user,
    parse_verify_ssl,
    parse_vmids,
    parse_web_url,
)
from adapters.settings.written_sites import parse_sites


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of `SETTINGS`.

    `form`: the word for the form of the value (`Fault.expected`). `default`: as it would be written in config.py.
    `unlike`: the field of an earlier row, whose value this one must not have.
    """

    name: str
    form: str
    parse: Callable[[RawSetting], object]
    default: object = None
    required: bool = False
    secret: bool = False
    unlike: str = ""

    @property
    def file_name(self) -> str | None:
        """The setting that may name a file with the value instead. Only secrets have one."""
        return f"{self.name}_FILE" if self.secret else None


def names_of(rows: Iterable[Setting]) -> tuple[str, ...]:
    """Return the names by which the rows may be given."""
    return tuple(name for row in rows for name in (row.name, row.file_name) if name)


SITE_ROWS: tuple[Setting, ...] = (
    Setting("PROXMOX_HOST", "hosts", parse_hosts, required=True),
    Setting("PROXMOX_USER", "text", parse_user, required=True),
    Setting("PROXMOX_TOKEN_NAME", "text", parse_token_name, required=True),
    Setting("PROXMOX_TOKEN_VALUE", "text", parse_secret, required=True, secret=True),
    Setting("NODE_NAME", "text", parse_node_name, required=True),
    Setting("MONITOR_VM_IDS", "list_of_whole_numbers", parse_vmids, default=()),
    Setting("PROXMOX_VERIFY_SSL", "yes_no_or_path", parse_verify_ssl, default=True),
    Setting("PROXMOX_FINGERPRINT", "fingerprints", parse_fingerprints),
    Setting("PROXMOX_WEB_URL", "text", parse_web_url),
)
"""The settings of each site. If no site has a name, they are given like those of the bot."""
SITE_SETTINGS = (*SITE_ROWS, Setting("ALERT_CHANNEL_ID", "id", parse_optional_snowflake))
"""The settings in an entry of SITES. A site without ALERT_CHANNEL_ID has the alert channel of the bot."""
SITE_NAMES = names_of(SITE_SETTINGS)

SETTINGS: tuple[Setting, ...] = (
    Setting("DISCORD_TOKEN", "text", parse_secret, required=True, secret=True),
    Setting("GUILD_ID", "id", parse_snowflake, required=True),
    Setting("ALLOWED_CATEGORY_ID", "id", parse_snowflake, required=True),
    Setting("ALERT_CHANNEL_ID", "id", parse_snowflake, required=True),
    *SITE_ROWS,
    Setting("SITES", "sites", partial(parse_sites, SITE_NAMES), default={}),
    Setting("FIRST_SITE", "text", parse_site),
    Setting("LANGUAGE", "text", parse_language, default="ja"),
    Setting("DATA_DIR", "path", parse_data_dir, default="."),  # relative to config.py, like every path
    Setting("MONITOR_INTERVAL_SECONDS", "whole_number", parse_interval, default=60),
    Setting("STORAGE_ALERT_PERCENT", "whole_number", parse_storage_percent, default=90),
    Setting("ALERT_MENTION_ROLE_ID", "id", parse_optional_snowflake, unlike="guild_id"),
    Setting("ALERT_REPEAT_MINUTES", "whole_number", parse_repeat, default=240),
    Setting("QUIET_HOURS", "text", parse_quiet_hours),
    Setting("TIMEZONE", "text", parse_timezone, default="Asia/Tokyo"),
    Setting("HEARTBEAT_URL", "text", parse_heartbeat_url, secret=True),
    Setting("HEARTBEAT_IGNORES_SITES", "list_of_sites", parse_site_list, default=()),
    Setting("VIEWER_ROLE_IDS", "list_of_ids", parse_roles, default=()),
    Setting("OPERATOR_ROLE_IDS", "list_of_ids", parse_roles, default=()),
    Setting("ADMIN_ROLE_IDS", "list_of_ids", parse_roles, default=()),
    Setting("ROLE_SCOPES", "scopes", parse_scopes, default={}),
    Setting("PROTECTED_VM_IDS", "list_of_whole_numbers", parse_protected, default=()),
    Setting("CHANGES_PER_MINUTE", "whole_number", parse_changes, default=10),
    Setting("AUDIT_DAYS", "whole_number", parse_days, default=365),
    Setting("AUDIT_CHANNEL_ID", "id", parse_optional_snowflake),
    Setting("LOG_LEVEL", "text", parse_log_level, default="INFO"),
    Setting("LOG_FORMAT", "text", parse_log_format, default="text"),
    Setting("METRICS_LISTEN", "text", parse_listen),
)
BOT_ROWS = tuple(row for row in SETTINGS if row not in SITE_ROWS)
KNOWN_NAMES = names_of(SETTINGS)
