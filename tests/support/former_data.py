"""Restore data directories of former versions. tests/fixtures/README.md tells how they were made."""

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playground.discord.limits import walk
from playground.pve.server import Pve
from tests.support.stage import Stage

FIXTURES = Path(__file__).parents[1] / "fixtures"
JOURNAL, WATCH_LIST, READ_ONLY = "journal.db", "monitor_list.json", "readonly.json"
"""File names in a data directory. They have never changed."""
MADE = "made.json"
BUTTONS = "buttons.json"


@dataclass(frozen=True, slots=True)
class FormerData:
    """Describe a data directory in tests/fixtures and the state of the cluster at that time.

    `schema`: the journal's version. `cluster`: brings the demo cluster into that state.
    """

    name: str
    schema: int
    cluster: Callable[[Pve], None]

    @property
    def directory(self) -> Path:
        return FIXTURES / self.name

    @property
    def left_at(self) -> float:
        """Return the Unix time at which that bot was killed."""
        return float(self._made["left_at"])

    @property
    def ids(self) -> dict[str, int]:
        """Return Discord's former ids of the guild, its channels and the people, by name."""
        return dict(self._made["ids"])

    @property
    def _made(self) -> dict[str, Any]:
        made: dict[str, Any] = json.loads((self.directory / MADE).read_text("utf-8"))
        return made

    def lay_out(self, directory: Path, ids: dict[str, int] | None = None) -> None:
        """Write the files as that bot left them. `ids`, by name, replace the former ids."""
        with closing(sqlite3.connect(directory / JOURNAL)) as db:
            db.executescript(self._text("journal.sql", ids))
            assert db.execute("PRAGMA user_version").fetchone() == (self.schema,)
        (directory / JOURNAL).chmod(0o600)
        (directory / WATCH_LIST).write_bytes((self.directory / "list.json").read_bytes())
        if (self.directory / "read_only.json").exists():
            (directory / READ_ONLY).write_text(self._text("read_only.json", ids), "utf-8")
            (directory / READ_ONLY).chmod(0o600)

    def restore(self, scene: Stage) -> None:
        """Write the files for the people and channels of this stage, and set its wall clock to `left_at`."""
        here = {
            "guild": scene.guild.id,
            "category": scene.category.id,
            "channel": scene.channel.id,
            "alerts": scene.alerts.id,
            "emma": scene.emma.id,
            "akiko": scene.akiko.id,
        }
        self.lay_out(scene.directory, here)
        scene.clock.wall = self.left_at - time.time()

    def custom_id(self, message: str, button: str) -> str:
        """Return the custom_id of the button labelled `button`, in the message that begins with `message`."""
        (found,) = [kept for kept in self._messages if kept["of"].startswith(message)]
        (custom_id,) = [
            part["custom_id"] for part in walk(found["components"]) if part.get("label") == button
        ]
        return str(custom_id)

    def custom_ids(self) -> list[str]:
        """Return the custom_ids of all buttons that the former bot sent."""
        parts = [part for kept in self._messages for part in walk(kept.get("components"))]
        return [part["custom_id"] for part in parts if "custom_id" in part]

    @property
    def _messages(self) -> list[dict[str, Any]]:
        kept: list[dict[str, Any]] = json.loads((self.directory / BUTTONS).read_text("utf-8"))
        return kept

    def _text(self, file: str, ids: dict[str, int] | None) -> str:
        text = (self.directory / file).read_text("utf-8")
        for name, now in (ids or {}).items():
            was, now_text = str(self.ids[name]), str(now)
            text = text.replace(was, now_text)
            text = text.replace(_as_blob(was), _as_blob(now_text))
        return text


def _as_blob(text: str) -> str:
    return text.encode().hex().upper()


def _cluster_of_25(pve: Pve) -> None:
    for vmid in (101, 103, 201):
        pve.crash(vmid)


def _cluster_of_26(pve: Pve) -> None:
    several = pve.add_many(7, node="pve1", first=1000)
    pve.add_node("pve4")
    pve.add_vm(110, "build", node="pve4", status="running")
    pve.crash_all((101, 103, 105, 107, 204, *several[:6]))
    pve.start_as_root(205)
    for vmid in (201, 202):
        pve.set_uptime(vmid, 70 * 86400.0)  # above the stored uptimes, or the guests would seem restarted
    pve.io_error(109)
    pve.set_use(202, memory=0.96)
    pve.set_use(201, disk=0.9)
    pve.fill_storage("nfs-backup", 0.97)
    pve.fill_storage("local-lvm", 0.96, node="pve1")
    pve.hang_pvestatd("pve4")
    pve.fail("GET", "/qemu/110/status/current", 500, "got timeout", times=1000)
    pve.node_offline("pve3")


OF_25 = FormerData("data_of_2026_11_25", 2, _cluster_of_25)
OF_26 = FormerData("data_of_2026_11_26", 3, _cluster_of_26)
ALL = (OF_25, OF_26)
