"""Make the tables and commands of docs/proxmox.md from the features in core/health/privileges.py."""

from __future__ import annotations

from collections.abc import Iterator

from core.health.grants import ZONE, Use, token_commands
from core.health.privileges import NEEDS, ON_8, Area, Token, grant_line
from tools.markdown import table
from ui.i18n import Text

USER, TOKEN = "discord-bot@pve", "bot"
_STORAGES = ("local-lvm", "local")
_FEATURES = {
    "View": ("見る、監視する", "View and watch"),
    "Power": ("電源操作", "Power"),
    "Snapshot": ("スナップショット", "Snapshots"),
    "Clone": ("作成と削除", "Create and delete"),
    "Resize": ("リサイズ", "Resize"),
    "Agent": ("VM の IP、ファイルシステム、ディスクのしきい値", "IP, file systems and disk threshold of VMs"),
    "Backup": ("最新のバックアップ（任意）", "Last backup (optional)"),
    "CloneStorage": ("クローンとバックアップの場所", "Storage of clones and backups"),
    "Bridge": ("クローンのネットワーク", "Network of clones"),
    "Tasks": ("ほかの人のタスク、ノード（任意）", "Tasks of others, nodes (optional)"),
    "Storage": ("ストレージの使用率（任意）", "Storage usage (optional)"),
    "Pool": ("プールの範囲（任意）", "Scopes by pool (optional)"),
}
"""Names of the rows of NEEDS, in Japanese and English."""
_COMMENTS = {
    "pveum role add DiscordBotGuests": (
        "ロール（Proxmox VE 8 では VM.GuestAgent.Audit を VM.Monitor に置き換える）",
        "Roles (on Proxmox VE 8 write VM.Monitor instead of VM.GuestAgent.Audit)",
    ),
    "pveum user add": (
        "ユーザーとトークン。表示される value は一度きりなので、PROXMOX_TOKEN_VALUE に控える",
        "User and token; the value is shown only once: it is PROXMOX_TOKEN_VALUE",
    ),
    "pveum acl modify /vms": (
        "権限は「ユーザー ∩ トークン」なので、両方に与える",
        "Only privileges that both the user and the token have are effective, so grant them to both",
    ),
    "pveum acl modify / ": (
        "任意: 誰がゲストを止めたか、失敗したバックアップ、ノードとストレージの値、プール",
        "Optional: who stopped a guest, failed backups, figures of nodes and storages, pools",
    ),
    f"pveum acl modify /storage/{_STORAGES[0]}": (
        "/create のクローン先と、バックアップのストレージ（使うものごとに）",
        "The storages of clones (for /create) and of backups (one line for each)",
    ),
    f"pveum acl modify {ZONE}": ("/create のため: ブリッジ", "For /create: the bridges"),
    "pveum user token permissions": (
        "確認: トークンで実際に使える権限",
        "Check the token's effective privileges",
    ),
}
"""The comment above a command, by its first words, in Japanese and English."""
_PATHS = {
    Area.GUESTS: ("/vms",),
    Area.ROOT: ("/",),
    Area.STORAGES: ("/storage",),
    Area.A_STORAGE: tuple(f"/storage/{name}" for name in _STORAGES),
    Area.A_ZONE: (ZONE,),
    Area.POOLS: ("/pool",),
}
"""Paths on which the privileges of a feature are granted, by its area."""


def privilege_table(t: Text) -> str:
    """Return the privileges of each feature, and the commands that use them."""
    head = {"ja": ("権限", "機能"), "en": ("Privilege", "Feature")}[t.language]
    rows = (
        (
            " ".join(_privilege(name) for name in need.privileges),
            f"{_FEATURES[need.role][t.language == 'en']}: "
            + " ".join(f"`{word}`" for word in need.used.split(", ")),
        )
        for need in NEEDS
    )
    return table(head, rows)


def _privilege(name: str) -> str:
    return f"`{name}`" + (f" (8.x: `{ON_8[name]}`)" if name in ON_8 else "")


def pveum_block(t: Text) -> str:
    """Return the commands that set up roles, user, token and all privileges."""
    lines = ["```sh"]
    commands = token_commands(Use.ALL, 9, USER, TOKEN, _STORAGES)
    for command in (*commands, f"pveum user token permissions {USER} {TOKEN}"):
        comments = [told for begin, told in _COMMENTS.items() if command.startswith(begin)]
        lines += [line for told in comments for line in ("", f"# {told[t.language == 'en']}")]
        lines.append(command)
    return "\n".join([lines[0], *lines[2:], "```"])


def feature_block(t: Text) -> str:
    """Return, for each feature, the commands that grant its privileges."""
    return "\n".join(["```sh", "\n\n".join(_feature_lines(t)), "```"])


def _feature_lines(t: Text) -> Iterator[str]:
    for need in NEEDS:
        # a role on one storage replaces the role on /storage, so it also gets the privileges of that role
        further = _ON_ALL_STORAGES if need.area is Area.A_STORAGE else ()
        commands = grant_line(_TOKEN, need.role, {*need.privileges, *further}, _PATHS[need.area])
        yield "\n".join([f"# {_FEATURES[need.role][t.language == 'en']}", *commands.split("; ")])


_ON_ALL_STORAGES = tuple(name for need in NEEDS if need.area is Area.STORAGES for name in need.privileges)
_TOKEN = Token(USER, TOKEN, {}, version=9)
