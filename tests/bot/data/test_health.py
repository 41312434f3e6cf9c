"""Test /health: the check of the set-up by the running bot, for admins only."""

import pytest

from core.audit.store import AuditFilter
from core.health.proxmox import judge_tags
from core.health.result import error, ok
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage
from ui.access.health import health_card
from ui.i18n import Texts
from ui.messages.health import discord_line

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language
BOTH = pytest.mark.parametrize("language", ["ja", "en"])


@BOTH
async def test_the_running_bot_is_checked_and_problems_come_first(scene: Stage, pve: Pve) -> None:
    reply = await scene.say(scene.akiko, "health")
    assert reply.ephemeral
    assert (
        scene.t(scene.akiko)(
            "{errors} errors, {warnings} warnings, {unchecked} not checked.",
            errors=0,
            warnings=0,
            unchecked=0,
        )
        in reply.text
    )
    assert "❌" not in reply.text
    pve.deny("VM.Snapshot")
    pve.clock_ahead = 600.0
    reply = await scene.say(scene.akiko, "health")
    lines = reply.text.split("\n")
    assert [line[0] for line in lines[2:4]] == ["⚠", "⚠"]
    assert "pveum acl modify /vms --users" in reply.text
    assert "timedatectl set-ntp true" in reply.text
    for trail in scene.services.trails:
        await trail.flush()
    found, _ = await scene.services.journal.audit_page(AuditFilter(), 0, 10)
    assert [entry.record.operation for entry in found] == ["health", "health"]


def test_foreign_text_is_harmless_and_all_fits() -> None:
    t = Texts("en").of("en")
    hostile = "@everyone [x](https://evil.example) `<@&1>`"
    line = discord_line(t, error("discord.guild", "no_guild", guild=hostile, line="https://discord.com"))
    assert "`@everyone [x](https://evil.example) ˋ<@&1>ˋ`" in line
    assert "`<" not in discord_line(t, judge_tags({}, ["owner-1`<@1>"], (), ""))
    many = [ok("proxmox.dns", "dns_ok", f"host{n}", addresses="10.0.0.1") for n in range(300)]
    view = health_card(t, [*many, error("discord.guild", "no_guild", guild="1", line="x")])
    texts = [item.content for item in view.walk_children() if hasattr(item, "content")]
    assert sum(map(len, texts)) <= 4000
    assert texts[1].startswith("❌")
