"""Hold the checked settings: those of the bot, and those of each site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from adapters.settings.alerts import QuietHours
from adapters.settings.faults import Secret
from adapters.settings.values import Language, LogFormat
from core.access.policy import Scope
from core.entry_point import EntryPoint


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """Checked settings of one Proxmox cluster or stand-alone host.

    `name`: "" if it is the only site, even if a name is configured.
    `entry_points`: at least one, the first one is preferred.
    `proxmox_verify_ssl`: a bool, or the absolute path of a CA file.
    `alert_channel_id`: its own, or that of the bot.
    `proxmox_web_url`: without a slash at the end.
    `role_scopes`: by role id. A role with an empty tuple has no rights on this site, a missing one is not limited.
    """

    name: str
    entry_points: tuple[EntryPoint, ...]
    proxmox_user: str
    proxmox_token_name: str
    proxmox_token_value: Secret
    node_name: str
    monitor_vm_ids: tuple[int, ...]
    proxmox_verify_ssl: bool | Path
    alert_channel_id: int
    role_scopes: Mapping[int, tuple[Scope, ...]]
    protected_vm_ids: tuple[int, ...]
    proxmox_web_url: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Checked settings.

    `sites`: at least one, in the order of the configuration.
    `first_site`: name of the site that is meant where none is written: FIRST_SITE, or the name of the only site. None
    if the only site has no name, and with several sites but no FIRST_SITE.
    `data_dir` exists and is writable, or is on a read-only file system.
    `alert_repeat_minutes` and `storage_alert_percent`: 0 for never. `changes_per_minute`: 0 for no limit.
    `metrics_listen`: the address and the port of /healthz and /metrics.
    """

    discord_token: Secret
    guild_id: int
    allowed_category_id: int
    alert_channel_id: int
    sites: tuple[SiteSettings, ...]
    first_site: str | None
    language: Language
    data_dir: Path
    monitor_interval_seconds: int
    storage_alert_percent: int
    alert_mention_role_id: int | None
    alert_repeat_minutes: int
    quiet_hours: QuietHours | None
    timezone: ZoneInfo
    heartbeat_url: Secret | None
    heartbeat_ignores_sites: tuple[str, ...]
    viewer_role_ids: tuple[int, ...]
    operator_role_ids: tuple[int, ...]
    admin_role_ids: tuple[int, ...]
    changes_per_minute: int
    audit_days: int
    audit_channel_id: int | None
    log_level: str
    log_format: LogFormat
    metrics_listen: tuple[str, int] | None
