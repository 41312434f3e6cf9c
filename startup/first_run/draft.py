"""Hold the answers until config.py is written. They are stored nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from adapters.settings.entry_points import written
from adapters.settings.load import Language, Secret, SiteSettings
from adapters.settings.table import SITE_ROWS, names_of
from core.entry_point import EntryPoint
from core.guest import Cluster
from core.health.grants import Use
from startup.first_run.discord_reads import BotAccount, ChannelPlace, SeenGuild


@dataclass(frozen=True, slots=True)
class Given:
    """A secret. `file`: the file that contains it; "": config.py will contain it.

    `typed=False`: the secret comes from the environment, where the bot will read it unchanged.
    """

    secret: Secret
    file: str = ""
    typed: bool = True

    def cleaned(self, clean: Callable[[str], str]) -> Given:
        """Return the secret without anything that was copied along with it, if it was typed."""
        return replace(self, secret=Secret(clean(self.secret.reveal()))) if self.typed else self

    def written(self, setting: str) -> dict[str, object]:
        """Return the setting as config.py has it."""
        return {f"{setting}_FILE": self.file} if self.file else {setting: self.secret.reveal()}


@dataclass(slots=True, eq=False)
class SiteDraft:
    """The answers about one cluster. `name`: used only if there are several clusters.

    `cluster`: read with the token.
    """

    name: str = ""
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

    @property
    def probe(self) -> SiteSettings:
        """Return the settings for a probe of the cluster. Without a token they contain one that Proxmox refuses."""
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
        """Return the settings of this cluster as config.py has them."""
        hosts = [written((point.host, point.port)) for point in self.points]
        pins = {
            host: point.fingerprint
            for host, point in zip(hosts, self.points, strict=True)
            if point.fingerprint
        }
        return {
            "PROXMOX_HOST": hosts if len(hosts) > 1 else "".join(hosts),
            "PROXMOX_USER": self.user,
            "PROXMOX_TOKEN_NAME": self.token_name,
            **(self.token.written("PROXMOX_TOKEN_VALUE") if self.token else {}),
            "NODE_NAME": self.node,
            "MONITOR_VM_IDS": list(self.watched),
            "PROXMOX_VERIFY_SSL": str(self.verify) if isinstance(self.verify, Path) else self.verify,
            "PROXMOX_FINGERPRINT": pins if len(hosts) > 1 and pins else "".join(pins.values()),
        }


@dataclass(slots=True)
class Draft:
    """The answers so far. `account` and `seen`: read with the token. `site`: the cluster that is asked about."""

    language: Language = "ja"
    discord_token: Given | None = None
    account: BotAccount | None = None
    seen: SeenGuild | None = None
    category: ChannelPlace | None = None
    alerts: ChannelPlace | None = None
    audit: ChannelPlace | None = None
    roles: dict[str, tuple[int, ...]] = field(default_factory=dict)
    site: SiteDraft = field(default_factory=SiteDraft)
    sites: list[SiteDraft] = field(default_factory=list)
    timezone: str = ""

    def __post_init__(self) -> None:
        self.sites = self.sites or [self.site]

    @property
    def several(self) -> bool:
        """Whether there is more than one cluster. Each then has a name."""
        return len(self.sites) > 1

    def in_the_way(self, environ: Mapping[str, str]) -> list[str]:
        """Return the variables that would keep the bot from starting: those for one cluster, if there are several."""
        return [name for name in names_of(SITE_ROWS) if self.several and environ.get(name, "").strip()]

    def settings(self) -> dict[str, object]:
        """Return the settings as config.py has them: those that were answered.

        FIRST_SITE is the first of several clusters: it owns the data from the time when it was the only one.
        """
        found: dict[str, object] = {
            "GUILD_ID": self.seen.number if self.seen else 0,
            "ALLOWED_CATEGORY_ID": self.category.number if self.category else 0,
            "ALERT_CHANNEL_ID": self.alerts.number if self.alerts else 0,
            "LANGUAGE": self.language,
            "TIMEZONE": self.timezone,
            "AUDIT_CHANNEL_ID": self.audit.number if self.audit else "",
        }
        if self.several:
            found["SITES"] = {site.name: site.settings() for site in self.sites}
            found["FIRST_SITE"] = self.sites[0].name
        else:
            found |= self.sites[0].settings()
        found |= self.discord_token.written("DISCORD_TOKEN") if self.discord_token else {}
        return found | {name: list(numbers) for name, numbers in self.roles.items()}
