"""Hold the answers until config.py is written. Nothing of them is stored before."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from adapters.settings.entry_points import written
from adapters.settings.load import EntryPoint, Language, Secret, SiteSettings
from core.guest import Cluster
from core.health.grants import Use
from startup.first_run.discord_reads import Account, Place, SeenGuild


@dataclass(frozen=True, slots=True)
class Given:
    """A secret, and the file that contains it; "" if config.py is to contain it itself."""

    secret: Secret
    file: str = ""

    def written(self, setting: str) -> dict[str, object]:
        """Return the setting as config.py has it."""
        return {f"{setting}_FILE": self.file} if self.file else {setting: self.secret.reveal()}


@dataclass(slots=True)
class Draft:
    """The answers so far. `account`, `seen` and `cluster`: what was read with them."""

    language: Language = "ja"
    discord_token: Given | None = None
    account: Account | None = None
    seen: SeenGuild | None = None
    category: Place | None = None
    alerts: Place | None = None
    audit: Place | None = None
    roles: dict[str, tuple[int, ...]] = field(default_factory=dict)
    points: tuple[EntryPoint, ...] = ()
    verify: bool | Path = True
    version: int = 9
    use: Use = Use.POWER
    storages: tuple[str, ...] = ("local-lvm",)
    user: str = "discord-bot@pve"
    token_name: str = "bot"  # noqa: S105 - only the name
    token: Given | None = None
    cluster: Cluster | None = None
    node: str = ""
    watched: tuple[int, ...] = ()
    timezone: str = ""

    @property
    def site(self) -> SiteSettings:
        """Return the site for a probe. Without a token it has one that Proxmox refuses."""
        return SiteSettings(
            name="",
            entry_points=self.points,
            proxmox_user=self.user,
            proxmox_token_name=self.token_name,
            proxmox_token_value=self.token.secret if self.token else Secret("none"),
            node_name=self.node,
            monitor_vm_ids=(),
            proxmox_verify_ssl=self.verify,
            alert_channel_id=0,
            role_scopes={},
            protected_vm_ids=(),
        )

    def settings(self) -> dict[str, object]:
        """Return the settings as config.py has them: those that were answered."""
        hosts = [written((point.host, point.port)) for point in self.points]
        pins = {
            host: point.fingerprint
            for host, point in zip(hosts, self.points, strict=True)
            if point.fingerprint
        }
        found: dict[str, object] = {
            "GUILD_ID": self.seen.number if self.seen else 0,
            "ALLOWED_CATEGORY_ID": self.category.number if self.category else 0,
            "ALERT_CHANNEL_ID": self.alerts.number if self.alerts else 0,
            "PROXMOX_HOST": hosts if len(hosts) > 1 else "".join(hosts),
            "PROXMOX_USER": self.user,
            "PROXMOX_TOKEN_NAME": self.token_name,
            "NODE_NAME": self.node,
            "MONITOR_VM_IDS": list(self.watched),
            "PROXMOX_VERIFY_SSL": str(self.verify) if isinstance(self.verify, Path) else self.verify,
            "PROXMOX_FINGERPRINT": pins if len(hosts) > 1 and pins else "".join(pins.values()),
            "LANGUAGE": self.language,
            "TIMEZONE": self.timezone,
            "AUDIT_CHANNEL_ID": self.audit.number if self.audit else "",
        }
        for setting, given in (("DISCORD_TOKEN", self.discord_token), ("PROXMOX_TOKEN_VALUE", self.token)):
            found |= given.written(setting) if given else {}
        return found | {name: list(numbers) for name, numbers in self.roles.items()}
