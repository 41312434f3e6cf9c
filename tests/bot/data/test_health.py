"""Test /health: the check of the setup by the running bot, for admins only."""

import asyncio
import threading

import pytest

from core.audit.store import AuditFilter
from core.health.proxmox import judge_tags
from core.health.reports import FRESH_SECONDS, CheckReport
from core.health.result import error, ok
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage
from ui.access import health
from ui.access.health import health_card
from ui.formatting import OK
from ui.i18n import Texts
from ui.messages.health import LABELS, discord_line

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language
BOTH = pytest.mark.parametrize("language", ["ja", "en"])


@BOTH
async def test_the_running_bot_is_checked_and_problems_come_first(scene: Stage, pve: Pve) -> None:
    reply = await scene.say(scene.akiko, "health")
    assert reply.ephemeral
    t = scene.t(scene.akiko)
    assert t("No errors or warnings") in reply.text
    assert "❌" not in reply.text
    assert (t("Clock") in reply.text, t("the clocks agree.") in reply.text) == (True, False)
    reply = await scene.press(scene.akiko, reply, "p1:doctor:first:0:all")
    assert t("the clocks agree.") in reply.text
    reply = await scene.press(scene.akiko, reply, "p1:doctor:refresh:0:all")
    assert t("the clocks agree.") in reply.text
    pve.deny("VM.Snapshot")
    pve.clock_ahead = 600.0
    scene.clock.skip(FRESH_SECONDS + 1)
    reply = await scene.say(scene.akiko, "health")
    lines = reply.text.split("\n")
    assert [line[0] for line in lines[2:4]] == ["⚠", "⚠"]
    assert "pveum acl modify /vms --users" in reply.text
    assert "timedatectl set-ntp true" in reply.text
    for trail in scene.services.trails:
        await trail.flush()
    found, _ = await scene.services.audit_store.audit_page(AuditFilter(), 0, 10)
    assert [entry.record.operation for entry in found] == ["health"] * 4


@BOTH
async def test_a_long_report_has_pages_and_is_not_checked_again_for_each(
    scene: Stage, pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PAGE_MOST", 500)
    reply = await scene.say(scene.akiko, "health")
    assert "-# 1/" not in reply.text
    reply = await scene.press(scene.akiko, reply, "p1:doctor:first:0:all")
    assert "-# 1/" in reply.text
    checked = len(pve.requests)
    pve.deny("VM.Snapshot")
    second = await scene.press(scene.akiko, reply, "p1:doctor:next:1:all")
    assert "-# 2/" in second.text
    assert len(pve.requests) == checked
    scene.clock.skip(FRESH_SECONDS + 1)
    again = await scene.press(scene.akiko, second, "p1:doctor:refresh:0:all")
    assert "VM.Snapshot" in again.text
    await scene.press(scene.akiko, again, "p1:doctor:last:999:all", force=True)
    scene.services.health._kept.clear()  # as after a restart
    assert "-# 1/" in (await scene.press(scene.akiko, again, "p1:doctor:first:0:all", force=True)).text


async def test_a_flood_is_one_check_and_a_hung_disk_is_reported(scene: Stage) -> None:
    """Every check opens its own clients, which share their threads with everybody's calls."""
    health, names = scene.services.health, [site.name for site in scene.services.sites]
    reports = await asyncio.gather(*(health.read(names, again=True) for _ in range(20)))
    first, *others = (report.results for report in reports)
    assert all(result is mine for found in others for result, mine in zip(found, first, strict=True))
    scene.clock.skip(FRESH_SECONDS + 1)
    over = threading.Event()
    scene.bot.disk.submit(over.wait)
    try:
        results = {result.check: result.word for result in (await health.read(names, again=True)).results}
    finally:
        over.set()
    assert results.pop("host.data_dir") == "data_dir_hung"
    assert results.pop("host.packages") == "not_checked"
    assert results == {each.check: each.word for each in first if not each.check.startswith("host.")}


def test_names_that_do_not_fit_into_a_line_are_counted() -> None:
    t = Texts("en").of("en")
    fine = [
        ok("proxmox.dns", "dns_ok", f"pve{n}.{'x' * 30}.example.com", addresses="10.0.0.1")
        for n in range(200)
    ]
    bad = error("proxmox.dns", "dns_failed", "pve999", host="pve999", port="8006")
    view = health_card(t, CheckReport((*fine, bad), 0.0, 0.0), 0, "")
    text = "\n".join(item.content for item in view.walk_children() if hasattr(item, "content"))
    shown = text.count("Name resolution (`pve")
    assert 5 < shown < 200
    assert f"… and {200 - shown} more" in text


def test_foreign_text_is_harmless_and_all_fits() -> None:
    t = Texts("en").of("en")
    hostile = "@everyone [x](https://evil.example) `<@&1>`"
    line = discord_line(t, error("discord.guild", "no_guild", guild=hostile, line="https://discord.com"))
    assert "`@everyone [x](https://evil.example) ˋ<@&1>ˋ`" in line
    assert "`<" not in discord_line(t, judge_tags({}, ["owner-1`<@1>"], (), ""))
    many = [ok("proxmox.dns", "dns_ok", f"host{n}", addresses="10.0.0.1") for n in range(300)]
    report = CheckReport((*many, error("discord.guild", "no_guild", guild="1", line="x")), 0.0, 0.0)
    shown: list[str] = []
    for page in range(20):
        view = health_card(t, report, page, "", full=True)
        texts = [item.content for item in view.walk_children() if hasattr(item, "content")]
        assert sum(map(len, texts)) <= 4000
        if "\n".join(texts) not in shown:  # a page beyond the end shows the last one
            shown.append("\n".join(texts))
    assert shown[0].split("\n")[2].startswith("❌")
    assert f"-# 1/{len(shown)} · " in shown[0]
    lines = [line for page in shown for line in page.split("\n") if "`host" in line]
    assert len(set(lines)) == len(lines) == 300


@BOTH
def test_a_check_that_is_good_at_one_place_only_is_named_with_the_place(language: str) -> None:
    t = Texts("ja" if language == "ja" else "en").public
    results = [
        ok("proxmox.token", "token_works", "home"),
        error("proxmox.token", "told", "parents", reason="x"),
    ]
    results += [ok("proxmox.version", "version_ok", site) for site in ("home", "parents")]
    view = health_card(t, CheckReport(tuple(results), 0.0, 0.0), 0, "*")
    names = t(", ").join((f"{t(LABELS['proxmox.token'])} (`home`)", t(LABELS["proxmox.version"])))
    texts = [item.content for item in view.walk_children() if hasattr(item, "content")]
    assert f"{OK} **Proxmox**\n-# {names}" in texts[1]
